package proxy

import (
	"time"

	"paddock/proxy/netpoll"
)

// client is what stands in the place of the client's connection in an exchange whose
// request came on a stream: the conn of the exchange hands these on to it. They do what
// those of netpoll.Conn do.
type client interface {
	sink
	Read(p []byte) (int, error)
	SetReadDeadline(t time.Time) error
	TryWritev(bufs [][]byte) (int64, error)
	OnHangup(f func())
	Interrupt()
	Reset() error
}

// socket is the client's connection, or that which carries the stream.
func (c *conn) socket() *netpoll.Conn {
	if c.stream != nil {
		return c.stream.carrier
	}
	return c.nc
}

// setReadDeadline sets when a read fails.
func (c *conn) setReadDeadline(t time.Time) {
	if c.stream != nil {
		c.stream.SetReadDeadline(t)
		return
	}
	c.nc.SetReadDeadline(t)
}

// interrupt gives up what the client has not taken.
func (c *conn) interrupt() {
	if c.stream != nil {
		c.stream.Interrupt()
		return
	}
	c.nc.Interrupt()
}

// reset breaks the connection, or the stream, so that the client sees it.
func (c *conn) reset() {
	if c.stream != nil {
		c.stream.Reset()
		return
	}
	c.nc.Reset()
}
