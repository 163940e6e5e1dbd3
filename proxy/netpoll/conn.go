package netpoll

import (
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A Conn is a stream connection over TCP or a unix socket. One goroutine may read and another may write at the same time,
// not two of either kind. Close, Interrupt, Wake and the deadlines may come from any goroutine.
type Conn struct {
	socket
	remote netip.AddrPort // zero for a unix socket
	name   string         // of a dialled unix socket: its path

	resume   Handler // of WaitReadable and Arm; belongs to who takes armed away, as does inline
	inline   bool    // resume may run on the poller's goroutine
	resumed  func()  // resumeAt, made once
	onHangup func()  // guarded by mu
}

var _ net.Conn = (*Conn)(nil)

// newConn takes fd, also when it fails. The connection has the loop of near, if that is not nil.
func (p *Poller) newConn(fd int, remote netip.AddrPort, near *Conn) (*Conn, error) {
	c := &Conn{remote: remote}
	c.conn = c
	if near != nil {
		c.loop = near.loop
	}
	if err := c.init(p, fd); err != nil {
		return nil, err
	}
	return c, nil
}

// Close closes the connection. A Read or Write of another goroutine fails with net.ErrClosed, and the descriptor is closed
// when that has returned. A second Close returns net.ErrClosed. Close does not disarm OnHangup.
func (c *Conn) Close() error { return c.close() }

// CloseWrite sends the end of the stream (shutdown(2), SHUT_WR). Reading goes on.
func (c *Conn) CloseWrite() error {
	if !c.acquire() {
		return net.ErrClosed
	}
	defer c.release()
	return os.NewSyscallError("shutdown", unix.Shutdown(c.fd, unix.SHUT_WR))
}

// Reset closes a TCP connection so that the peer sees it broken (RST), and drops what is unsent. A unix socket is just
// closed: it knows no reset.
func (c *Conn) Reset() error {
	if !c.acquire() {
		return net.ErrClosed
	}
	if c.isTCP() {
		// A socket that refuses has lost its connection already.
		_ = unix.SetsockoptLinger(c.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	err := c.close()
	c.release()
	return err
}

// Interrupt makes pending and later calls of Read and Write fail with ErrInterrupted, and resumes a connection in
// WaitReadable. The connection is still to be closed by its owner.
func (c *Conn) Interrupt() { c.interrupt() }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets the time at which Read fails with os.ErrDeadlineExceeded and WaitReadable resumes; zero is none.
// It is noticed up to 100 ms late, never early; a time before the poller was opened ends a wait at once.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(&c.read, t) }

// SetWriteDeadline sets the time at which Write and Writev fail with os.ErrDeadlineExceeded, as SetReadDeadline does.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(&c.write, t) }

// Near reports whether both connections have one loop: then what is done with both at once stays on one core.
func (c *Conn) Near(o *Conn) bool { return c.loop == o.loop }

// Lane is the number of the connection's loop, from 0 to Lanes-1. It does not change.
func (c *Conn) Lane() int { return c.loop.index }

func (c *Conn) isTCP() bool { return c.remote.IsValid() }

// RemoteAddrPort is the peer's address as the kernel has it: on a listener for both families, an IPv4 peer is
// ::ffff:a.b.c.d (netip.Addr.Unmap). It is zero for a unix socket.
func (c *Conn) RemoteAddrPort() netip.AddrPort { return c.remote }

// RemoteAddr is a *net.TCPAddr or, for a unix socket, a *net.UnixAddr with the path that was dialled.
func (c *Conn) RemoteAddr() net.Addr {
	if c.isTCP() {
		return net.TCPAddrFromAddrPort(c.remote)
	}
	return &net.UnixAddr{Name: c.name, Net: "unix"}
}

// LocalAddrPort asks the kernel for our own address. It is zero for a unix socket and after Close.
func (c *Conn) LocalAddrPort() netip.AddrPort {
	if !c.isTCP() || !c.acquire() {
		return netip.AddrPort{}
	}
	defer c.release()
	var sa unix.RawSockaddrAny
	if errno := sysGetsockname(c.fd, &sa); errno != 0 {
		return netip.AddrPort{}
	}
	return addrPort(&sa)
}

// LocalAddr is a *net.TCPAddr or a *net.UnixAddr without a name.
func (c *Conn) LocalAddr() net.Addr {
	if c.isTCP() {
		return net.TCPAddrFromAddrPort(c.LocalAddrPort())
	}
	return &net.UnixAddr{Net: "unix"}
}

// TCPInfo is what the system knows of the connection; an error on a unix socket.
func (c *Conn) TCPInfo() (*unix.TCPInfo, error) {
	if !c.isTCP() || !c.acquire() {
		return nil, unix.EOPNOTSUPP
	}
	defer c.release()
	info, err := unix.GetsockoptTCPInfo(c.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return info, os.NewSyscallError("getsockopt", err)
}
