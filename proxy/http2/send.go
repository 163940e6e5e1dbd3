package http2

import (
	"errors"
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
	signal(s.room)
}

// room is how many bytes of DATA the connection takes. mu is held.
func (c *Conn) room() int64 { return min(c.window, int64(outLimit-len(c.out))) }

// Sent says what became of an answer's part: Frames and Body are bytes; the
// former counts heads and the frames around bodies.
type Sent struct{ Frames, Body int64 }

// ErrWouldBlock is what TrySend returns when it could not send all.
var ErrWouldBlock = errors.New("http2: the client takes no more at the moment")

// Send sends a part of the answer: a head of HTTP/1.1 in front of the first part,
// then data; last: the answer is whole. An interim head is sent without data, and
// a final one follows. It returns when all bytes are on their way, or the client has
// taken none for the whole timeout.
func (s *Stream) Send(head, data []byte, last bool, timeout time.Duration) (sent Sent, err error) {
	for {
		part, err := s.SendSome(head, data, last, timeout)
		sent.Frames += part.Frames
		sent.Body += part.Body
		if data = data[part.Body:]; err != nil || len(data) == 0 {
			return sent, err
		}
		head = nil
	}
}

// SendSome is Send of some of the data, at least one byte.
func (s *Stream) SendSome(head, data []byte, last bool, timeout time.Duration) (sent Sent, err error) {
	c, until := s.conn, time.Now().Add(timeout)
	s.encode(head)
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		part, err := s.sendParts(head, data, last)
		sent.Frames += part.Frames
		sent.Body += part.Body
		if err != nil || sent.Body > 0 || len(data) == 0 {
			return sent, err
		}
		head = nil
		if err := s.await(until, timeout); err != nil {
			return sent, err
		}
	}
}

// TrySend is Send of what goes without waiting.
func (s *Stream) TrySend(head, data []byte, last bool) (Sent, error) {
	s.encode(head)
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	sent, err := s.sendParts(head, data, last)
	if err == nil && sent.Body < int64(len(data)) {
		err = ErrWouldBlock
	}
	return sent, err
}

func (s *Stream) encode(head []byte) {
	if head != nil {
		s.enc = appendAnswer(append(s.enc[:0], noTable), head)
	}
}

// sendParts appends what goes without waiting. mu is held.
func (s *Stream) sendParts(head, data []byte, last bool) (sent Sent, err error) {
	if s.err != nil {
		s.leave()
		return sent, s.err
	}
	if head != nil {
		sent.Frames += s.sendHead(last && len(data) == 0)
	}
	for len(data) > 0 {
		n := s.sendData(data, last)
		if n == 0 {
			break
		}
		sent.Frames += frameHeader
		sent.Body += int64(n)
		data = data[n:]
	}
	if last && len(data) == 0 && !s.answered {
		s.conn.out = appendFrameHeader(s.conn.out, 0, frameData, flagEndStream, s.id)
		sent.Frames += frameHeader
		s.finish()
	}
	s.conn.boundOut()
	s.conn.wake()
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

// sendData appends one DATA frame with what the windows and the buffer take: 0 when
// the stream has to wait. mu is held.
func (s *Stream) sendData(data []byte, last bool) int {
	c := s.conn
	if c.blocked.first != nil && !s.turn {
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
	c.mark = c.taken + uint64(len(c.out))
	s.mark, s.patience = c.mark, patience{}
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
func (s *Stream) await(until time.Time, timeout time.Duration) error {
	c := s.conn
	own := c.initial+s.window <= 0
	if own && s.turn {
		s.endTurn()
	}
	switch {
	case s.err != nil:
		s.leave()
		return s.err
	case !time.Now().Before(s.atLeast(&until, timeout, own)):
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
	c.wake()
	c.mu.Unlock()
	wait(s.room, until)
	c.mu.Lock()
	s.waits = false
	return nil
}

// patience is how long a stream waits beyond its time.
type patience struct {
	until time.Time
	last  bool
}

// atLeast moves a time that is over: it is for what the client does with what has been sent
// to it. While that is on its way the stream's timeout begins anew, as the writer's is the one
// that counts, which begins anew with all that the client takes (nginx: send_timeout, between
// two successive writes). It begins a last time when that is found to be out. mu is held.
func (s *Stream) atLeast(until *time.Time, timeout time.Duration, own bool) time.Time {
	c, p, now := s.conn, &s.patience, time.Now()
	if p.until.After(*until) {
		*until = p.until
	}
	if now.Before(*until) {
		return *until
	}
	switch {
	case own && s.mark > c.gone, !own && c.mark > c.gone, !own && c.window > 0 && len(c.out) > 0:
		p.until, p.last = now.Add(timeout), false
	case !p.until.IsZero() && !p.last:
		p.until, p.last = now.Add(timeout), true
	default:
		return *until
	}
	*until = p.until
	return *until
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
