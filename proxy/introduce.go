package proxy

import (
	"io"
	"strconv"
	"time"

	"go.uber.org/zap"

	"paddock/accesslog"
	"paddock/proxy/netpoll"
)

// introduced lets a connection introduce itself (PROXY protocol, TLS), and goes on with
// its first request. Load balancers open connections ahead of their requests, and a
// client may take its time for a handshake: until a request comes it holds no buffer.
func (c *conn) introduced(*netpoll.Conn, time.Time) {
	defer c.survive()
	misplaced, ok := c.begun()
	if !ok {
		c.close()
		return
	}
	if c.choseHTTP2() {
		c.serveHTTP2(nil)
		return
	}
	x := newExchange(c, time.Now())
	x.inline = false
	x.end = copy(x.in, misplaced)
	c.run(x)
}

// begun does what comes before the first request. false: the connection is to be closed.
func (c *conn) begun() (misplaced []byte, ok bool) {
	if c.mute && !c.introduce() {
		return nil, false
	}
	if c.shaken {
		return nil, true
	}
	return c.handshake()
}

// introduce reads the PROXY protocol header that a connection of a listener with
// proxy_protocol begins with, and no byte behind it. false: the connection is to be
// closed, since whom it speaks for is unknown. It has client_header_timeout from
// the accept on, as in nginx.
func (c *conn) introduce() bool {
	c.mute = false
	h, err := c.peekProxyHeader(make([]byte, maxProxyHeader))
	if err == errNoRequest {
		return false // a probe that says nothing, or one that stalls
	}
	if err != nil {
		c.proxy.logger.Warn("a connection without a PROXY protocol header was closed",
			zap.String("listen", c.listener.key), zap.String("client", c.info.RemoteAddr), zap.Error(err))
		return false
	}
	if h.client.IsValid() {
		c.proxied = &h
		c.info.Proxied = &accesslog.Proxied{
			Addr: h.client.Addr().String(), Port: strconv.Itoa(int(h.client.Port())),
			ServerAddr: h.server.Addr().String(), ServerPort: strconv.Itoa(int(h.server.Port())),
		}
	}
	return true
}

func (c *conn) peekProxyHeader(buf []byte) (h proxyHeader, err error) {
	n, length := 0, 0
	for {
		if n, err = c.nc.Peek(buf, n); err != nil {
			return h, errNoRequest
		}
		if h, length, err = parseProxyHeader(buf[:n]); err == nil {
			_, err = io.ReadFull(c.nc, buf[:length])
		}
		if err != errProxyMore {
			return h, err
		}
	}
}
