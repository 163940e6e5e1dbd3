package netpoll

import "time"

// OnHangup arms f: it is called at most once, on the poller's goroutine, when the peer has closed or half-closed or the
// connection broke, also if that had happened before. f must not block, nor call OnHangup of the same connection. nil
// disarms: when OnHangup(nil) has returned, f is not running and will not be called; so do not hold a lock that f takes while
// calling OnHangup. Close does not disarm, and f may call Close. If epoll refuses the connection, f is
// never called, and the next Read that has to wait returns the error.
func (c *Conn) OnHangup(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onHangup = f
	if f != nil && c.acquire() {
		c.watchHangup()
		c.release()
	}
}

// hangupSoon is how long OnHangupSoon lets a connection go unregistered.
const hangupSoon = 100 * time.Millisecond

// OnHangupSoon is OnHangup for what is often over before it would matter: a connection that epoll does not know yet is
// registered up to 150 ms later, if it is open by then. Most short-lived ones save two system calls that way.
func (c *Conn) OnHangupSoon(f func()) {
	if c.events.Load() != 0 {
		c.OnHangup(f)
		return
	}
	c.mu.Lock()
	c.onHangup = f
	c.mu.Unlock()
	w := &c.poller.sweeper
	at := int64(time.Since(w.start) + hangupSoon)
	c.soon.Store(at)
	w.announce(at)
}

// watchHangup is called with mu held. A hang-up that has been reported is made to be reported again, so that it is always
// the poller's goroutine that calls f.
func (c *Conn) watchHangup() {
	events := c.events.Load()
	if events == 0 || c.flags.Load()&flagHangup != 0 {
		_ = c.change(events | readEvents)
	}
}

// hungUp is called by the loop.
func (c *Conn) hungUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.onHangup
	c.onHangup = nil
	if f != nil {
		f()
	}
}
