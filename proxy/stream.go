package proxy

import (
	"errors"
	"io"
	"time"

	"paddock/accesslog"
	"paddock/proxy/http1"
	"paddock/proxy/http2"
	"paddock/proxy/netpoll"
)

// stream is the client of one request of HTTP/2. What the exchange writes is the head
// of HTTP/1.1 that it has made, then the body as it is; the frames are the engine's.
type stream struct {
	*http2.Stream
	carrier     *netpoll.Conn
	sendTimeout time.Duration
	body        bool // bytes of the body may be read: a head never comes this way
	headed      bool // the final head was sent
	last        bool // what is written next ends the answer
	closed      bool
	sent        http2.Sent
}

var _ client = (*stream)(nil)

// Read reads from the body; io.EOF when it was whole.
func (s *stream) Read(p []byte) (int, error) {
	if !s.body {
		return 0, errBroken
	}
	return s.Stream.Read(p)
}

// SetReadDeadline sets when the next Read ends.
func (s *stream) SetReadDeadline(t time.Time) error { s.Stream.SetReadDeadline(t); return nil }

// SetSendTimeout sets how long the next WriteSome waits.
func (s *stream) SetSendTimeout(d time.Duration) { s.sendTimeout = d }

// TryWritev sends what goes at once. The first buffer of all is the answer's head.
func (s *stream) TryWritev(bufs [][]byte) (n int64, err error) {
	var head []byte
	if !s.headed {
		head, bufs = bufs[0], bufs[1:]
		s.headed, n = true, int64(len(head))
	}
	if len(bufs) == 0 {
		return n, s.count(s.TrySend(head, nil, s.last))
	}
	for i, buf := range bufs {
		before := s.sent.Body
		err := s.count(s.TrySend(head, buf, s.last && i == len(bufs)-1))
		if n += s.sent.Body - before; err != nil {
			return n, err
		}
		head = nil
	}
	return n, nil
}

// WriteSome waits until at least one byte of the body goes.
func (s *stream) WriteSome(p []byte) (int, error) {
	sent, err := s.SendSome(nil, p, false, s.sendTimeout)
	return int(sent.Body), s.count(sent, err)
}

func (s *stream) count(sent http2.Sent, err error) error {
	s.sent.Frames += sent.Frames
	s.sent.Body += sent.Body
	if err == http2.ErrWouldBlock {
		return netpoll.ErrWouldBlock
	}
	return err
}

// Interrupt gives up what is not sent yet.
func (s *stream) Interrupt() { s.Stream.Reset(http2.Cancel) }

// Reset breaks the stream so that the client sees it.
func (s *stream) Reset() error { s.Stream.Reset(http2.InternalError); return nil }

// interim sends a 1xx answer in front of the final one.
func (s *stream) interim(head []byte) error {
	return s.count(s.TrySend(head, nil, false))
}

// end ends an answer that is whole, and counts what it was in frames (nginx:
// $bytes_sent). One that is not whole is reset by the engine.
func (s *stream) end(e *accesslog.Entry) {
	if e.Completed && s.headed {
		if s.count(s.TrySend(nil, nil, true)) != nil {
			e.Completed = false
		}
	}
	e.BytesSent, e.HeaderSent = s.sent.Frames+s.sent.Body, s.sent.Frames
}

// serveStream begins with one request of HTTP/2, inline: on the goroutine that reads the
// connection. It goes on as one of HTTP/1.1 does.
func (c *conn) serveStream(hs *http2.Stream) {
	s := &stream{Stream: hs, carrier: c.nc}
	one := &conn{
		proxy: c.proxy, listener: c.listener, stream: s, secure: c.secure, watched: true,
		info: c.info, peer: c.peer, remote: c.remote, proxied: c.proxied, requests: hs.Number - 1,
	}
	defer one.survive()
	one.onHangup = one.hungUp
	hs.OnHangup(one.onHangup)
	x := newExchange(one, time.Now())
	if len(hs.Head) > len(x.in) { // only large_client_header_buffers above the default lead here
		x.in = make([]byte, len(hs.Head))
	}
	if x.end = copy(x.in, hs.Head); x.end > 0 {
		one.run(x)
		return
	}
	x.refuseMalformed(hs.Err)
	one.endStream(x)
}

// runStream is run for a stream.
func (c *conn) runStream(x *exchange) {
	for c.exchange(x) == stepYield {
		if x.goOn() {
			return
		}
	}
	c.endStream(x)
}

func (c *conn) endStream(x *exchange) {
	x.release()
	c.closeStream()
}

// closeStream closes the stream, once: its connection waits for that.
func (c *conn) closeStream() {
	s := c.stream
	if s.closed {
		return
	}
	s.closed = true
	defer s.Close()
	s.OnHangup(nil)
}

// refuseMalformed logs a request that is none; its stream has been reset.
func (x *exchange) refuseMalformed(err error) {
	x.begin()
	x.startClock()
	x.doneReading()
	x.noteStream()
	x.ServerName = x.server.name
	x.finish(&refusal{status: errBadBody.status, silent: true, cause: err, reason: errBadBody.reason})
	x.record()
}

// noteStream notes what a request of HTTP/2 is otherwise than its head says, and
// returns why the engine refuses it.
func (x *exchange) noteStream() error {
	s := x.conn.stream
	x.Protocol, x.Pipelined = protocolHTTP2, false
	x.RequestLength = int64(s.Encoded)
	if len(x.req.Line) > 0 {
		x.req.OfStream(s.HasBody)
	}
	var refused *http1.Error
	if errors.As(s.Err, &refused) {
		return refused
	}
	return nil
}

const protocolHTTP2 = "HTTP/2.0"

// sendEarlyHints passes a 103 on (RFC 8297). Clients of HTTP/1.1 do not get it: some
// take it for the answer.
func (x *exchange) sendEarlyHints() {
	s, a := x.conn.stream, &x.try.answer
	if s == nil || a.Status != statusEarlyHints || x.sent {
		return
	}
	x.scratch = http1.AppendStatusLine(x.scratch[:0], a.Status, statusText(a.Status))
	for i := range a.Fields {
		if f := &a.Fields[i]; !f.Drop && !isOurs(f.Name) && !x.isHidden(f.Name) {
			x.scratch = http1.AppendField(x.scratch, f.Name, f.Value)
		}
	}
	x.scratch = http1.AppendEnd(x.scratch)
	_ = s.interim(x.scratch) // a client that has gone is found by the final answer
}

const statusEarlyHints = 103

// endOfBody reports whether err is the end of a body of HTTP/2, whose length the
// engine has checked.
func (x *exchange) endOfBody(err error) bool { return err == io.EOF && x.conn.stream != nil }
