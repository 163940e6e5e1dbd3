package proxy

import (
	"fmt"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"paddock/proxy/netpoll"
)

// A panic is a fault of ours. It costs the request that it happened in, or the connection
// where there is none: it is logged, what they held is given back, and all others live on.
// Go ends the process for one that no deferred call of its own goroutine has taken, so
// that every goroutine which works with what a client or an app has sent begins with
// exchange.work or conn.survive.

// errPanicked is how work of a request ended that panicked.
var errPanicked = &refusal{status: errInternal.status}

// notePanic tells the log. Called where the panic was taken, it knows the stack.
func (p *Proxy) notePanic(what string, reason any, more ...zap.Field) {
	p.logger.Error(what, append(more, zap.String("panic", fmt.Sprint(reason)), zap.ByteString("stack", debug.Stack()))...)
}

// work does a part of a request on a goroutine beside that of the exchange. A panic is the
// part's error, and ends what others wait for at these connections.
func (x *exchange) work(part func() error, conns ...*netpoll.Conn) (err error) {
	defer func() {
		reason := recover()
		if reason == nil {
			return
		}
		err = errPanicked
		x.conn.proxy.notePanic("a request panicked", reason, zap.ByteString("request", x.Line))
		for _, c := range conns {
			c.Interrupt()
		}
	}()
	return part()
}

// caught is deferred, and makes a panic the error of work that is for no client. The stack is
// for the log, not for the line that a person reads.
func caught(log *zap.Logger, what string, err *error) {
	if reason := recover(); reason != nil {
		log.Error(what, zap.String("panic", fmt.Sprint(reason)), zap.ByteString("stack", debug.Stack()))
		*err = fmt.Errorf("panic: %v", reason)
	}
}

// noteBroken notes that a part of the request has panicked: what the exchange and its
// connection hold is not known any more.
func (x *exchange) noteBroken(err error) {
	if err == errPanicked {
		x.broken, x.keepAlive = true, false
	}
}

// recovered turns a panic into a 500 for the request that it happened in, if nothing was
// sent, and has its connection closed.
func (c *conn) recovered(x *exchange, what *step) {
	reason := recover()
	if reason == nil {
		return
	}
	*what = stepOver
	c.proxy.notePanic("a request panicked", reason, zap.ByteString("request", x.Line))
	x.endBroken()
}

// endBroken ends a request that panicked. A page, a header or a log that made it panic may
// do so again.
func (x *exchange) endBroken() {
	c, app := x.conn, x.try.conn
	x.broken, x.keepAlive = true, false
	x.gzip = nil // its state is not for another request
	begun := x.server != nil && x.End == (time.Time{})
	if begun { // else no request had begun, or it is in the log already
		c.attempt(x.doneReading)
		c.attempt(func() { x.finish(errInternal) })
	}
	c.attempt(func() { x.hangUp(false) })
	if app != nil {
		app.Close()
	}
	c.attempt(x.leaveQueue)
	if c.attempt(x.giveBack); x.grant != nil {
		c.attempt(x.leaveGrant)
	}
	if x.inline {
		c.attempt(x.backlog.drop) // nobody may wait here
	}
	if begun {
		c.attempt(func() { _ = x.flush() }) // waits for nothing that is not bounded
		c.attempt(x.record)
	}
	if x.counters != nil {
		x.counters.inFlight.Add(-1)
		x.counters = nil
	}
	c.attempt(x.body.drop)
}

// leaveQueue gives back the place in the queue, or the one among the requests of the app
// that it was just given.
func (x *exchange) leaveQueue() {
	if x.queued.IsZero() {
		return
	}
	x.queued = time.Time{}
	w := &x.waiter
	w.queue.remove(w, errInternal)
	select {
	case <-w.wake:
		if w.grant != nil {
			w.queue.leave(w.grant)
		}
	default: // it was told before
	}
}

// attempt does one step of giving back. The others follow, also when it panics.
func (c *conn) attempt(step func()) {
	defer func() {
		if reason := recover(); reason != nil {
			c.proxy.notePanic("what a request held could not be given back", reason)
		}
	}()
	step()
}

// survive is deferred where a goroutine, or the poller, begins to work for a connection.
// A panic outside of any request, in a handshake or while the connection ends, ends the
// connection.
func (c *conn) survive() {
	reason := recover()
	if reason == nil {
		return
	}
	c.proxy.notePanic("a connection panicked", reason, zap.String("client", c.info.RemoteAddr))
	if c.stream != nil {
		c.attempt(c.closeStream)
		return
	}
	c.attempt(c.hungUp)
	c.nc.Close()
	c.proxy.conns.remove(c)
}
