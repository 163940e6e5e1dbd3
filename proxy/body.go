package proxy

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"paddock/accesslog"
	"paddock/proxy/http1"
)

// body is the whole body of a request: in memory up to client_body_buffer_size,
// else in a temporary file.
type body struct {
	framing framing
	mem     []byte // the body, or what of it came before the file was needed
	own     []byte // memory of the exchange that mem is in, unless it lies in its in buffer
	file    *os.File
	size    int64 // bytes of body, wherever they are
	unused  bool  // nobody wants it: count, keep nothing
	begun   time.Time

	streamed bool        // it goes to the app as it comes,
	chunked  bool        // in chunks, since nobody knows its length
	cut      atomic.Bool // no more of it is wanted
	spool    *spool
}

var errDiskFull = &refusal{status: 503, retryAfter: retryAfterBusy, reason: accesslog.RefusedDiskFull}

// refuseEarly refuses a request before its body is read, when it can not succeed.
func (x *exchange) refuseEarly() error {
	if m := x.place.maxBody; m > 0 && x.req.ContentLength > m {
		return x.unless(errTooLarge)
	}
	x.upstream = x.place.pass.upstream
	x.ProxyHost = x.place.pass.host
	x.UpstreamHeader = nil // of an app that redirected inside
	if err := x.upstream.queue.check(); err != nil {
		return x.unless(err)
	}
	return nil
}

// unless marks the body, if there is one, as unread and returns err.
func (x *exchange) unless(err error) error {
	x.unread = x.req.HasBody()
	return err
}

// readBody reads the whole body, so that no app worker ever waits for a client.
func (x *exchange) readBody() error {
	if !x.req.HasBody() || x.detour.bodyTaken {
		x.noteBody()
		return nil
	}
	if !x.body.begun.IsZero() { // it goes on
		return x.readBodyOn()
	}
	x.unread = true
	x.beginBody()
	if err := x.expect100(); err != nil {
		return err
	}
	return x.readBodyOn()
}

// beginBody readies the body's framing.
func (x *exchange) beginBody() {
	x.body.begin(&x.req)
	if x.conn.stream != nil { // the engine knows its end
		x.conn.stream.body = true
		x.body.framing.reset(http1.UntilClose, -1)
		x.body.chunked = x.req.ContentLength < 0
	}
}

func (x *exchange) readBodyOn() error {
	if x.inline && x.end-x.start > x.place.bodyBuffer {
		return errDetach // to a file, maybe
	}
	for {
		done, err := x.takeBody()
		if err == nil && !done {
			err = x.readMoreBody()
		}
		if done || err == io.EOF {
			x.unread, x.detour.bodyTaken = false, true
			x.noteBody()
			return x.body.rewind()
		}
		if err != nil {
			return err
		}
	}
}

// skipBody reads a body that nobody wants, so that the next request is found. A
// client that waits for a 100 gets the final answer instead and is done.
func (x *exchange) skipBody() error {
	if !x.req.HasBody() || x.detour.bodyTaken {
		return nil
	}
	if m := x.place.maxBody; m > 0 && x.req.ContentLength > m {
		return x.unless(errTooLarge)
	}
	if x.req.Expect100 && x.start == x.end {
		x.unread, x.keepAlive = true, false
		return nil
	}
	x.body.unused = true
	defer func() { x.body.unused = false }()
	return x.readBody()
}

func (b *body) begin(r *http1.Request) {
	kind := http1.Length
	if r.Chunked {
		kind = http1.Chunked
	}
	b.framing.reset(kind, r.ContentLength)
	b.chunked = kind == http1.Chunked
	b.begun = time.Now()
}

// expect100 tells a client that waits for it to send the body. It counts as sent,
// as in nginx's $bytes_sent.
func (x *exchange) expect100() error {
	if !x.req.Expect100 || x.start < x.end {
		return nil
	}
	if s := x.conn.stream; s != nil {
		_ = s.interim(interim100) // a client that has gone is found by the next read
		return nil
	}
	x.conn.SetSendTimeout(x.place.sendTimeout)
	n, err := x.conn.writev(append(x.iov[:0], interim100))
	x.BytesSent += int64(n)
	if err != nil {
		return errClientCut
	}
	return nil
}

