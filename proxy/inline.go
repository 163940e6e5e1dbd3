package proxy

import (
	"errors"
	"time"

	"paddock/proxy/netpoll"
)

// An exchange begins inline: on the goroutine of the poller, which must not wait. The
// simple case never leaves it: the head is there, the request goes out in one write,
// the answer comes in one read and is taken by the client in one write. Between the two
// the exchange waits for the app's connection to be readable, without a goroutine.
//
// Whatever else would wait ends with errDetach instead: the same exchange goes on, at its
// stage, on a goroutine of its own, where every call waits.
var (
	errAwait  = errors.New("waits for the app")
	errDetach = errors.New("goes on where it can wait")
)

// waits reports whether the exchange goes on later.
func waits(err error) bool { return err == errAwait || err == errDetach }

// maxInlineAnswer is the longest answer that the poller's goroutine relays: others wait
// meanwhile.
const maxInlineAnswer = 256 << 10

// stage is how far an exchange has come; it goes on there when it had to wait.
type stage int

const (
	stageNew stage = iota
	stageHead
	stageMalformed
	stageRoute
	stagePlace
	stageBody
	stageQueue
	stageCall
	stageRelay
	stageSettle
	stageFlush
)

// goOn has the exchange go on when its app answers, or on a goroutine. False: the answer
// is there, and it goes on here.
func (x *exchange) goOn() bool {
	if x.wait == errAwait {
		return x.try.conn.Arm(x.onAnswer)
	}
	x.detach()
	return true
}

// detach lets the exchange go on where it may wait. The caller must not touch it any more.
func (x *exchange) detach() {
	x.inline = false
	go x.onDetach()
}

func (x *exchange) detached() {
	c := x.conn
	defer c.survive()
	c.run(x)
}

// answerCame goes on when the app's connection is readable; that may be on the poller's
// goroutine.
func (x *exchange) answerCame(_ *netpoll.Conn, now time.Time) {
	c := x.conn
	defer c.survive()
	if now.After(x.now) { // an event of long ago may have been about nothing
		x.now = now
	}
	c.run(x)
}

// simple reports whether the place can be served without waiting for a file, a name, a
// limit or a password, and without a dialogue with the client.
func (x *exchange) simple() bool {
	p := x.place
	return p.try == nil && len(p.limit.limits) == 0 && !p.auth.on && (p.pass != nil || p.answer != nil) && !x.upgrade && !x.req.Expect100
}

// clock is the time of what happens now. Inline that is when the poller came to it.
func (x *exchange) clock() time.Time {
	if x.inline {
		return x.now
	}
	return time.Now()
}

func (x *exchange) since(t time.Time) time.Duration { return x.clock().Sub(t) }

// until returns the deadline of a step that may take d.
func (x *exchange) until(d time.Duration) time.Time { return x.clock().Add(d) }

// readClient reads from the client. It never waits for a request to begin: an idle
// connection has no goroutine.
func (x *exchange) readClient(p []byte) (int, error) {
	return x.conn.read(p, !x.inline && x.end > 0)
}

// readTry reads from the app.
func (x *exchange) readTry(p []byte) (int, error) {
	if x.inline {
		return x.try.conn.TryRead(p)
	}
	return x.try.conn.Read(p)
}

// buffers reports whether what a slow client leaves of the answer is kept for it (nginx:
// proxy_buffering, X-Accel-Buffering).
func (x *exchange) buffers() bool {
	if v, ok := x.try.answer.Get("x-accel-buffering"); ok {
		switch {
		case isField(v, "no"):
			return false
		case isField(v, "yes"):
			return true
		}
	}
	return x.place.buffering
}
