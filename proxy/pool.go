package proxy

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"paddock/proxy/netpoll"
)

// pool holds the idle connections to one peer, the latest used on top. Each is
// armed: one that its server closes, that sends a byte, or that is idle for too long
// is closed here too, at once.
type pool struct {
	rules  *atomic.Pointer[keepRules] // of the upstream
	mu     sync.Mutex
	idle   []*peerConn
	closed bool
}

// peerConn is a connection to a peer.
type peerConn struct {
	*netpoll.Conn
	peer     *peer
	made     time.Time
	requests int             // that it has carried
	idleFrom time.Time       // when it was put back last
	reused   bool            // it has carried a request before
	evict    netpoll.Handler // made once, so that each wait for the next request allocates nothing
}

// get returns an idle connection that is safe to use and was put back at since or later,
// or nil. One that has bytes
// to read or was closed by its server is closed: a byte on it is no answer to the
// next request.
func (p *pool) get(near *netpoll.Conn, since time.Time) *peerConn {
	for {
		c := p.pop(near, since)
		if c == nil {
			return nil
		}
		if !c.Disarm() {
			continue // evict has it
		}
		if c.Quiet() {
			c.reused = true
			return c
		}
		c.Close()
	}
}

// searched is how many connections are looked at for one that is near the client's.
const searched = 16

// pop takes the latest used connection off the list, if possible one that is near.
func (p *pool) pop(near *netpoll.Conn, since time.Time) *peerConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 || p.idle[last].idleFrom.Before(since) {
		return nil
	}
	i := last
	for j := last; j >= max(0, last-searched) && !p.idle[j].idleFrom.Before(since); j-- {
		if p.idle[j].Near(near) {
			i = j
			break
		}
	}
	c := p.idle[i]
	p.idle = slices.Delete(p.idle, i, i+1)
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

// put keeps a connection for the next request, or closes it when it has served long
// enough. When so many idle ones are kept already, the one that was used longest ago is
// closed instead, as nginx does: were it the new one, a list full of connections that are
// too old for a POST would make every POST connect anew.
func (p *pool) put(c *peerConn, now time.Time) {
	rules := p.rules.Load()
	c.requests++
	c.idleFrom = now
	c.SetReadDeadline(now.Add(rules.timeout))
	if c.requests >= rules.requests || now.Sub(c.made) >= rules.time || !p.push(c, rules.conns) {
		c.Close()
	}
}

func (p *pool) push(c *peerConn, limit int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Under mu, so that no one takes the connection before it is armed.
	if p.closed || limit == 0 || !c.rest() {
		return false
	}
	if len(p.idle) >= limit {
		p.closeOldest()
	}
	p.idle = append(p.idle, c)
	return true
}

// closeOldest makes room, under mu.
func (p *pool) closeOldest() {
	c := p.idle[0]
	p.idle = slices.Delete(p.idle, 0, 1)
	if c.Disarm() { // else evict has it
		c.Close()
	}
}

// rest arms an idle connection. An event may have come that is about bytes which were
// read already; the kernel is asked then.
func (c *peerConn) rest() bool { return c.Arm(c.evict) || c.Quiet() && c.Arm(c.evict) }

// evicted runs when something came on an idle connection, or its time is over.
func (c *peerConn) evicted(*netpoll.Conn, time.Time) {
	if !c.peer.pool.retain(c) {
		c.Close()
	}
}

// retain keeps a connection whose event was about nothing new, else takes it off the list.
func (p *pool) retain(c *peerConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.idle, c)
	if i < 0 {
		return false
	}
	if c.Quiet() && c.Arm(c.evict) {
		return true
	}
	p.idle = slices.Delete(p.idle, i, i+1)
	return false
}

// empty closes every idle connection; close also refuses those that come later.
func (p *pool) empty() { p.shut(false) }
func (p *pool) close() { p.shut(true) }

func (p *pool) shut(closed bool) {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.closed = p.closed || closed
	p.mu.Unlock()
	for _, c := range idle {
		if c.Disarm() {
			c.Close()
		}
	}
}