var interim100 = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// takeBody takes what has arrived.
func (x *exchange) takeBody() (done bool, err error) {
	n, data, done, err := x.body.framing.take(x.in[x.start:x.end])
	x.start += n
	if !x.body.unused {
		x.BodyRead += int64(len(data))
		if err == nil {
			x.RequestLength += int64(n)
		}
	}
	if err != nil {
		x.start, x.end = 0, 0
		return false, &refusal{status: errBadBody.status, cause: err, reason: errBadBody.reason}
	}
	if m := x.place.maxBody; m > 0 && x.body.size+int64(len(data)) > m {
		return false, errTooLarge
	}
	if done && x.body.size == 0 {
		x.body.mem, x.body.size = data, int64(len(data)) // it stays where it is: nothing is read behind it
		return true, nil
	}
	return done, x.body.add(data, x.place.bodyBuffer, x.conn.proxy.spool)
}

// readMoreBody waits for more bytes, at most client_body_timeout.
func (x *exchange) readMoreBody() error {
	if x.inline {
		return errDetach
	}
	if x.start == x.end {
		x.start, x.end = x.head, x.head
	}
	if x.end == len(x.in) { // the head, which may be larger than the default, filled it
		x.in = append(x.in, make([]byte, clientBufferSize)...)
	}
	x.conn.setReadDeadline(x.bodyDeadline())
	if x.body.cut.Load() { // looked at behind the deadline, which cutStream sets in between
		return errClientCut
	}
	n, err := x.conn.read(x.in[x.end:], true)
	x.end += n
	switch {
	case n > 0:
		return nil
	case x.endOfBody(err):
		return io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		x.noteBody()
		return errSlowClient
	}
	x.noteBody()
	return errClientCut
}

// add keeps data: in memory as long as all fits into limit bytes.
func (b *body) add(data []byte, limit int, s *spool) error {
	b.size += int64(len(data))
	if b.unused {
		return nil
	}
	if b.file == nil && b.size <= int64(limit) {
		if b.mem == nil {
			b.own = b.memory(limit)
			b.mem = b.own[:0]
		}
		b.mem = append(b.mem, data...)
		return nil
	}
	if err := b.spill(s); err != nil {
		return err
	}
	return b.write(data)
}

// memory returns room for limit bytes, or for the whole body when it is smaller:
// pooled, unless the configuration allows more than the default.
func (b *body) memory(limit int) []byte {
	want := limit
	if b.framing.kind == http1.Length {
		want = min(limit, int(b.framing.left+b.size))
	}
	if want > defaultClientBodyBuffer {
		return make([]byte, 0, want)
	}
	m := bodyMemory.Get().(*[defaultClientBodyBuffer]byte)
	return m[:]
}

var bodyMemory = sync.Pool{New: func() any { return new([defaultClientBodyBuffer]byte) }}

// spill moves a body that outgrew its memory to a file.
func (b *body) spill(s *spool) error {
	if b.file != nil {
		return nil
	}
	f, err := s.open()
	if err != nil {
		return &refusal{status: errDiskFull.status, retryAfter: retryAfterBusy, cause: err, reason: errDiskFull.reason}
	}
	b.file, b.spool = f, s
	mem := b.mem
	b.mem = nil
	return b.write(mem)
}

func (b *body) write(data []byte) error {
	if err := b.spool.write(b.file, data); err != nil {
		return &refusal{status: errDiskFull.status, retryAfter: retryAfterBusy, cause: err, reason: errDiskFull.reason}
	}
	return nil
}

// noteBody makes what was read for an app $request_body, if nginx would have it in
// memory too: a known length may be a quarter more than client_body_buffer_size.
func (x *exchange) noteBody() {
	b, limit := &x.body, int64(x.place.bodyBuffer)
	if b.size == 0 && (x.req.ContentLength == 0 || x.req.Chunked) && x.place.pass != nil {
		x.Body = emptyBody
		return
	}
	if b.framing.kind == http1.Length {
		limit += limit/4 - 1
	}
	if b.file == nil && !b.unused && b.size > 0 && b.size <= limit {
		x.Body = b.mem
	}
}

var emptyBody = []byte{}

func (b *body) rewind() error {
	if b.file == nil {
		return nil
	}
	_, err := b.file.Seek(0, io.SeekStart)
	return err
}

// drop gives back memory and file.
func (b *body) drop() {
	if cap(b.own) == defaultClientBodyBuffer {
		bodyMemory.Put((*[defaultClientBodyBuffer]byte)(b.own[:defaultClientBodyBuffer]))
	}
	b.mem, b.own, b.size, b.begun = nil, nil, 0, time.Time{}
	b.streamed, b.chunked = false, false
	b.cut.Store(false)
	if b.file != nil {
		b.spool.close(b.file)
		b.file = nil
	}
}
