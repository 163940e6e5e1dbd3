package proxy

import (
	"io"
	"strconv"

	"go.uber.org/zap"

	"paddock/accesslog"
)

// ready reports whether a connection that had still to introduce itself goes on to
// its first request. Load balancers open connections ahead of their requests: until
// one comes it holds no buffer.
func (c *conn) ready(x *exchange) bool {
	introduced := c.introduce(x.in)
	if introduced && !c.nc.Quiet() {
		return true
	}
	x.release()
	if introduced {
		c.nc.WaitReadable(c.resume)
	} else {
		c.close()
	}
	return false
}

// introduce reads the PROXY protocol header that a connection of a listener with
// proxy_protocol begins with, and no byte behind it. false: the connection is to be
// closed, since whom it speaks for is unknown. It has client_header_timeout from
// the accept on, as in nginx.
func (c *conn) introduce(buf []byte) bool {
	c.mute = false
	h, err := c.peekProxyHeader(buf[:maxProxyHeader])
	if err == errNoRequest {
		return false // a probe that says nothing, or one that stalls
	}
	if err != nil {
		c.proxy.logger.Warn("a connection without a PROXY protocol header was closed",
			zap.String("listen", c.listener.key), zap.String("client", c.info.RemoteAddr), zap.Error(err))
		return false
	}
	if h.client.IsValid() {
		c.proxied = h
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
