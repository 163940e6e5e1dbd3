package proxy

import (
	"crypto/sha256"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"paddock/accesslog"
)

// passwords are what is known of those of one file. Hashes are slow by intent: what was
// right once is remembered, and only a part of the processors hashes at once.
type passwords struct {
	hashing chan struct{} // the proxy's: all files have it in common
	waiting atomic.Int64  // for a place in hashing

	mu      sync.Mutex
	known   map[passwordSum]bool
	learned chan struct{} // closed when known gains one
}

// passwordSum is of a user and a password.
type passwordSum [sha256.Size]byte

// maxKnown bounds the passwords that are remembered of one file.
const maxKnown = 1000

// Bounds of the passwords of one file that wait to be hashed. In that time a processor
// hashes about 150 with bcrypt at a cost of 10. They have no key: nginx has none, and a
// queue that is longer only answers clients that have given up.
const (
	maxHashQueue = 100
	maxHashWait  = 10 * time.Second
)

var (
	errHashQueueFull    = &refusal{status: 503, retryAfter: retryAfterBusy, reason: accesslog.RefusedPassword, cause: errors.New("too many wait already")}
	errHashQueueTimeout = &refusal{status: 503, retryAfter: retryAfterBusy, reason: accesslog.RefusedPassword, cause: errors.New("it has waited too long")}
)

// newHashing are places to hash in, for a part of the processors: the others serve.
func newHashing() chan struct{} { return make(chan struct{}, max(runtime.GOMAXPROCS(0)/2, 1)) }

func newPasswords(hashing chan struct{}) *passwords {
	return &passwords{hashing: hashing, known: map[passwordSum]bool{}, learned: make(chan struct{})}
}

// keepPasswords has those of files that stay as they were live on: after a reload, all
// users at once would wait to be hashed again. All files share the places to hash in.
func (p *Proxy) keepPasswords(next *snapshot) {
	old := p.snap.Load()
	for path, u := range next.users {
		u.hashing = p.hashing
		if was := old.users[path]; was != nil && was.text == u.text {
			u.passwords = was.passwords
		}
	}
}

// enter waits for a place to hash in, or until the password is known: many requests of one
// user come at once, and one of them is enough.
func (p *passwords) enter(sum passwordSum, gone func() bool) (known bool, err error) {
	if known, _ = p.knows(sum); known {
		return true, nil
	}
	select {
	case p.hashing <- struct{}{}:
		return p.entered(sum), nil
	default:
	}
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > maxHashQueue {
		return false, errHashQueueFull
	}
	end, look := time.NewTimer(maxHashWait), time.NewTicker(pauseSlice)
	defer end.Stop()
	defer look.Stop()
	for !gone() {
		known, learned := p.knows(sum)
		if known {
			return true, nil
		}
		select {
		case p.hashing <- struct{}{}:
			return p.entered(sum), nil
		case <-learned:
		case <-end.C:
			return false, errHashQueueTimeout
		case <-look.C:
		}
	}
	return false, errClientGone
}

// entered reports whether who had the place before has learned the password; then the
// place is given back.
func (p *passwords) entered(sum passwordSum) bool {
	known, _ := p.knows(sum)
	if known {
		p.exit()
	}
	return known
}

// exit gives a place back. What was learned in it is known by then.
func (p *passwords) exit() { <-p.hashing }

// knows reports whether a password was right before. learned tells when to ask again.
func (p *passwords) knows(sum passwordSum) (known bool, learned <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[sum], p.learned
}

// learn notes that a password is right, and tells those that wait.
func (p *passwords) learn(sum passwordSum) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxKnown {
		clear(p.known)
	}
	p.known[sum] = true
	close(p.learned)
	p.learned = make(chan struct{})
}
