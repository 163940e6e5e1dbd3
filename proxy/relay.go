package proxy

import (
	"io"

	"paddock/proxy/http1"
	"paddock/proxy/netpoll"
)

// startRelay decides how the answer goes to the client, and writes its head.
func (x *exchange) startRelay() error {
	t := &x.try
	kind, length := t.answer.Body(x.Method)
	t.framing.reset(kind, length)
	if x.sendFailure(); x.body.streamed && t.sending != nil { // the answer came first
		x.keepAlive = false
	}
	if kind != http1.None {
		x.last().Length = int64(t.end - t.start) // with what frames it, and what is too much, as nginx counts
	}
	x.buildHead(kind, length)
	x.buffered = x.buffers()
	x.stage = stageRelay
	if x.inline && (x.gzip != nil || kind == http1.Length && length > maxInlineAnswer) {
		return errDetach
	}
	return nil
}

// relay sends the answer to the client as it comes from the app.
func (x *exchange) relay() error {
	t := &x.try
	for {
		if err := x.makeWay(); err != nil {
			return err
		}
		n, data, done, err := t.framing.take(t.buf[t.start:t.end])
		t.start += n
		if err != nil {
			return x.brokenAnswer(err, data)
		}
		if done {
			x.answered()
		}
		if err := x.sendPart(data, done); err != nil || done {
			return err
		}
		if err := x.moreAnswer(); err != nil {
			if waits(err) {
				return err
			}
			if err != io.EOF || t.framing.end() != nil {
				return x.brokenAnswer(err, nil)
			}
			x.answered()
			return x.sendPart(nil, true)
		}
	}
}

// makeWay hands a relay over to a goroutine that is more than the poller should do, and
// has what the client left drained from there on.
func (x *exchange) makeWay() error {
	if x.inline && (x.backlog.open || x.last().Length > maxInlineAnswer) {
		return errDetach
	}
	x.backlog.start()
	return nil
}

// chooseFraming decides how the client finds the end of the answer, and so
// whether its connection can live on.
func (x *exchange) chooseFraming(kind http1.Body, compress bool) {
	if compress && kind != http1.None {
		x.startAppGzip()
		kind = http1.UntilClose
	}
	if x.conn.stream != nil { // it has an end of its own
		x.chunked = false
		return
	}
	x.chunked = x.req.Minor > 0 && (kind == http1.Chunked || kind == http1.UntilClose)
	if !x.chunked && (kind == http1.Chunked || kind == http1.UntilClose) {
		x.keepAlive, x.untilClose = false, true
	}
}

// moreAnswer makes room behind the head and reads.
func (x *exchange) moreAnswer() error {
	t := &x.try
	t.start, t.end = t.head, t.head // take leaves nothing
	err := x.readUpstream()
	x.last().Length += int64(t.end - t.start)
	return err
}

// answered gives the app's connection and its place back before the client has
// the last bytes: the next request need not wait for them.
func (x *exchange) answered() {
	t := &x.try
	x.last().Response = x.since(t.began)
	// Bytes behind the answer belong to nobody (rule 13), nor does what a short
	// request may have left on the app's side (rule 15).
	clean := t.start == t.end && t.sendErr == nil && !x.announcesMore()
	x.hangUp(clean && t.answer.KeepAlive && t.framing.kind != http1.UntilClose)
	x.giveBack()
}

// brokenAnswer ends an answer whose rest will not come, so that the client sees
// that it is not whole: no last chunk, and a reset where only the end of the
// connection would tell.
func (x *exchange) brokenAnswer(err error, data []byte) error {
	x.last().Response = x.since(x.try.began)
	if x.gone() {
		return errClientGone
	}
	if !x.sent && len(data) == 0 && x.try.framing.kind == http1.Chunked {
		return x.failed(badGateway(err))
	}
	x.last().Failed = failureOf(err)
	x.complain(badGateway(err))
	if err := x.sendPart(data, false); err != nil {
		return err
	}
	return errShort
}

