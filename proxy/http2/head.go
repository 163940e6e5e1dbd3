package http2

import "time"

// takeHeaders takes the first frame of a head.
func (c *Conn) takeHeaders(f *frame) error {
	if f.stream == 0 {
		return errStreamZero
	}
	p, err := f.content()
	if err != nil {
		return err
	}
	depends := false
	if f.has(flagPriority) {
		if len(p) < priorityPart {
			return errFrameSize
		}
		depends = dependsOn(p) == f.stream
		p = p[priorityPart:]
	}
	kind, err := c.kindOf(f.stream)
	if err != nil {
		return err
	}
	c.head = openHead{stream: f.stream, kind: kind, end: f.has(flagEndStream), depends: depends}
	c.block.reset(kind == headTrailers)
	c.decoder.SetEmitEnabled(kind != headLate)
	if err := c.takeFragment(p, f.has(flagEndHeaders)); err != nil || c.head.stream == 0 {
		return err
	}
	return c.setDeadline(c.cfg.HeaderTimeout)
}

// kindOf says what a head of that stream is (RFC 9113 5.1, 5.1.1).
func (c *Conn) kindOf(id uint32) (headKind, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s := c.streams[id]; {
	case id%2 == 0:
		return 0, protocolError("a stream of ours is opened by the client")
	case s != nil && s.resetByUs:
		return headLate, c.pay(&c.control, 1)
	case s != nil && (s.ended || s.err != nil):
		return 0, &connError{StreamClosed, "HEADERS behind END_STREAM"}
	case s != nil:
		return headTrailers, nil
	case id > c.lastID && c.phase == draining:
		return headLate, c.pay(&c.control, 1)
	case id > c.lastID:
		return headRequest, nil
	}
	switch e, known := c.late.find(id); {
	case known && e.ours:
		return headLate, c.pay(&c.control, 1)
	case known:
		return 0, &connError{StreamClosed, "HEADERS for a stream that is closed"}
	}
	return 0, protocolError("a stream is opened below the last one")
}

// takeContinuation takes the next frame of a head: so many, and so many bytes, as
// a head may have (CVE-2024-27316).
func (c *Conn) takeContinuation(f *frame) error {
	if c.head.stream == 0 {
		return protocolError("CONTINUATION of nothing")
	}
	if c.head.continuations++; c.head.continuations > max(maxContinuations, 2*c.cfg.MaxHead/maxFrame) {
		return &connError{EnhanceYourCalm, "too many CONTINUATION frames"}
	}
	err := c.takeFragment(f.payload, f.has(flagEndHeaders))
	if err != nil || c.head.stream != 0 {
		return err
	}
	return c.setDeadline(parkAfter)
}

// takeFragment decodes a part of a head, and goes on with the whole when it is the
// last.
func (c *Conn) takeFragment(p []byte, last bool) error {
	if c.head.size += len(p); c.head.size > max(maxBlock, c.cfg.MaxHead) {
		return &connError{EnhanceYourCalm, "head too long"}
	}
	_, err := c.decoder.Write(p)
	if err == nil && last {
		err = c.decoder.Close()
	}
	if err != nil {
		return &connError{CompressionError, "malformed field block: " + err.Error()}
	}
	if !last {
		return nil
	}
	h := c.head
	c.head = openHead{}
	switch h.kind {
	case headRequest:
		s, err := c.open(&h)
		if s != nil {
			c.handle(s)
		}
		return err
	case headTrailers:
		return c.takeTrailers(&h)
	}
	return nil
}

// takeTrailers ends a body. Trailers are validated, and dropped.
func (c *Conn) takeTrailers(h *openHead) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[h.stream]
	if s == nil || s.err != nil { // it ended while the head came
		return nil
	}
	err := c.block.err
	if err == nil && !h.end {
		err = errTrailers
	}
	if err != nil {
		return c.streamError(h.stream, ProtocolError, err)
	}
	if code, err := s.receive(nil, 0, true); err != nil {
		return c.streamError(h.stream, code, err)
	}
	return nil
}

// open makes a stream of a request; nil: it is refused, or too late.
func (c *Conn) open(h *openHead) (*Stream, error) {
	err := c.block.finish(h.end)
	if h.depends {
		err = errDepends
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == draining { // since its first frame came
		return nil, c.pay(&c.control, 1)
	}
	c.lastID = h.stream
	if c.live >= c.cfg.MaxStreams {
		return nil, c.refuse(h.stream)
	}
	c.requests++
	s := c.newStream(h, err)
	if c.requests >= c.cfg.MaxRequests {
		c.windUp()
	}
	if m, ok := err.(*Malformed); ok {
		return s, c.streamError(h.stream, ProtocolError, m)
	}
	s.Head = c.block.appendHead(s.Head)
	return s, nil
}

// refuse turns away a stream above the limit. mu is held.
func (c *Conn) refuse(id uint32) error {
	c.out = appendReset(c.out, id, RefusedStream)
	c.late.add(id, true)
	c.wake()
	return c.pay(&c.resets, 1)
}

func (c *Conn) newStream(h *openHead, err error) *Stream {
	s := &Stream{
		Err: err, HasBody: !h.end, Number: c.requests, Encoded: h.size,
		conn: c, id: h.stream, ended: h.end, length: c.block.length,
		credit:  max(c.cfg.BodyWindow, firstWindow), // before our SETTINGS are seen it is the latter
		arrived: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
	s.Start = time.Now()
	c.streams[s.id] = s
	c.live++
	c.handlers.Add(1)
	return s
}
