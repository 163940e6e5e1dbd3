package netpoll

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// DefaultDialTimeout bounds a Dial without a deadline (nginx: proxy_connect_timeout).
	DefaultDialTimeout = 60 * time.Second

	// The kernel does not say when a unix socket's backlog has room again. The first pause is about what an app takes to
	// accept a few connections.
	firstBacklogPause = time.Millisecond
	maxBacklogPause   = 50 * time.Millisecond
)

// Dial connects. Zero deadline means DefaultDialTimeout from now. While the backlog of a unix socket is full, it tries again
// every 1 to 50 ms until the deadline. The error names the address and wraps the errno, and os.ErrDeadlineExceeded when
// time ran out.
func (p *Poller) Dial(a Addr, deadline time.Time) (*Conn, error) {
	return p.DialNear(nil, a, deadline)
}

// DialNear is Dial, but gives the connection the loop of near: what one goroutine does with both at once stays on one core.
func (p *Poller) DialNear(near *Conn, a Addr, deadline time.Time) (*Conn, error) {
	if deadline.IsZero() {
		deadline = time.Now().Add(DefaultDialTimeout)
	}
	c, err := p.dial(near, a, deadline)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", a, err)
	}
	return c, nil
}

func (p *Poller) dial(near *Conn, a Addr, deadline time.Time) (*Conn, error) {
	var sa unix.RawSockaddrAny
	size, err := a.sockaddr(&sa)
	if err != nil {
		return nil, err
	}
	c, err := p.newDialled(near, a)
	if err != nil {
		return nil, err
	}
	if err := c.connect(&sa, size, deadline); err != nil {
		_ = c.Close() // the error of connect says more
		return nil, err
	}
	return c, nil
}

// TryDialNear is DialNear for a unix socket, but returns ErrWouldBlock instead of waiting for room in its backlog.
func (p *Poller) TryDialNear(near *Conn, a Addr) (*Conn, error) {
	c, err := p.dial(near, a, time.Time{})
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, syscall.EAGAIN):
		return nil, ErrWouldBlock
	}
	return nil, fmt.Errorf("connect to %s: %w", a, err)
}

func (p *Poller) newDialled(near *Conn, a Addr) (*Conn, error) {
	fd, err := unix.Socket(a.family(), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if !a.IsUnix() {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			sysClose(fd)
			return nil, os.NewSyscallError("setsockopt TCP_NODELAY", err)
		}
	}
	c, err := p.newConn(fd, a.tcp, near)
	if err == nil {
		c.name = a.path
	}
	return c, err
}

func (c *Conn) connect(sa *unix.RawSockaddrAny, size uint32, deadline time.Time) error {
	pause := firstBacklogPause
	for {
		errno := sysConnect(c.fd, sa, size)
		switch {
		case errno == 0:
			return nil
		case errno == syscall.EINPROGRESS && c.isTCP():
			return c.awaitConnect(deadline)
		case errno != syscall.EAGAIN || c.isTCP():
			return os.NewSyscallError("connect", errno)
		}
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("backlog is full: %w (%w)", os.ErrDeadlineExceeded, errno)
		}
		time.Sleep(min(pause, left))
		pause = min(2*pause, maxBacklogPause)
	}
}

// awaitConnect waits for the peer's answer to a TCP connect.
func (c *Conn) awaitConnect(deadline time.Time) error {
	c.write.take() // there is nothing to try before the answer
	if err := c.SetWriteDeadline(deadline); err != nil {
		return err
	}
	for {
		waited := false
		if err := c.mayWrite(&waited, true); err != nil {
			return err
		}
		errno, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil {
			return os.NewSyscallError("getsockopt SO_ERROR", err)
		}
		if errno != 0 {
			return os.NewSyscallError("connect", syscall.Errno(errno))
		}
		// Woken for nothing, a socket has no error and no peer yet.
		if _, err := unix.Getpeername(c.fd); err == nil {
			c.write.restore()
			return c.SetWriteDeadline(time.Time{})
		}
	}
}
