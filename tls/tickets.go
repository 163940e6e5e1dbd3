package tls

import (
	"crypto/rand"
	"sync"
	"time"
)

// tickets are the keys of the session tickets of one server. No other server has
// them: a session that began with a client certificate, or without one, is resumed
// only where it began (nginx CVE-2025-23419).
type tickets struct {
	mu    sync.Mutex // guards what follows
	keys  [][32]byte // the newest first: it seals, all open
	since time.Time  // of the newest
}

// ticketKeys is how many keys open a ticket: the newest and the one before it. A
// session can be resumed for one to two periods.
const ticketKeys = 2

// current returns the keys, with a new one in front when the newest is a period old.
func (t *tickets) current(now time.Time, period time.Duration) [][32]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.keys) == 0 || now.Sub(t.since) >= period {
		var key [32]byte
		rand.Read(key[:]) // never fails (crypto/rand)
		t.keys = append([][32]byte{key}, t.keys[:min(len(t.keys), ticketKeys-1)]...)
		t.since = now
	}
	return t.keys
}
