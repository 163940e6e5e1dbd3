package proxy

import (
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"paddock/accesslog"
	"paddock/proxy/http2"
	"paddock/proxy/netpoll"
)

// conn is one client connection. While it is idle this struct is all there is of
// it: no goroutine, no buffer.
type conn struct {
	proxy    *Proxy
	listener *listener
	nc       *netpoll.Conn
	info     accesslog.Conn
	peer     netip.Addr   // zero for a unix socket
	remote   []byte       // info.RemoteAddr, for X-Forwarded-For
	proxied  *proxyHeader // nil: there was none
	client   *spokenFor   // of the last request that a trusted proxy passed on
	requests int
	resume   netpoll.Handler // run again; made once

	secure *secure                    // nil: no TLS, or not yet
	stream *stream                    // of HTTP/2, which this conn stands for; nil: a connection of its own
	http2  atomic.Pointer[http2.Conn] // nil: it is not

	// What a client that leaves must stop. Its owner sets these before it looks at
	// gone, and hungUp sets gone before it looks at them: one of the two sees the other.
	onHangup func()
	calling  atomic.Pointer[netpoll.Conn] // who takes it out may interrupt it, or keep it
	mu       sync.Mutex
	waiting  *waiter // guarded by mu
	gone     atomic.Bool
	watched  bool

	mute       bool // its PROXY protocol header is still to come
	shaken     bool // the handshake is over
	misplaced  bool // HTTP came where TLS is spoken
	mayBeHTTP2 bool // until its first bytes say that it is not
}

// accept takes a new connection. It runs on the goroutine that accepts, which must not
// wait.
func (l *listener) accept(nc *netpoll.Conn, now time.Time) {
	select {
	case <-l.ready:
		l.begin(nc, now)
	default:
		go func() { // it ends with commit or abandon
			<-l.ready
			l.begin(nc, time.Now())
		}()
	}
}

func (l *listener) begin(nc *netpoll.Conn, now time.Time) {
	c := &conn{proxy: l.proxy, listener: l, nc: nc, mayBeHTTP2: l.http2.Load() && !l.speaksTLS.Load()}
	defer c.survive()
	c.resume, c.onHangup = c.resumed, c.hungUp
	c.mute = l.proxied.Load()
	c.identify(now)
	if !l.add(c) {
		nc.Close()
		return
	}
	server := l.proxy.snap.Load().fallback(l)
	if c.mute || c.shaken {
		nc.SetReadDeadline(c.info.Start.Add(server.headerTimeout))
	} else {
		c.boundHandshake(server)
	}
	if c.mute || !c.shaken {
		nc.WaitReadable(c.introduced)
		return
	}
	c.run(newExchange(c, now))
}

// identify fills in what the log knows of a connection.
func (c *conn) identify(now time.Time) {
	l := c.listener
	c.info = accesslog.Conn{
		Serial:     l.proxy.serial.Add(1),
		RemoteAddr: "unix:",
		ServerAddr: l.addr,
		ServerPort: l.port,
		Scheme:     "http",
		Start:      l.proxy.when(now),
		Socket:     c,
	}
	if c.shaken = !l.speaksTLS.Load(); !c.shaken {
		c.info.Scheme = "https"
	}
	if remote := c.nc.RemoteAddrPort(); remote.IsValid() {
		c.peer = remote.Addr().Unmap()
		c.info.RemoteAddr, c.info.RemotePort = inOneString(c.peer, remote.Port())
		if l.wildcard {
			c.info.ServerAddr = c.nc.LocalAddrPort().Addr().Unmap().String()
		}
	}
	c.remote = []byte(c.info.RemoteAddr)
}

