package proxy

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"paddock/proxy/netpoll"
)

// pool holds the idle connections to one peer, the latest used on top. Each is
// watched: one that its server closes is closed here too, at once.
type pool struct {
	background *sync.WaitGroup
	rules      *atomic.Pointer[keepRules] // of the upstream
	mu         sync.Mutex
	idle       []*peerConn
	closed     bool
	sweeper    *time.Timer
}

// peerConn is a connection to a peer.
type peerConn struct {
	*netpoll.Conn
	peer      *peer
	made      time.Time
	requests  int  // that it has carried
	reused    bool // it has carried a request before
	idleSince time.Time
	onHangup  func() // made once, so that each wait for the next request allocates nothing
}

// get returns an idle connection that is safe to use, or nil. One that has bytes
// to read or was closed by its server is closed: a byte on it is no answer to the
// next request.
func (p *pool) get() *peerConn {
	for {
		c := p.pop()
		if c == nil {
			return nil
		}
		c.OnHangup(nil)
		if c.Quiet() {
			c.reused = true
			return c
		}
		c.Close()
	}
}

func (p *pool) pop() *peerConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	last := len(p.idle) - 1
	c := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	return c
}

// keepRules say which connections are kept for the next request (nginx: keepalive and
// its neighbours).
type keepRules struct {
	conns    int // idle ones to each server
	requests int
	timeout  time.Duration
	time     time.Duration
}

// put keeps a connection for the next request, or closes it when so many idle ones
// are kept already, or it has served long enough.
func (p *pool) put(c *peerConn, now time.Time) {
	rules := p.rules.Load()
	c.idleSince = now
	c.requests++
	if c.requests >= rules.requests || now.Sub(c.made) >= rules.time || !p.push(c, rules) {
		c.Close()
	}
}

func (p *pool) push(c *peerConn, rules *keepRules) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= rules.conns {
		return false
	}
	p.idle = append(p.idle, c)
	if p.sweeper == nil {
		p.sweeper = time.AfterFunc(rules.timeout, p.sweep)
	}
	// Under mu, so that no one takes the connection before it is armed.
	c.OnHangup(c.onHangup)
	return true
}

// evict runs in the poller when the server has closed an idle connection.
func (c *peerConn) evict() {
	p := &c.peer.pool
	p.background.Go(func() {
		if p.take(c) {
			c.Close()
		}
	})
}

func (p *pool) take(c *peerConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.idle, c)
	if i < 0 {
		return false
	}
	p.idle = slices.Delete(p.idle, i, i+1)
	return true
}

// sweep closes what was idle for too long, and comes again while any is left.
func (p *pool) sweep() {
	timeout := p.rules.Load().timeout
	old := p.takeOld(time.Now().Add(-timeout), timeout)
	for _, c := range old {
		c.OnHangup(nil)
		c.Close()
	}
}

func (p *pool) takeOld(before time.Time, next time.Duration) []*peerConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(p.idle) && !p.idle[n].idleSince.After(before) {
		n++
	}
	old := slices.Clone(p.idle[:n])
	p.idle = slices.Delete(p.idle, 0, n)
	p.sweeper = nil
	if len(p.idle) > 0 && !p.closed {
		p.sweeper = time.AfterFunc(next, p.sweep)
	}
	return old
}

// empty closes every idle connection; close also refuses those that come later.
func (p *pool) empty() { p.shut(false) }
func (p *pool) close() { p.shut(true) }

func (p *pool) shut(closed bool) {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.closed = p.closed || closed
	if p.sweeper != nil {
		p.sweeper.Stop()
		p.sweeper = nil
	}
	p.mu.Unlock()
	for _, c := range idle {
		c.OnHangup(nil)
		c.Close()
	}
}
