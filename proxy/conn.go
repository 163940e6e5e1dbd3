package proxy

import (
	"net/netip"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"paddock/accesslog"
	"paddock/proxy/netpoll"
)

// conn is one client connection. While it is idle this struct is all there is of
// it: no goroutine, no buffer.
type conn struct {
	proxy    *Proxy
	listener *listener
	nc       *netpoll.Conn
	info     accesslog.Conn
	peer     netip.Addr // zero for a unix socket
	remote   []byte     // info.RemoteAddr, for X-Forwarded-For
	mute     bool       // its PROXY protocol header is still to come
	proxied  proxyHeader
	client   *spokenFor // of the last request that a trusted proxy passed on
	requests int
	resume   netpoll.Handler // run again; made once

	secure    *secure // nil: no TLS, or not yet
	shaken    bool    // the handshake is over
	misplaced []byte  // HTTP that came where TLS is spoken; nil: none

	// What a client that leaves must stop. Its owner sets these before it looks at
	// gone, and hungUp sets gone before it looks at them: one of the two sees the other.
	onHangup func()
	gone     atomic.Bool
	waiting  atomic.Pointer[waiter]
	calling  atomic.Pointer[netpoll.Conn]
}

// accept takes a new connection. It runs on a goroutine of its own.
func (l *listener) accept(nc *netpoll.Conn) {
	<-l.ready
	c := &conn{proxy: l.proxy, listener: l, nc: nc}
	c.resume, c.onHangup = c.resumed, c.hungUp
	c.mute = l.proxied.Load()
	c.identify()
	if !l.add(c) {
		nc.Close()
		return
	}
	server := l.proxy.snap.Load().fallback(l)
	nc.SetReadDeadline(c.info.Start.Add(server.headerTimeout))
	if nc.Quiet() { // a client that says nothing yet holds no buffer
		nc.WaitReadable(c.resume)
		return
	}
	c.run(newExchange(c))
}

// identify fills in what the log knows of a connection.
func (c *conn) identify() {
	l := c.listener
	c.info = accesslog.Conn{
		Serial:     l.proxy.serial.Add(1),
		RemoteAddr: "unix:",
		ServerAddr: l.addr,
		ServerPort: l.port,
		Scheme:     "http",
		Start:      l.proxy.now(),
		Socket:     c,
	}
	if c.shaken = !l.speaksTLS.Load(); !c.shaken {
		c.info.Scheme = "https"
	}
	if remote := c.nc.RemoteAddrPort(); remote.IsValid() {
		c.peer = remote.Addr().Unmap()
		c.info.RemoteAddr = c.peer.String()
		c.info.RemotePort = strconv.Itoa(int(remote.Port()))
		if l.wildcard {
			c.info.ServerAddr = c.nc.LocalAddrPort().Addr().Unmap().String()
		}
	}
	c.remote = []byte(c.info.RemoteAddr)
}

// resumed goes on with an idle connection: bytes came, it ended, its time is
// over, or the proxy has no more use for it. A request that crosses the last of
// these is served.
func (c *conn) resumed(nc *netpoll.Conn) {
	if nc.Woken() && nc.Quiet() {
		c.close()
		return
	}
	c.run(newExchange(c))
}

// run serves requests until no byte of a next one is there.
func (c *conn) run(x *exchange) {
	if c.mute && !c.ready(x) {
		return
	}
	if !c.shaken {
		if x = c.shake(x); x == nil {
			return
		}
	}
	for c.exchange(x) {
		if x.start == x.end && !c.refill(x) {
			timeout := x.server.keepaliveTimeout
			x.release()
			c.park(timeout)
			return
		}
	}
	if x.unread && x.sent {
		c.linger(x)
	}
	x.release()
	c.close()
}

// park gives the connection up until its next request.
func (c *conn) park(timeout time.Duration) {
	c.nc.SetReadDeadline(time.Now().Add(timeout))
	c.nc.WaitReadable(c.resume)
}

// exchange serves one request and reports whether the connection lives on.
func (c *conn) exchange(x *exchange) (more bool) {
	defer c.recovered(x, &more)
	x.begin()
	x.Pipelined = x.Pipelined && c.requests > 0
	err := x.readHead()
	if err == errNoRequest {
		return false
	}
	if err == nil {
		err = x.serve()
	}
	x.finish(err)
	return x.keepAlive
}

// recovered turns a panic into a 500 for the request that it happened in. The
// connection is closed; all others live on.
func (c *conn) recovered(x *exchange, more *bool) {
	reason := recover()
	if reason == nil {
		return
	}
	*more = false
	c.proxy.logger.Error("a request panicked",
		zap.Any("panic", reason), zap.ByteString("request", x.Line), zap.ByteString("stack", debug.Stack()))
	if x.server == nil || x.End != (time.Time{}) {
		return // no request had begun, or it is in the log already
	}
	x.keepAlive = false
	x.finish(errInternal)
}

// close ends the connection.
func (c *conn) close() {
	if c.secure != nil {
		c.secure.bye()
	}
	c.nc.Close()
	c.proxy.conns.remove(c)
}

// linger tells the client that we are done and swallows what it still sends: a
// close with unread bytes would be a reset, which can destroy the answer on its
// way (RFC 9112 9.6; nginx: lingering_close).
func (c *conn) linger(x *exchange) {
	if c.closeWrite() != nil {
		return
	}
	end := time.Now().Add(lingerTime)
	for {
		next := time.Now().Add(lingerTimeout)
		if next.After(end) {
			next = end
		}
		c.nc.SetReadDeadline(next)
		if _, err := c.read(x.in); err != nil {
			return
		}
	}
}

// watch has the client's leaving stop what the request waits for; unwatch ends that.
func (c *conn) watch()   { c.nc.OnHangup(c.onHangup) }
func (c *conn) unwatch() { c.nc.OnHangup(nil) }

// hungUp runs in the poller.
func (c *conn) hungUp() {
	c.gone.Store(true)
	if w := c.waiting.Load(); w != nil {
		w.queue.remove(w, errClientGone)
	}
	if u := c.calling.Load(); u != nil {
		u.Interrupt()
	}
}
