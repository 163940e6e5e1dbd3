package http2

import (
	"io"
	"os"
	"time"
)

// Stream is one request and its answer. Its methods are for its handler; one goroutine
// may read the body and another one send the answer. Close is the last.
type Stream struct {
	Head    []byte    // the request as a head of HTTP/1.1; empty when it is malformed
	Err     error     // why it is refused: *http1.Error, to be answered, or *Malformed, which was answered by a reset
	HasBody bool      // a body may follow
	Start   time.Time // when the head was complete
	Number  int       // of the connection's requests
	Encoded int       // bytes of the head as it came (nginx: $request_length)

	conn *Conn
	id   uint32
	enc  []byte // memory of encoded heads

	arrived chan struct{} // of size 1: Read is to look again
	room    chan struct{} // of size 1: SendSome is

	// Guarded by conn.mu.
	err       error // why it is over, before its answer was whole
	resetByUs bool
	onHangup  func()

	ended      bool // the client's half: END_STREAM has come
	body       []byte
	at         int   // body[at:] was not read
	length     int64 // of the body as the client says; -1: it does not
	received   int64
	credit     int // bytes that the client may still send
	unreturned int
	readUntil  time.Time

	answered bool   // our half: END_STREAM was sent
	uncount  bool   // it does not count against MaxStreams any more
	window   int64  // that the client has left, relative to what streams begin with
	mark     uint64 // as conn.mark, of this stream
	patience patience
	waits    bool // for its window
	queued   bool // in conn.blocked
	turn     bool // taken off conn.blocked
	next     *Stream
}

// signal tells who waits to look again.
func signal(token chan<- struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}

// over reports whether nothing more is to come of the stream. mu is held.
func (s *Stream) over() bool { return s.err != nil || s.answered && s.ended }

// hangUp ends the stream before its answer is whole. mu is held.
func (s *Stream) hangUp(why error) {
	if s.err != nil {
		return
	}
	s.err = why
	signal(s.arrived)
	signal(s.room)
	if f := s.onHangup; f != nil && !s.answered {
		s.onHangup = nil
		f()
	}
}

// OnHangup has f called once when the client resets the stream or the connection
// ends, also if that has happened before. f must not block and must not use the
// stream. nil disarms: when OnHangup(nil) has returned f is not running and will
// not be called.
func (s *Stream) OnHangup(f func()) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.onHangup = f
	if f != nil && s.err != nil {
		s.onHangup = nil
		f()
	}
}

// receive adds n bytes of a frame, p of them body. mu is held.
func (s *Stream) receive(p []byte, n int, end bool) (Code, error) {
	if s.credit -= n; s.credit < 0 {
		return FlowControlError, &Malformed{"more DATA than the stream's window", "RFC 9113 6.9"}
	}
	s.received += int64(len(p))
	if s.length >= 0 && (s.received > s.length || end && s.received < s.length) {
		return ProtocolError, errLengthDiffer
	}
	s.unreturned += n - len(p)
	if s.at > 0 && len(s.body)+len(p) > cap(s.body) {
		// A reader that never catches up leaves what it has read in front: without this a
		// body grows to the whole upload, whatever its window.
		s.body, s.at = s.body[:copy(s.body, s.body[s.at:])], 0
	}
	s.body = append(s.body, p...)
	s.ended = end
	signal(s.arrived)
	return NoError, nil
}

// SetReadDeadline sets when Read fails, also one that waits.
func (s *Stream) SetReadDeadline(t time.Time) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.readUntil = t
	signal(s.arrived)
}

// Read reads what has come of the body, and waits for it at most to the deadline. It
// returns io.EOF when the body was whole: as long as the client said, too.
func (s *Stream) Read(p []byte) (int, error) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case s.err != nil:
			return 0, s.err
		case s.at < len(s.body):
			return s.takeBody(p), nil
		case s.ended:
			return 0, io.EOF
		case !time.Now().Before(s.readUntil):
			return 0, os.ErrDeadlineExceeded
		}
		until := s.readUntil
		c.mu.Unlock()
		wait(s.arrived, until)
		c.mu.Lock()
	}
}

// takeBody takes bytes of the body and gives the windows back. mu is held.
func (s *Stream) takeBody(p []byte) int {
	n := copy(p, s.body[s.at:])
	if s.at += n; s.at == len(s.body) {
		s.body, s.at = s.body[:0], 0
	}
	s.conn.giveBack(n)
	if s.unreturned += n; !s.ended && s.unreturned >= s.conn.cfg.BodyWindow/2 {
		s.conn.out = appendWindowUpdate(s.conn.out, s.id, uint32(s.unreturned))
		s.conn.wake()
		s.credit += s.unreturned
		s.unreturned = 0
	}
	return n
}

// Buffered reports whether a part of the body has come, or its end.
func (s *Stream) Buffered() bool {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.ended || s.received > 0
}

// Reset ends the stream so that the client sees that its answer is not whole.
func (s *Stream) Reset(code Code) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.err != nil || s.answered {
		return
	}
	c.out = appendReset(c.out, s.id, code)
	c.wake()
	s.resetByUs, s.err = true, ErrReset
	signal(s.arrived)
	signal(s.room)
}

// Close ends the stream. An answer that is not whole is seen to be broken, and a body
// that nobody read is cut: the answer does not depend on it (RFC 9113 8.1).
func (s *Stream) Close() {
	s.Reset(InternalError)
	c := s.conn
	defer c.handlers.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.err == nil && !s.ended {
		c.out = appendReset(c.out, s.id, NoError)
		c.wake()
		s.resetByUs = true
	}
	c.giveBack(len(s.body) - s.at)
	s.release()
	c.late.add(s.id, s.resetByUs)
	delete(c.streams, s.id)
	if len(c.streams) == 0 {
		c.idle = time.Now()
		c.endDrained()
	}
}

// release gives the stream's place to another one. mu is held.
func (s *Stream) release() {
	if !s.uncount {
		s.uncount = true
		s.conn.live--
	}
}

// wait waits for a token, at most until a time.
func wait(token <-chan struct{}, until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-token:
	case <-timer.C:
	}
}
