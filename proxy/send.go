package proxy

import (
	"io"
	"os"
	"time"

	"paddock/proxy/netpoll"
)

// send writes the request. That the app stopped reading is no failure yet: it
// may have answered early and closed (gunicorn issue 872), so that the answer is
// looked for first.
func (x *exchange) send() error {
	t := &x.try
	if t.written == 0 {
		keep := x.upstream.keep.Load().conns > 0
		t.out = x.appendRequestHead(t.out[:0], keep)
	}
	if x.body.file == nil && !x.body.streamed {
		return x.sendMemory()
	}
	if x.inline {
		return errDetach
	}
	t.whole = true
	t.conn.SetReadDeadline(time.Time{})
	t.sending = make(chan error, 1)
	if x.body.streamed {
		go x.sendBody(t.conn, x.sendStream, t.sending)
		return nil
	}
	x.last().BytesSent = int64(len(t.out)) + x.body.size
	go x.sendBody(t.conn, x.sendFile, t.sending)
	return nil
}

// sendMemory sends a request whose body, if any, is in memory.
func (x *exchange) sendMemory() error {
	t := &x.try
	head := min(t.written, len(t.out))
	bufs := append(x.iov[:0], t.out[head:])
	if rest := x.body.mem[t.written-head:]; len(rest) > 0 {
		bufs = append(bufs, rest)
	}
	var n int64
	var err error
	if x.inline {
		n, err = t.conn.TryWritev(bufs)
	} else {
		t.conn.SetWriteDeadline(x.until(x.place.proxySend))
		n, err = t.conn.Writev(bufs)
	}
	t.written += int(n)
	x.last().BytesSent += n
	if err == netpoll.ErrWouldBlock {
		return errDetach
	}
	t.whole, t.sendErr = true, err
	return nil
}

// sendBody sends a request while the exchange waits for the answer. hangUp waits for it
// to end.
func (x *exchange) sendBody(c *peerConn, send func(*peerConn) error, done chan<- error) {
	done <- x.work(func() error { return send(c) }, c.Conn)
}

// sendFile sends a body from its file.
func (x *exchange) sendFile(c *peerConn) error {
	err := x.copyFile(c, x.body.file)
	c.SetReadDeadline(x.until(x.place.proxyRead))
	if os.IsTimeout(err) {
		c.Interrupt() // the app takes no more: no use in waiting for its answer
	}
	return err
}

func (x *exchange) copyFile(c *peerConn, f *os.File) error {
	buf := upstreamBuffers.Get().(*[upstreamBufferSize]byte)
	defer upstreamBuffers.Put(buf)
	if _, err := c.Write(x.try.out); err != nil {
		return err
	}
	for at := int64(0); at < x.body.size; {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), x.body.size-at)], at)
		if n == 0 {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		c.SetWriteDeadline(x.until(x.place.proxySend))
		if _, err := c.Write(buf[:n]); err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// stopSending waits for the sender; the connection was interrupted if it may be
// at work.
func (x *exchange) stopSending() {
	if x.try.sending == nil {
		return
	}
	x.cutStream()
	x.senderEnded(<-x.try.sending)
}

// senderEnded notes how the sender ended.
func (x *exchange) senderEnded(err error) {
	x.try.sendErr, x.try.sending = err, nil
	x.noteBroken(err)
	x.notePassed()
}

// sendFailure returns why the request could not be sent, when that is known.
func (x *exchange) sendFailure() error {
	if x.try.sending != nil {
		select {
		case err := <-x.try.sending:
			x.senderEnded(err)
		default:
		}
	}
	return x.try.sendErr
}
