package netpoll

import (
	"time"

	"golang.org/x/sys/unix"
)

// WaitReadable gives the connection up until something happens, and keeps no goroutine for it. When bytes, the end or an
// error arrive, when the read deadline passes, or on Wake, Interrupt or Close, resume is called on a goroutine of its own,
// which owns the connection from then on; its next Read returns the reason at once. (Once in a great while an event is about
// bytes that have been read already, and that Read waits; so keep its deadline.) The caller must not touch the connection
// after the call. Buffers should be given back before it.
func (c *Conn) WaitReadable(resume Handler) {
	c.resume, c.inline = resume, false
	if !c.provenEmpty() || !c.read.state.CompareAndSwap(nil, armed) {
		c.start()
		return
	}
	// What came before the swap has resumed nobody. These are atomics of an object that is never used again, so looking
	// at them is safe even if the new owner is at work.
	if c.woken() || c.failure(&c.read) != nil {
		c.socket.wake(&c.read, nil)
	}
}

// Arm gives the connection up as WaitReadable does, but has resume called on the poller's own goroutine when bytes, the end
// or an error arrive: resume must not wait for anything, and does what may take long on another goroutine. (On a deadline,
// Wake, Interrupt or Close it is called on a goroutine of its own.) False means that something is there already: the
// caller still owns the connection, resume will not be called, and TryRead says what it is.
func (c *Conn) Arm(resume Handler) bool {
	c.resume, c.inline = resume, true
	if c.events.Load() == 0 && !c.registerEmpty() {
		return false
	}
	if !c.read.state.CompareAndSwap(nil, armed) {
		return false
	}
	if c.woken() || c.failure(&c.read) != nil {
		// Who came before the swap has resumed nobody; who comes now takes armed away before we do.
		return !c.read.state.CompareAndSwap(armed, nil)
	}
	return true
}

// Disarm takes a connection out of Arm or WaitReadable and reports whether that was in time: if not, resume runs or will.
func (c *Conn) Disarm() bool { return c.read.state.CompareAndSwap(armed, nil) }

// registerEmpty registers a connection that epoll does not know; it tells of what is there already.
func (c *Conn) registerEmpty() bool {
	if !c.acquire() {
		return false
	}
	defer c.release()
	c.read.take()
	if err := c.register(unix.EPOLLIN); err != nil {
		c.read.restore()
		return false
	}
	return true
}

// provenEmpty registers the connection and makes sure that there is nothing to read by then. If epoll refuses, the next Read
// finds the socket empty, registers again and returns the error.
func (c *Conn) provenEmpty() bool {
	if c.events.Load() == 0 {
		return c.registerEmpty()
	}
	if !c.acquire() {
		return false
	}
	defer c.release()
	return c.quiet()
}

// start hands the connection to its handler. Only who has taken armed away, or never armed, calls it.
func (c *Conn) start() {
	if c.resumed == nil {
		c.resumed = func() { c.resumeAt(time.Now()) }
	}
	go c.resumed() // a go statement with arguments would allocate each time
}

// resumeOnLoop is start on the poller's goroutine.
func (c *Conn) resumeOnLoop(now time.Time) {
	if c.inline {
		c.resumeAt(now)
		return
	}
	c.start()
}

func (c *Conn) resumeAt(now time.Time) {
	resume := c.resume
	c.resume = nil
	resume(c, now)
}

// Wake resumes a connection in WaitReadable, or makes the next WaitReadable resume at once. A pending Read goes on. For
// shutdown and for closing idle connections: the owner sees Woken, which stays.
func (c *Conn) Wake() {
	c.flags.Or(flagWoken)
	if c.read.state.CompareAndSwap(armed, nil) {
		c.start()
	}
}

// Woken reports whether Wake has been called.
func (c *Conn) Woken() bool { return c.woken() }

func (c *Conn) woken() bool { return c.flags.Load()&flagWoken != 0 }
