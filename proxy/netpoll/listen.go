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
	rest    time.Duration // of a pause
	fault   atomic.Pointer[error]
}

// Listen accepts on the listening stream socket fd, TCP or unix, and calls handle on a goroutine of its own for every
// connection. fd stays the caller's: Listen works on a duplicate, makes the socket non-blocking for all who share it, and
// sets TCP_NODELAY, which accepted connections inherit.
func (p *Poller) Listen(fd int, handle Handler) (*Listener, error) {
	return p.ListenInline(fd, func(c *Conn, now time.Time) { go handle(c, now) })
}

// ListenInline is Listen, but calls handle on the goroutine that accepts, mostly that of a loop: it must not wait for
// anything.
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
	l.accepts = l
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

// What becomes of accepting after a batch.
type acceptState int

const (
	acceptArmed  acceptState = iota // nobody is left: the poller goes on at the next event
	acceptMore                      // somebody may be left
	acceptPaused                    // there is no room at the moment
	acceptEnded                     // closed, or broken for good
)

// run accepts on a goroutine of its own until nobody is left. From then on the loop does, on its own goroutine: a connection
// wakes nobody else.
func (l *Listener) run() {
	for {
		switch l.acceptBatch(time.Now()) {
		case acceptArmed:
			return
		case acceptMore:
			runtime.Gosched()
		case acceptPaused:
			l.pause(l.rest)
		case acceptEnded:
			l.end()
			return
		}
	}
}

// resumeOnLoop accepts a batch; what is left then comes after the other events of the loop.
func (l *Listener) resumeOnLoop(now time.Time) {
	switch l.acceptBatch(now) {
	case acceptMore:
		l.loop.again = append(l.loop.again, l)
	case acceptPaused:
		go func() {
			l.pause(l.rest)
			l.run()
		}()
	case acceptEnded:
		l.end()
	}
}

// end is called once, by who finds that accepting is over.
func (l *Listener) end() {
	l.release()
	close(l.done)
}

// acceptBatch accepts a few, or until nobody is left: an edge-triggered epoll tells only of news. One goroutine at a time
// calls it: run's, or the loop's when it has taken armed away.
func (l *Listener) acceptBatch(now time.Time) acceptState {
	for range acceptBatch {
		if l.failure(&l.read) != nil {
			return acceptEnded
		}
		l.read.take() // before the call: who comes after it is told of
		if l.poller.full() {
			if l.knock() {
				l.rest = gatePause
				return acceptPaused
			}
			if l.arm() {
				return acceptArmed
			}
			continue
		}
		switch errno := l.accept(now); errno {
		case 0:
			if l.fault.Load() != nil {
				l.fault.Store(nil)
			}
		case syscall.EAGAIN:
			if l.arm() {
				return acceptArmed
			}
		case syscall.EINTR, syscall.ECONNABORTED, syscall.EPROTO, syscall.EPERM, syscall.ENETDOWN, syscall.ENETUNREACH,
			syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENOPROTOOPT, syscall.ENONET:
			// These are of the one connection, which is gone (accept(2)).
		case syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK:
			l.fail(errno)
			return acceptEnded
		default:
			l.fail(errno)
			l.poller.short(errno)
			l.rest = acceptPause
			return acceptPaused
		}
	}
	return acceptMore
}

// arm leaves accepting to the loop. False: something has come in between, or accepting is over.
func (l *Listener) arm() bool {
	if err := l.register(unix.EPOLLIN); err != nil {
		l.fault.Store(&err)
		_ = l.close()
		return false
	}
	if !l.read.state.CompareAndSwap(nil, armed) {
		return false
	}
	// Who came before the swap has resumed nobody.
	return l.failure(&l.read) == nil || !l.read.state.CompareAndSwap(armed, nil)
}

func (l *Listener) accept(now time.Time) syscall.Errno {
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
	l.handle(c, now)
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
