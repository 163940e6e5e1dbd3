package proxy

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"time"

	"go.uber.org/zap"

	"paddock/proxy/http2"
	"paddock/proxy/netpoll"
)

// http2Rules are the compiled settings of a server for connections of HTTP/2.
type http2Rules struct {
	on         bool
	streams    int
	bodyWindow int
}

// compileHTTP2 compiles http2 and what belongs to it.
func (c *compiler) compileHTTP2(key string, cfg *Server, s *server) {
	s.http2 = http2Rules{streams: http2.DefaultMaxStreams, bodyWindow: http2.DefaultBodyWindow}
	setBool(&s.http2.on, cfg.HTTP2)
	if n := cfg.HTTP2MaxConcurrentStreams; n != nil {
		s.http2.streams = *n
		c.atLeast(key, "http2_max_concurrent_streams", int64(*n), 1)
	}
	if n := cfg.HTTP2BodyPrereadSize; n != nil {
		s.http2.bodyWindow = int(*n)
		c.within(key, "http2_body_preread_size", int64(*n), minBodyWindow, maxBodyWindow)
	}
}

// Bounds of http2_body_preread_size: what every client may send unasked, and what
// one connection may make us hold.
const (
	minBodyWindow = 1<<16 - 1
	maxBodyWindow = 1 << 20
)

// speaksHTTP2 reports whether a connection that is no TLS may speak HTTP/2, as nginx
// decides: by the address, or by its default server.
func (a *site) speaksHTTP2() bool { return a.http2 || a.fallback.http2.on }

// preface looks whether a connection begins as one of HTTP/2 (RFC 9113 3.3: prior
// knowledge). more: what has come may become the preface.
func (x *exchange) preface() (more bool, err error) {
	c := x.conn
	if !c.mayBeHTTP2 {
		return false, nil
	}
	begin := x.in[:x.end]
	if len(begin) >= len(http2.Preface) && string(begin[:len(http2.Preface)]) == http2.Preface {
		return false, errHTTP2
	}
	more = len(begin) < len(http2.Preface) && string(begin) == http2.Preface[:len(begin)]
	c.mayBeHTTP2 = more
	return more, nil
}

// toHTTP2 gives the connection, with what came, to the engine of HTTP/2.
func (c *conn) toHTTP2(x *exchange) {
	begin := bytes.Clone(x.in[:x.end])
	x.release()
	go c.serveHTTP2(begin)
}

// serveHTTP2 serves a connection of HTTP/2 until it is over. begin is what was read
// of it already.
func (c *conn) serveHTTP2(begin []byte) {
	defer c.survive()
	server := c.proxy.snap.Load().fallback(c.listener)
	requests := server.keepaliveRequests
	if server.keepaliveTimeout == 0 { // keep-alive is off
		requests = 1
	}
	h := http2.NewConn(http2Wire{c}, http2.Config{
		MaxStreams: server.http2.streams, MaxRequests: requests, BodyWindow: server.http2.bodyWindow,
		IdleTimeout: server.keepaliveTimeout, HeaderTimeout: server.headerTimeout, WriteTimeout: server.sendTimeout,
		MaxHead: server.head.Total, MaxFields: server.head.Fields,
	}, c.serveStream)
	c.http2.Store(h)
	if c.listener.retired.Load() { // retire may have looked before it was there
		h.Shutdown()
	}
	c.goOnHTTP2(h.Serve(begin))
}

// goOnHTTP2 waits, without a goroutine, for an idle connection of HTTP/2 to go on, or
// forgets one that is over.
func (c *conn) goOnHTTP2(err error) {
	if err == http2.ErrIdle {
		c.nc.WaitReadable(c.resumeHTTP2)
		return
	}
	if err != nil {
		level := zap.DebugLevel
		if http2.IsFlood(err) {
			level = zap.InfoLevel
		}
		var panicked *http2.Panic
		if errors.As(err, &panicked) {
			level = zap.ErrorLevel
		}
		c.proxy.logger.Log(level, "a connection of HTTP/2 was closed", zap.String("client", c.info.RemoteAddr), zap.Error(err))
	}
	c.proxy.conns.remove(c)
}

func (c *conn) resumeHTTP2(*netpoll.Conn, time.Time) {
	defer c.survive()
	c.goOnHTTP2(c.http2.Load().Resume())
}

// http2Wire is a connection, with or without TLS, as the engine of HTTP/2 uses it.
type http2Wire struct{ c *conn }

var _ http2.Transport = http2Wire{}

// Read waits for what the client sends.
func (w http2Wire) Read(p []byte) (int, error) { return w.c.read(p, true) }

// Write sends all of p. TLS counts bytes that it has sealed, not those that the client has
// taken; when the time is over the client has taken none for the whole of it, though it may
// have taken some before.
func (w http2Wire) Write(p []byte) (int, error) {
	n, err := w.c.writev([][]byte{p})
	if w.c.secure != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		n = 0
	}
	return int(n), err
}

// CloseWrite tells the client that nothing more comes.
func (w http2Wire) CloseWrite() error { return w.c.closeWrite() }

// Close ends the connection.
func (w http2Wire) Close() error {
	if w.c.secure != nil {
		w.c.secure.bye()
	}
	return w.c.nc.Close()
}

// SetReadDeadline sets when Read fails.
func (w http2Wire) SetReadDeadline(t time.Time) error { return w.c.nc.SetReadDeadline(t) }

// SetWriteDeadline sets when Write fails. Through TLS, where a Write cannot be gone on
// with, the client has that long again whenever it takes something.
func (w http2Wire) SetWriteDeadline(t time.Time) error {
	if w.c.secure != nil {
		return w.c.secure.wire.setPatience(time.Until(t))
	}
	return w.c.nc.SetWriteDeadline(t)
}

// nextHTTP2 is HTTP/2 in a handshake (RFC 9113 3.2).
const nextHTTP2 = "h2"

var http2Protocols = slices.Concat([]string{nextHTTP2}, httpProtocols)

// protocols are what a server offers in a handshake on an address, the preferred one
// first.
func (s *snapshot) protocols(l *listener, server *server) []string {
	if at := s.sites[l.key]; server.http2.on || at != nil && at.http2 {
		return http2Protocols
	}
	return httpProtocols
}

// choseHTTP2 reports whether the handshake has ended with HTTP/2.
func (c *conn) choseHTTP2() bool {
	return c.secure != nil && c.secure.state.NegotiatedProtocol == nextHTTP2
}
