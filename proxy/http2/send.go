package http2

import (
	"os"
	"time"
)

// queue holds the streams that wait for the connection: for its window, or for room
// in the outgoing buffer. One has its turn at a time.
type queue struct {
	first, last *Stream
	busy        bool // one was told that it is its turn, and has not come yet
}

func (q *queue) push(s *Stream) {
	s.queued, s.next = true, nil
	if q.first == nil {
		q.first = s
	} else {
		q.last.next = s
	}
	q.last = s
}

func (q *queue) pop() *Stream {
	s := q.first
	q.first, s.next, s.queued = s.next, nil, false
	return s
}

// pass tells the next stream in the queue that it is its turn, if the connection
// can take something. mu is held.
func (c *Conn) pass() {
	if c.blocked.first == nil || c.blocked.busy || c.room() <= 0 {
		return
	}
	s := c.blocked.pop()
	s.turn, c.blocked.busy = true, true
	s.signal()
}

// room is how many bytes of DATA the connection takes. mu is held.
func (c *Conn) room() int64 { return min(c.window, int64(outLimit-len(c.out))) }

// Sent says what became of an answer's part: Frames and Body are bytes; the
// former counts heads and the frames around bodies.
type Sent struct{ Frames, Body int64 }

// Send sends a part of the answer: a head of HTTP/1.1 in front of the first part,
// then data; last: the answer is whole. An interim head is sent without data, and
// a final one follows. It returns when all bytes are on their way, or the client has
// taken none for the whole timeout.
func (s *Stream) Send(head, data []byte, last bool, timeout time.Duration) (sent Sent, err error) {
	c := s.conn
	if head != nil {
		s.enc = appendAnswer(append(s.enc[:0], noTable), head)
	}
	var timer patience
	defer timer.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	if head != nil {
		if s.err != nil {
			return sent, s.err
		}
		sent.Frames += s.sendHead(last && len(data) == 0)
		c.boundOut()
	}
	for len(data) > 0 {
		if n := s.sendSome(data, last); n > 0 {
			sent.Frames += frameHeader
			sent.Body += int64(n)
			data = data[n:]
			timer.renew()
			continue
		}
		if err := s.await(&timer, timeout); err != nil {
			return sent, err
		}
	}
	if last && !s.answered {
		if s.err != nil {
			return sent, s.err
		}
		c.out = appendFrameHeader(c.out, 0, frameData, flagEndStream, s.id)
		sent.Frames += frameHeader
		s.finish()
	}
	c.work.Signal()
	return sent, nil
}

// sendHead appends the encoded head. mu is held.
func (s *Stream) sendHead(last bool) int64 {
	c := s.conn
	block := s.enc
	if c.noTable {
		c.noTable = false
	} else {
		block = block[1:]
	}
	before := len(c.out)
	c.out = appendBlock(c.out, s.id, block, last)
	if last {
		s.finish()
	}
	return int64(len(c.out) - before)
}

// boundOut ends a connection whose client asks and asks and reads no answers. DATA
// waits for room; heads do not, since an answer without a body may be all there is.
func (c *Conn) boundOut() {
	if len(c.out) > maxOut && c.failed == nil {
		c.failed = errCalm
		c.kick()
	}
}

// finish notes that the answer is whole. mu is held.
func (s *Stream) finish() {
	s.answered = true
	s.conn.resets.give(1)
	s.conn.control.give(settingsCost)
	if s.ended {
		s.release()
	}
}

// sendSome appends one DATA frame with what the windows and the buffer take: 0 when
// the stream has to wait. mu is held.
func (s *Stream) sendSome(data []byte, last bool) int {
	c := s.conn
	if s.err != nil || c.blocked.first != nil && !s.turn {
		return 0
	}
	n := int(min(int64(min(len(data), maxFrame)), c.initial+s.window, c.room()))
	if n <= 0 {
		return 0
	}
	flags := uint8(0)
	if last && n == len(data) {
		flags = flagEndStream
	}
	c.out = append(appendFrameHeader(c.out, n, frameData, flags, s.id), data[:n]...)
	c.window -= int64(n)
	s.window -= int64(n)
	c.control.give(2) // for the WINDOW_UPDATE frames that it earns
	if s.endTurn(); flags != 0 {
		s.finish()
	}
	return n
}

// endTurn lets the next stream of the queue go on. mu is held.
func (s *Stream) endTurn() {
	if s.turn {
		s.turn = false
		s.conn.blocked.busy = false
		s.conn.pass()
	}
}

// await waits for what the stream lacks: its own window, or its turn. mu is held.
func (s *Stream) await(timer *patience, timeout time.Duration) error {
	c := s.conn
	own := c.initial+s.window <= 0
	if own && s.turn {
		s.endTurn()
	}
	switch {
	case s.err != nil:
		s.leave()
		return s.err
	case timer.over():
		s.leave()
		return os.ErrDeadlineExceeded
	case !own && !s.queued && !s.turn:
		c.blocked.push(s)
		c.pass()
	case !own && s.turn: // the window has shut again
		s.turn, c.blocked.busy = false, false
		c.blocked.push(s)
	}
	s.waits = own
	c.work.Signal()
	c.mu.Unlock()
	timer.wait(s.wake, timeout)
	c.mu.Lock()
	s.waits = false
	return nil
}

// leave gives up a turn, or the place in the queue. mu is held.
func (s *Stream) leave() {
	s.endTurn()
	if s.queued {
		s.conn.blocked.remove(s)
	}
}

func (q *queue) remove(s *Stream) {
	var before *Stream
	for e := q.first; e != s; e = e.next {
		before = e
	}
	if before == nil {
		q.first = s.next
	} else {
		before.next = s.next
	}
	if q.last == s {
		q.last = before
	}
	s.queued, s.next = false, nil
}
