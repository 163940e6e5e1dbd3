package proxy

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"paddock/proxy/netpoll"
)

// secureBuffer takes the largest record there is (RFC 8446 5.2): its head, 16 KiB, and
// what encryption adds.
const secureBuffer = 5 + 16<<10 + 256

// maxRecord is how many bytes one record holds, and maxSealed about how many sealed
// bytes go to the socket at once.
const (
	maxRecord = 16 << 10
	maxSealed = 64 << 10
)

var (
	secureBuffers = sync.Pool{New: func() any { return new([secureBuffer]byte) }}
	sealedBuffers = sync.Pool{New: func() any { b := make([]byte, 0, secureBuffer); return &b }}
)

// secure is TLS on a client's connection. It keeps no buffer of its own while nothing
// is on its way.
type secure struct {
	wire  transport
	conn  *tls.Conn
	state tls.ConnectionState
	full  bool // the last Read filled its buffer: there may be more of its record

	judging sync.Mutex // guards what follows: streams of one connection come at once
	judged  *Secure    // who has judged the client's certificate
	verdict Verdict
}

// transport is the socket as crypto/tls sees it. A read of the socket takes a whole record
// or more; what crypto/tls writes is collected, so that an answer, a handshake's
// flight, and an alert each go out with one system call, and outside of its locks.
type transport struct {
	nc     *netpoll.Conn
	border border
	shaken bool // the handshake is over: what crypto/tls sends by itself then may wait
	try    bool // nothing waits: a read ends with netpoll.ErrWouldBlock, after which crypto/tls goes on
	buf    *[secureBuffer]byte
	in     []byte // what of buf is not taken yet

	mu      sync.Mutex // guards what follows: a tunnel reads and writes at once
	out     *[]byte    // nil: nothing is to be sent
	sending bool

	// How long the client may take nothing while flush waits; 0: the deadline of the socket is
	// for all that is sent. Several bytes are sealed at once, and a client that is slow, and
	// takes them one by one, is not to be cut.
	patience time.Duration
}

// Read gives crypto/tls some of the bytes that have come. Before it waits it sends what
// crypto/tls has written: the other side may wait for that.
func (w *transport) Read(p []byte) (int, error) {
	if len(w.in) == 0 {
		if err := w.flushBeforeRead(); err != nil {
			return 0, err
		}
		if err := w.fill(!w.try); err != nil {
			return 0, err
		}
	}
	n := copy(p, w.in[:w.border.next(w.in)])
	w.border.pass(w.in[:n])
	if w.in = w.in[n:]; len(w.in) == 0 {
		w.drop()
	}
	return n, nil
}

// border is where the bytes that crypto/tls has been given stand among the records (RFC
// 8446 5.1). It is never given more than one record at a time, so that what it has read
// and not decrypted yet is known.
type border struct {
	head [recordHead]byte
	have int // bytes of head
	left int // bytes of the record behind its head that are still to come
}

const recordHead = 5

// next is how many of the bytes belong to the record that is under way.
func (b *border) next(in []byte) int {
	if b.left > 0 {
		return min(len(in), b.left)
	}
	missing := recordHead - b.have
	if len(in) < missing {
		return len(in)
	}
	head := b.head
	copy(head[b.have:], in[:missing])
	return min(len(in), missing+length(head))
}

// pass steps over bytes of one record.
func (b *border) pass(in []byte) {
	if b.left == 0 {
		n := copy(b.head[b.have:], in)
		in, b.have = in[n:], b.have+n
		if b.have < recordHead {
			return
		}
		b.have, b.left = 0, length(b.head)
	}
	b.left -= len(in)
}

func length(head [recordHead]byte) int { return int(head[3])<<8 | int(head[4]) }

// between reports whether every record that came was given whole.
func (b *border) between() bool { return b.have == 0 && b.left == 0 }

// flushBeforeRead waits for the client to take what crypto/tls has written in a handshake.
// Later that is the answer to a key update: a client that takes nothing must not keep a
// read from its deadline, or from the bytes that have come.
func (w *transport) flushBeforeRead() error {
	err := w.flush(!w.shaken)
	if err != netpoll.ErrWouldBlock {
		return err
	}
	if w.sealed() > maxUnread {
		return errUnread
	}
	return nil
}

// maxUnread bounds what waits for a client that goes on asking for key updates.
const maxUnread = 4 * maxSealed

var errUnread = errors.New("the client sends and does not read")

// fill reads bytes.
func (w *transport) fill(wait bool) (err error) {
	n := 0
	w.buf = secureBuffers.Get().(*[secureBuffer]byte)
	if wait {
		n, err = w.nc.Read(w.buf[:])
	} else {
		n, err = w.nc.TryRead(w.buf[:])
	}
	if n == 0 {
		w.drop()
		return err
	}
	w.in = w.buf[:n]
	return nil
}

func (w *transport) drop() {
	secureBuffers.Put(w.buf)
	w.buf, w.in = nil, nil
}

// Write keeps what crypto/tls wants to send.
func (w *transport) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.out == nil {
		w.out = sealedBuffers.Get().(*[]byte)
	}
	*w.out = append(*w.out, p...)
	return len(p), nil
}

