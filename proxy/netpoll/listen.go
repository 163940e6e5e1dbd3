package netpoll

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// acceptPause is the wait after accept has failed for want of descriptors or memory. The kernel does not tell when
	// there are some again.
	acceptPause = 100 * time.Millisecond

	// gatePause is the wait while the gate is closed: connections are being closed then.
	gatePause = 10 * time.Millisecond

	// acceptBatch is the number of connections accepted in a row before others may run.
	acceptBatch = 64
)

// A Listener accepts connections.
type Listener struct {
	socket
	handle  Handler
	closing chan struct{}
	done    chan struct{}
	fault   atomic.Pointer[error]
}

// Listen accepts on the listening stream socket fd, TCP or unix, and calls handle on a goroutine of its own for every
// connection. fd stays the caller's: Listen works on a duplicate, makes the socket non-blocking for all who share it, and
// sets TCP_NODELAY, which accepted connections inherit.
func (p *Poller) Listen(fd int, handle Handler) (*Listener, error) {
	return p.ListenInline(fd, func(c *Conn) { go handle(c) })
}

// ListenInline is Listen, but calls handle on the goroutine that accepts: it must not wait for anything.
func (p *Poller) ListenInline(fd int, handle Handler) (*Listener, error) {
	l, err := p.newListener(fd, handle)
	if err != nil {
		return nil, fmt.Errorf("listen on descriptor %d: %w", fd, err)
	}
	go l.run()
	return l, nil
}

func (p *Poller) newListener(fd int, handle Handler) (*Listener, error) {
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return nil, os.NewSyscallError("getsockopt SO_ACCEPTCONN", err)
	}
	if listening == 0 {
		return nil, errors.New("expected a listening stream socket")
	}
	own, err := duplicate(fd)
	if err != nil {
		return nil, err
	}
	l := &Listener{handle: handle, closing: make(chan struct{}), done: make(chan struct{})}
	if err := l.init(p, own); err != nil {
		return nil, err
	}
	l.read.restore()
	l.acquire() // for run
	return l, nil
}

// duplicate is fd again, closed on exec, non-blocking and without Nagle's delay.
func duplicate(fd int) (int, error) {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return -1, os.NewSyscallError("getsockopt SO_DOMAIN", err)
	}
	if domain != unix.AF_UNIX {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return -1, os.NewSyscallError("setsockopt TCP_NODELAY", err)
		}
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return -1, os.NewSyscallError("set non-blocking", err)
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
	}
	return own, nil
}

// Close stops accepting and returns when no accept is running any more. Accepted connections live on, and so does the
// socket in the caller's descriptor, with the connections in its queue. Closing twice does nothing.
func (l *Listener) Close() error {
	if err := l.close(); err != nil {
		return nil
	}
	close(l.closing)
	<-l.done
	return nil
}

// Err is why connections are not accepted at the moment, or for good: nil while all is well and after Close.
func (l *Listener) Err() error {
	if err := l.fault.Load(); err != nil {
		return *err
	}
	return nil
}

func (l *Listener) run() {
	defer close(l.done)
	defer l.release()
	for l.failure(&l.read) == nil {
		if l.read.take() {
			if !l.acceptAll() {
				return
			}
			continue
		}
		if err := l.wait(&l.read, unix.EPOLLIN); err != nil {
			l.fault.Store(&err)
			return
		}
	}
}

// acceptAll accepts until there is nobody left, as an edge-triggered epoll wants it. It reports whether accepting goes on.
func (l *Listener) acceptAll() bool {
	for n := 1; l.failure(&l.read) == nil; n++ {
		if l.poller.full() {
			if !l.knock() {
				return true
			}
			l.pause(gatePause)
			continue
		}
		switch errno := l.accept(); errno {
		case 0:
			if l.fault.Load() != nil {
				l.fault.Store(nil)
			}
		case syscall.EAGAIN:
			return true
		case syscall.EINTR, syscall.ECONNABORTED, syscall.EPROTO, syscall.EPERM, syscall.ENETDOWN, syscall.ENETUNREACH,
			syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENOPROTOOPT, syscall.ENONET:
			// These are of the one connection, which is gone (accept(2)).
		case syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK:
			l.fail(errno)
			return false
		default:
			l.fail(errno)
			l.poller.short(errno)
			l.pause(acceptPause)
		}
		if n%acceptBatch == 0 {
			runtime.Gosched()
		}
	}
	return true
}

func (l *Listener) accept() syscall.Errno {
	var sa unix.RawSockaddrAny
	fd, errno := sysAccept(l.fd, &sa)
	if errno != 0 {
		return errno
	}
	c, err := l.poller.newConn(fd, addrPort(&sa), nil)
	if err != nil {
		return syscall.EMFILE
	}
	c.read.restore() // the request is often there already
	l.handle(c)
	return 0
}

func (l *Listener) fail(errno syscall.Errno) {
	err := os.NewSyscallError("accept", errno)
	l.fault.Store(&err)
}

func (l *Listener) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.closing:
	}
}
