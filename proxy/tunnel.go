package proxy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"paddock/proxy/http1"
	"paddock/proxy/netpoll"
)

// tunnelBuffer is what is on its way from the app at most, beside the sockets'
// buffers; the other way it is what the request's head has left of its own, 8 to 40 KiB.
const tunnelBuffer = 16 << 10

var tunnelBuffers = sync.Pool{New: func() any { return new([tunnelBuffer]byte) }}

// tunnel sends the 101 and passes bytes both ways until both sides have ended: this
// goroutine those of the app, another one those of the client. It is over when the
// app has been silent for proxy_read_timeout, unless the client sends (nginx renews
// that time for either side), or when a side takes nothing for send_timeout or
// proxy_send_timeout. The request keeps its snapshot and its generation, and its
// place among the requests of the app unless the app's workers are asynchronous.
func (x *exchange) tunnel() error {
	if !x.place.ignoreAbort && !x.conn.calling.CompareAndSwap(x.try.conn.Conn, nil) { // the end of one side is not the end of the tunnel
		return errClientGone
	}
	if err := x.sendSwitch(); err != nil {
		return err
	}
	if q := &x.upstream.queue; q.exempt(x.grant) {
		defer q.count(x.grant)
	}
	client, app := x.conn.nc, x.try.conn.Conn
	client.SetReadDeadline(time.Time{})
	upward := make(chan error, 1)
	go func() { upward <- x.work(func() error { return x.passUp(client, app) }, client, app) }()
	err := x.work(func() error { return x.passDown(client, app) }, client, app)
	up := <-upward
	if x.noteBroken(up); err == nil {
		err = up
	}
	x.noteBroken(err)
	return x.closeTunnel(err)
}

// sendSwitch sends the head of the 101 and what the app sent behind it. Then it
// gives the large buffer back: a tunnel may live for days.
func (x *exchange) sendSwitch() error {
	t := &x.try
	x.keepAlive, x.upgraded = false, true
	t.answer.ContentLength = -1 // of a 101 it means nothing (RFC 9110 8.6)
	x.buildHead(http1.None, -1)
	if err := x.write(append(x.iov[:0], x.out, t.buf[t.start:t.end])); err != nil {
		return err
	}
	head := bytes.Clone(t.buf[:t.head])
	if _, err := t.answer.Parse(head, &x.place.answerHead); err != nil {
		return err
	}
	x.dropBuffer()
	return nil
}

// passDown passes the app's bytes to the client. At the app's end the client has
// lingering_timeout left for its own.
func (x *exchange) passDown(client, app *netpoll.Conn) error {
	buf := tunnelBuffers.Get().(*[tunnelBuffer]byte)
	defer tunnelBuffers.Put(buf)
	for {
		app.SetReadDeadline(x.until(x.place.proxyRead))
		n, err := app.Read(buf[:])
		x.last().BytesReceived += int64(n)
		if n > 0 {
			err = x.write(append(x.iov[:0], buf[:n]))
		}
		switch {
		case err == io.EOF:
			client.SetReadDeadline(x.until(x.place.linger.timeout))
			_ = x.conn.closeWrite() // one that is broken says so to passUp
			return nil
		case err != nil:
			client.Interrupt()
			app.Interrupt()
			return err
		}
	}
}

// passUp passes the client's bytes to the app, first those that came with the
// request. An app that takes no more may still have something to say.
func (x *exchange) passUp(client, app *netpoll.Conn) error {
	buf, start, end := x.in[x.head:], x.start-x.head, x.end-x.head
	x.start, x.end = x.head, x.head
	for {
		app.SetWriteDeadline(x.until(x.place.proxySend))
		n, err := app.Write(buf[start:end])
		x.last().BytesSent += int64(n)
		if err != nil {
			if os.IsTimeout(err) {
				app.Interrupt()
			}
			return err
		}
		if start, end, err = x.readUp(client, app, buf); end == 0 {
			return err
		}
	}
}

// readUp reads what the client sends next; no bytes are its end.
func (x *exchange) readUp(client, app *netpoll.Conn, buf []byte) (start, end int, err error) {
	n, err := x.conn.read(buf, true)
	switch {
	case n > 0:
		app.SetReadDeadline(x.until(x.place.proxyRead))
		return 0, n, nil
	case err == io.EOF:
		_ = app.CloseWrite() // one that is broken says so to passDown
		return 0, 0, nil
	case errors.Is(err, os.ErrDeadlineExceeded): // the app has ended, and the client's time after that is over
		return 0, 0, nil
	}
	app.Interrupt()
	return 0, 0, err
}

// closeTunnel tells the log why a tunnel was cut; one that its sides ended is
// complete.
func (x *exchange) closeTunnel(err error) error {
	x.last().Response = x.since(x.try.began)
	x.Completed = err == nil
	if errors.Is(err, os.ErrDeadlineExceeded) {
		x.conn.proxy.logger.Info("a WebSocket was closed: nothing came, or was taken, in time",
			zap.String("upstream", x.upstream.name), zap.ByteString("request", x.Line), zap.String("client", x.Conn.RemoteAddr))
	}
	if err != nil {
		return errShort
	}
	return nil
}