// inOneString has address and port share their memory: thousands may be idle.
func inOneString(addr netip.Addr, port uint16) (host, number string) {
	var room [len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%0123456789abcdef65535")]byte
	text := addr.AppendTo(room[:0])
	n := len(text)
	both := string(strconv.AppendUint(text, uint64(port), 10))
	return both[:n], both[n:]
}

// resumed goes on with an idle connection: bytes came, it ended, its time is
// over, or the proxy has no more use for it. A request that crosses the last of
// these is served. It may run on the poller's goroutine.
func (c *conn) resumed(nc *netpoll.Conn, now time.Time) {
	defer c.survive()
	if nc.Woken() && nc.Quiet() {
		c.close()
		return
	}
	c.run(newExchange(c, now))
}

// step is what becomes of a connection after a part of an exchange.
type step int

const (
	stepNext  step = iota // a request was answered, another may follow
	stepIdle              // not a byte of a request is there
	stepYield             // the request goes on when its app answers, or on a goroutine
	stepOver              // the connection ends
	stepHTTP2             // it speaks HTTP/2
)

// maxInlineSteps bounds what the poller's goroutine does in one go for a connection
// whose next request, or whose app's next bytes, are always there already.
const maxInlineSteps = 32

// run serves requests until no byte of a next one is there, or until the request
// under way would have to wait and nobody may wait here: then it goes on in another
// call of run, and x is not ours any more.
func (c *conn) run(x *exchange) {
	if c.stream != nil {
		c.runStream(x)
		return
	}
	for steps := 0; ; steps++ {
		if x.inline && steps > maxInlineSteps {
			x.detach()
			return
		}
		switch c.exchange(x) {
		case stepNext:
			if x.start < x.end {
				continue
			}
			c.nc.SetReadDeadline(x.until(x.server.keepaliveTimeout))
			if c.secure != nil && c.secure.mayHaveMore() {
				x.start, x.end = 0, 0
				continue
			}
			fallthrough
		case stepIdle:
			inline := x.inline
			x.release()
			if c.nc.Arm(c.resume) {
				return
			}
			if c.nc.Woken() && c.nc.Quiet() {
				c.close()
				return
			}
			x = newExchange(c, time.Now())
			x.inline = inline
		case stepYield:
			if x.goOn() {
				return
			}
		case stepOver:
			c.end(x)
			return
		case stepHTTP2:
			c.toHTTP2(x)
			return
		}
	}
}

// exchange serves one request, or goes on with it.
func (c *conn) exchange(x *exchange) (what step) {
	defer c.recovered(x, &what)
	err := x.advance()
	switch {
	case waits(err):
		x.wait = err
		return stepYield
	case err == errIdle:
		return stepIdle
	case err == errHTTP2:
		return stepHTTP2
	case err == nil && x.keepAlive:
		return stepNext
	}
	return stepOver
}

// end closes the connection, after a while if the client may still be sending.
func (c *conn) end(x *exchange) {
	if x.lingers() {
		if x.inline {
			x.inline = false
			go c.endApart(x)
			return
		}
		c.linger(x)
	}
	x.release()
	c.close()
}

// endApart is end on a goroutine of its own.
func (c *conn) endApart(x *exchange) {
	defer c.survive()
	c.end(x)
}

// lingers reports whether a close at once could destroy the answer (nginx: lingering_close).
func (x *exchange) lingers() bool {
	if x.server == nil || !x.sent {
		return false
	}
	rules := &x.rules().linger
	return !rules.off && (x.unread || rules.always)
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
	rules := &x.rules().linger
	end := time.Now().Add(rules.time)
	for {
		next := time.Now().Add(rules.timeout)
		if next.After(end) {
			next = end
		}
		c.nc.SetReadDeadline(next)
		if _, err := c.read(x.in, true); err != nil {
			return
		}
	}
}

// watch has the client's leaving stop what the request waits for, from the first request
// that goes to an app, or waits by limit_req or for its password, until the connection ends.
func (c *conn) watch() {
	if !c.watched {
		c.watched = true
		c.nc.OnHangupSoon(c.onHangup)
	}
}

// hungUp runs in the poller, or where the client was found to be gone.
func (c *conn) hungUp() {
	c.gone.Store(true)
	if u := c.calling.Swap(nil); u != nil {
		u.Interrupt()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.waiting; w != nil {
		w.queue.remove(w, errClientGone)
	}
}