// sendPart writes a part of the answer, with the head in front of the first, in
// one system call.
func (x *exchange) sendPart(data []byte, last bool) error {
	if x.gzip != nil {
		var err error
		if data, err = x.compress(data, last); err != nil {
			return err
		}
	}
	if x.conn.stream != nil {
		x.conn.stream.last = last
	}
	bufs := x.iov[:0]
	switch {
	case !x.sent && !x.chunked && x.conn.stream == nil && len(data) <= smallAnswer:
		bufs, data = append(bufs, x.behindHead(data)), nil
	case !x.sent:
		bufs = append(bufs, x.out)
	}
	x.scratch = x.scratch[:0]
	switch {
	case x.chunked && len(data) > 0:
		x.scratch = http1.AppendChunkHeader(x.scratch, int64(len(data)))
		bufs = append(bufs, x.scratch, data, chunkEnd)
		if last {
			bufs = append(bufs, lastChunk)
		}
	case x.chunked && last:
		bufs = append(bufs, lastChunk)
	case len(data) > 0:
		bufs = append(bufs, data)
	}
	if len(bufs) > 0 {
		if err := x.write(bufs); err != nil {
			return err
		}
	}
	x.Completed = last
	return nil
}

// smallAnswer is what is copied behind the head: the kernel takes one buffer in less time
// than two.
const smallAnswer = 2 << 10

// behindHead returns the head with data behind it. x.out stays the head alone.
func (x *exchange) behindHead(data []byte) []byte {
	both := append(x.out, data...)
	x.out = both[:len(x.out)]
	return both
}

var (
	chunkEnd  = http1.AppendChunkEnd(nil)
	lastChunk = http1.AppendLastChunk(nil)
)

// write sends bytes of the answer, at most send_timeout between two writes. What the
// client does not take at once waits in the backlog when the answer is buffered, or
// when nobody can wait here.
func (x *exchange) write(bufs [][]byte) error {
	if x.backlog.busy() {
		if x.backlog.add(bufs, 0) != nil {
			return errClientGone
		}
		return nil
	}
	n, err := x.conn.tryWritev(bufs)
	if n > 0 || err == netpoll.ErrWouldBlock {
		x.noteSent(n)
	}
	if err == netpoll.ErrWouldBlock {
		if !x.inline && (!x.buffered || x.grant == nil) { // the app has no part in it, or has done its part
			return x.writeOn(bufs, n)
		}
		x.backlog.begin(x)
		if !x.inline {
			x.backlog.start()
		}
		err = x.backlog.add(bufs, n)
	}
	if err != nil {
		return errClientGone
	}
	return nil
}

// noteSent counts bytes of the answer that went out, or will.
func (x *exchange) noteSent(n int64) {
	if !x.sent {
		x.sent, x.interim = true, x.BytesSent
		x.sentOut.head = x.out
		x.Response = &x.sentOut
	}
	x.BytesSent += n
}

// writeOn writes what is left of bufs behind the first skip bytes, and what TLS has
// sealed of those.
func (x *exchange) writeOn(bufs [][]byte, skip int64) error {
	if x.conn.seals() {
		x.conn.SetSendTimeout(x.rules().sendTimeout)
		if _, err := x.conn.WriteSome(nil); err != nil {
			return errClientGone
		}
	}
	for _, buf := range bufs {
		if n := min(skip, int64(len(buf))); n > 0 {
			buf, skip = buf[n:], skip-n
		}
		for len(buf) > 0 {
			x.conn.SetSendTimeout(x.rules().sendTimeout)
			n, err := x.conn.WriteSome(buf)
			x.BytesSent += int64(n)
			if err != nil {
				return errClientGone
			}
			buf = buf[n:]
		}
	}
	return nil
}

// flush waits until the client has what it left, and counts it.
func (x *exchange) flush() error {
	b := &x.backlog
	if !b.open {
		x.resetIf()
		return nil
	}
	if x.inline {
		return errDetach
	}
	if err := b.finish(); err != nil {
		x.Completed, x.keepAlive = false, false
		x.noteBroken(err)
	}
	x.BytesSent += b.sent
	b.drop()
	x.resetIf()
	return nil
}

// resetIf breaks a connection whose end alone would look like that of the answer.
func (x *exchange) resetIf() {
	if x.reset {
		x.conn.reset()
	}
}
