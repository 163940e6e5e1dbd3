package proxy

import (
	"errors"
	"io"
	"os"
	"time"

	"paddock/proxy/http1"
)

// With proxy_request_buffering off the body of a request goes to the app as it comes. A
// goroutine takes it from the client while the exchange waits for the answer, which may
// come first. The bytes that were sent can not be sent again: there is no next server.

// streams reports whether the body is to go to the app as it comes.
func (x *exchange) streams() bool {
	return x.place.streamed && x.req.HasBody() && !x.detour.bodyTaken
}

// startStream readies a body for that.
func (x *exchange) startStream() error {
	if x.body.streamed {
		return nil
	}
	if x.inline {
		return errDetach
	}
	x.unread = true
	x.beginBody()
	x.body.streamed = true
	return x.expect100()
}

// passedBody is what a sender of a streamed body leaves.
type passedBody struct {
	sent     int64 // bytes, head and framing included
	finished bool  // the client has sent all of it
}

// sendStream sends head and body.
func (x *exchange) sendStream(c *peerConn) error {
	err := x.copyStream(c)
	c.SetReadDeadline(x.until(x.place.proxyRead))
	if err != nil && !isUpstreamGone(err) {
		c.Interrupt() // there will be no answer, or none that is of use
	}
	return err
}

// isUpstreamGone tells that the app takes no more: it may have answered early.
func isUpstreamGone(err error) bool {
	var r *refusal
	return !errors.As(err, &r) && !os.IsTimeout(err)
}

func (x *exchange) copyStream(c *peerConn) error {
	if err := x.pass(c, x.try.out); err != nil {
		return err
	}
	for {
		done, err := x.passBody(c)
		if err == nil && !done {
			err = x.readMoreBody()
		}
		if done || err == io.EOF {
			x.try.passed.finished = true
			return x.endStream(c)
		}
		if err != nil {
			return err
		}
	}
}

// passBody sends what has arrived.
func (x *exchange) passBody(c *peerConn) (done bool, err error) {
	n, data, done, err := x.body.framing.take(x.in[x.start:x.end])
	x.start += n
	x.BodyRead += int64(len(data))
	if err != nil {
		x.start, x.end = 0, 0
		return false, &refusal{status: errBadBody.status, cause: err, reason: errBadBody.reason}
	}
	x.RequestLength += int64(n)
	x.body.size += int64(len(data))
	if m := x.place.maxBody; m > 0 && x.body.size > m {
		return false, errTooLarge
	}
	if len(data) == 0 {
		return done, nil
	}
	if x.body.chunked {
		head := http1.AppendChunkHeader(nil, int64(len(data)))
		return done, x.pass(c, head, data, chunkEnd)
	}
	return done, x.pass(c, data)
}

func (x *exchange) endStream(c *peerConn) error {
	if x.body.chunked {
		return x.pass(c, lastChunk)
	}
	return nil
}

func (x *exchange) pass(c *peerConn, bufs ...[]byte) error {
	c.SetWriteDeadline(x.until(x.place.proxySend))
	n, err := c.Writev(bufs)
	x.try.passed.sent += n
	return err
}

// cutStream has a sender that waits for the client end.
func (x *exchange) cutStream() {
	if x.body.streamed {
		x.body.cut.Store(true)
		x.conn.setReadDeadline(time.Unix(1, 0))
	}
}

// notePassed takes over what the sender left.
func (x *exchange) notePassed() {
	if !x.body.streamed {
		return
	}
	s := &x.try.passed
	x.last().BytesSent += s.sent
	x.detour.bodyTaken = true // by whom it was meant for, or by nobody
	x.unread = !s.finished
	if !s.finished {
		x.keepAlive = false
	}
	*s = passedBody{}
}