// flush sends what there is, and returns when all of it has gone or another goroutine
// sends already; without wait with netpoll.ErrWouldBlock when the socket is full.
func (w *transport) flush(wait bool) error {
	for {
		w.mu.Lock()
		out := w.out
		if out == nil || w.sending {
			w.mu.Unlock()
			return nil
		}
		w.out, w.sending = nil, true
		w.mu.Unlock()
		n, err := w.send(*out, wait)
		*out = append((*out)[:0], (*out)[n:]...)
		w.mu.Lock()
		w.sending = false
		w.putBack(out)
		w.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

func (w *transport) send(p []byte, wait bool) (int, error) {
	if !wait {
		return w.nc.TryWrite(p)
	}
	done := 0
	for {
		n, err := w.nc.WriteSome(p[done:])
		if done += n; err != nil || done == len(p) {
			return done, err
		}
		w.goOn()
	}
}

// setPatience sets how long the client may take nothing, from now on, also where another
// goroutine sends already.
func (w *transport) setPatience(d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.patience = d
	return w.nc.SetWriteDeadline(time.Now().Add(d))
}

// goOn gives a client that has taken something its time again: what is set by now, as a
// connection that is closed has less of it.
func (w *transport) goOn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.patience > 0 {
		w.nc.SetWriteDeadline(time.Now().Add(w.patience))
	}
}

// putBack keeps what was not sent in front of what has been written since. mu is held.
func (w *transport) putBack(out *[]byte) {
	spare := out
	if len(*out) > 0 {
		if spare = w.out; spare != nil {
			*out = append(*out, *spare...)
		}
		w.out = out
	}
	if spare != nil {
		*spare = (*spare)[:0]
		sealedBuffers.Put(spare)
	}
}

// sealed is how many bytes wait for flush.
func (w *transport) sealed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.out == nil {
		return 0
	}
	return len(*w.out)
}

// Close is called by crypto/tls alone; the connection is closed by its owner.
func (w *transport) Close() error { return nil }

func (w *transport) LocalAddr() net.Addr                { return w.nc.LocalAddr() }
func (w *transport) RemoteAddr() net.Addr               { return w.nc.RemoteAddr() }
func (w *transport) SetDeadline(t time.Time) error      { return w.nc.SetDeadline(t) }
func (w *transport) SetReadDeadline(t time.Time) error  { return w.nc.SetReadDeadline(t) }
func (w *transport) SetWriteDeadline(t time.Time) error { return w.nc.SetWriteDeadline(t) }

// Read is [netpoll.Conn.Read] of what the client said; without wait it is TryRead.
func (s *secure) Read(p []byte, wait bool) (int, error) {
	s.wire.try = !wait
	n, err := s.conn.Read(p)
	s.wire.try = false
	s.full = n == len(p)
	return n, err
}

// mayHaveMore reports whether a Read could find something that no event of the socket
// will tell of.
func (s *secure) mayHaveMore() bool { return s.full || len(s.wire.in) > 0 || !s.wire.border.between() }

// TryWritev seals the buffers and sends what the socket takes: then all of them count as
// written, and with netpoll.ErrWouldBlock a WriteSome has to send the rest. While there
// is such a rest nothing is sealed.
func (s *secure) TryWritev(bufs [][]byte) (int64, error) {
	if err := s.wire.flush(false); err != nil {
		return 0, err
	}
	n, err := s.sealAll(bufs, false)
	if err == nil {
		err = s.wire.flush(false)
	}
	return n, err
}

// WriteSome sends what is sealed, and one record more.
func (s *secure) WriteSome(p []byte) (int, error) {
	if err := s.wire.flush(true); err != nil {
		return 0, err
	}
	n, err := s.conn.Write(p[:min(len(p), maxRecord)])
	if err == nil {
		err = s.wire.flush(true)
	}
	return n, err
}

// Writev is [netpoll.Conn.Writev]: as few records as the bytes need, and one system
// call for every 64 KiB.
func (s *secure) Writev(bufs [][]byte) (int64, error) {
	n, err := s.sealAll(bufs, true)
	if err == nil {
		err = s.wire.flush(true)
	}
	return n, err
}

// sealAll writes the buffers as records, and sends them when there are many.
func (s *secure) sealAll(bufs [][]byte, wait bool) (done int64, err error) {
	record, n := secureBuffers.Get().(*[secureBuffer]byte), 0
	defer secureBuffers.Put(record)
	for _, b := range bufs {
		for len(b) > 0 {
			part := b[:len(b)-len(b)%maxRecord]
			if n > 0 || len(part) == 0 { // small ones share a record
				k := copy(record[n:maxRecord], b)
				b, n = b[k:], n+k
				if n < maxRecord {
					continue
				}
				part, n = record[:n], 0
			} else {
				b = b[len(part):]
			}
			if err := s.seal(part, wait); err != nil {
				return done, err
			}
			done += int64(len(part))
		}
	}
	if err := s.seal(record[:n], wait); err != nil {
		return done, err
	}
	return done + int64(n), nil
}

func (s *secure) seal(b []byte, wait bool) error {
	for len(b) > 0 {
		part := b[:min(len(b), maxSealed)]
		b = b[len(part):]
		if _, err := s.conn.Write(part); err != nil {
			return err
		}
		if s.wire.sealed() >= maxSealed {
			if err := s.wire.flush(wait); err != nil && err != netpoll.ErrWouldBlock {
				return err
			}
		}
	}
	return nil
}

// CloseWrite tells the client that no more comes (RFC 8446 6.1: close_notify), then
// the end of the stream.
func (s *secure) CloseWrite() error {
	if err := s.conn.CloseWrite(); err != nil {
		return err
	}
	if err := s.wire.flush(true); err != nil {
		return err
	}
	return s.wire.nc.CloseWrite()
}

// bye sends close_notify, if the socket has room for it: without it a client cannot
// tell the end from a cut.
func (s *secure) bye() {
	if s.conn.CloseWrite() == nil {
		_ = s.wire.flush(false) // a connection that is broken is closed all the same
	}
	if s.wire.buf != nil {
		s.wire.drop()
	}
}
