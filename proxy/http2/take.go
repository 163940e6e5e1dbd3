package http2

import "encoding/binary"

// take takes one frame. Its error ends the connection.
func (c *Conn) take(f *frame) error {
	if c.head.stream != 0 && (f.kind != frameContinuation || f.stream != c.head.stream) {
		return protocolError("a head is not complete") // RFC 9113 6.2
	}
	if !c.greeted && (f.kind != frameSettings || f.has(flagAck)) {
		return protocolError("the first frame is not SETTINGS") // RFC 9113 3.4
	}
	switch f.kind {
	case frameData:
		return c.takeData(f)
	case frameHeaders:
		return c.takeHeaders(f)
	case framePriority:
		return c.takePriority(f)
	case frameRSTStream:
		return c.takeReset(f)
	case frameSettings:
		return c.takeSettings(f)
	case framePushPromise:
		return protocolError("PUSH_PROMISE of a client")
	case framePing:
		return c.takePing(f)
	case frameGoAway:
		return c.takeGoAway(f)
	case frameWindowUpdate:
		return c.takeWindow(f)
	case frameContinuation:
		return c.takeContinuation(f)
	}
	return c.charge(1) // of a type that we do not know: ignored (RFC 9113 4.1)
}

// charge takes tokens for a frame that carries nothing.
func (c *Conn) charge(n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pay(&c.control, n)
}

// pay takes n tokens; mu is held.
func (c *Conn) pay(b *bucket, n int) error {
	if !b.take(n) {
		return errCalm
	}
	return nil
}

var (
	errStreamZero  = protocolError("a frame that needs a stream is of none")
	errStreamGiven = protocolError("a frame of the connection is of a stream")
	errIdleStream  = protocolError("a frame of a stream that was never opened")
	errFrameSize   = &connError{FrameSizeError, "a frame has the wrong length"}
)

// takePriority checks a PRIORITY and ignores it (RFC 9113 5.3.2).
func (c *Conn) takePriority(f *frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case f.stream == 0:
		return errStreamZero
	case len(f.payload) != priorityPart:
		return c.streamError(f.stream, FrameSizeError, errDepends)
	case dependsOn(f.payload) == f.stream:
		return c.streamError(f.stream, ProtocolError, errDepends)
	}
	return c.pay(&c.control, 1)
}

func dependsOn(p []byte) uint32 { return binary.BigEndian.Uint32(p) & maxStreamID }

func (c *Conn) takeReset(f *frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case f.stream == 0:
		return errStreamZero
	case len(f.payload) != 4:
		return errFrameSize
	case f.stream > c.lastID:
		return errIdleStream
	}
	s := c.streams[f.stream]
	if s == nil || s.over() {
		return c.pay(&c.control, 1)
	}
	s.hangUp(ErrReset)
	return c.pay(&c.resets, 1)
}

// takePing answers a PING, or hears that the client has seen our GOAWAY.
func (c *Conn) takePing(f *frame) error {
	switch {
	case f.stream != 0:
		return errStreamGiven
	case len(f.payload) != 8:
		return errFrameSize
	}
	data := [8]byte(f.payload)
	if f.has(flagAck) {
		if data == drainPing {
			c.heard()
		}
		return c.charge(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = appendPing(c.out, flagAck, data)
	c.wake()
	return c.pay(&c.control, 1)
}

// takeGoAway: the client takes no streams of ours, and we open none.
func (c *Conn) takeGoAway(f *frame) error {
	switch {
	case f.stream != 0:
		return errStreamGiven
	case len(f.payload) < 8:
		return errFrameSize
	}
	return c.charge(1)
}

func (c *Conn) takeWindow(f *frame) error {
	if len(f.payload) != 4 {
		return errFrameSize
	}
	n := int64(binary.BigEndian.Uint32(f.payload) & maxStreamID)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.pay(&c.control, 1); err != nil {
		return err
	}
	if f.stream != 0 {
		return c.openWindow(f.stream, n)
	}
	if n == 0 {
		return protocolError("WINDOW_UPDATE of nothing")
	}
	if c.window += n; c.window > maxWindow {
		return &connError{FlowControlError, "window of the connection too large"}
	}
	c.pass()
	return nil
}

// openWindow widens the window of a stream. mu is held.
func (c *Conn) openWindow(id uint32, n int64) error {
	if id > c.lastID {
		return errIdleStream
	}
	s := c.streams[id]
	switch {
	case n == 0:
		return c.streamError(id, ProtocolError, errWindow)
	case s == nil || s.err != nil:
		return nil
	case c.initial+s.window+n > maxWindow:
		return c.streamError(id, FlowControlError, errWindow)
	}
	s.window += n
	signal(s.room)
	return nil
}

var errWindow = &Malformed{"WINDOW_UPDATE of nothing, or of too much", "RFC 9113 6.9"}

// takeData gives a part of a body to its stream. What nobody will read is given
// back to the connection's window at once.
func (c *Conn) takeData(f *frame) error {
	if f.stream == 0 {
		return errStreamZero
	}
	p, err := f.content()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.stream > c.lastID || f.stream%2 == 0 {
		return errIdleStream
	}
	n := len(f.payload)
	if c.credit -= n; c.credit < 0 {
		return &connError{FlowControlError, "more DATA than the connection's window"}
	}
	s := c.streams[f.stream]
	if s == nil || s.ended || s.err != nil {
		c.giveBack(n)
		return c.lateData(f.stream, s)
	}
	c.giveBack(n - len(p))
	if len(p) == 0 && !f.has(flagEndStream) {
		if err := c.pay(&c.control, 1); err != nil {
			return err
		}
	}
	if code, err := s.receive(p, n, f.has(flagEndStream)); err != nil {
		c.giveBack(len(p))
		return c.streamError(f.stream, code, err)
	}
	return nil
}

// lateData judges DATA for a stream that takes none (RFC 9113 5.1). mu is held.
func (c *Conn) lateData(id uint32, s *Stream) error {
	e, known := c.late.find(id)
	if s != nil {
		e, known = ending{id, s.resetByUs}, true
	}
	switch {
	case known && e.ours:
		return c.pay(&c.control, 1)
	case s != nil:
		return c.streamError(id, StreamClosed, errAfterEnd)
	}
	return &connError{StreamClosed, "DATA for a stream that is closed"}
}

var errAfterEnd = &Malformed{"a frame behind END_STREAM", "RFC 9113 5.1"}

// giveBack opens the connection's window again. mu is held.
func (c *Conn) giveBack(n int) {
	c.unreturned += n
	if c.unreturned < connWindow/2 {
		return
	}
	c.out = appendWindowUpdate(c.out, 0, uint32(c.unreturned))
	c.credit += c.unreturned
	c.unreturned = 0
	c.wake()
}

// streamError resets a stream for what the client did (CVE-2025-8671: it is paid
// for like a reset of its own). mu is held.
func (c *Conn) streamError(id uint32, code Code, why error) error {
	if id > c.lastID {
		return protocolError(why.Error())
	}
	c.out = appendReset(c.out, id, code)
	c.wake()
	if s := c.streams[id]; s != nil {
		s.resetByUs = true
		s.hangUp(why)
	} else {
		c.late.add(id, true)
	}
	return c.pay(&c.resets, 1)
}
