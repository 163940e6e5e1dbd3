package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/sys/unix"
)

// app is a server that costs little: one thread, epoll, keep-alive. Bodies of requests are
// read and dropped.
type app struct {
	poller, listener int
	answers          map[string]*answer
	conns            map[int32]*appConn
}

// serveApp listens on a unix socket until the other end of stdin is closed.
func serveApp(path string, stdin io.Reader) error {
	a, err := listenApp(path)
	if err != nil {
		return fmt.Errorf("app: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- a.serve() }()
	go func() { // ends with the process
		io.Copy(io.Discard, stdin)
		done <- nil
	}()
	return <-done
}

func listenApp(path string) (*app, error) {
	ln, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	unix.Umask(0) // the proxies' users may connect
	if err := unix.Bind(ln, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, err
	}
	if err := unix.Listen(ln, 4096); err != nil {
		return nil, err
	}
	poller, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	a := &app{poller: poller, listener: ln, answers: answers(), conns: make(map[int32]*appConn)}
	return a, a.watch(unix.EPOLL_CTL_ADD, ln, unix.EPOLLIN)
}

func (a *app) watch(op, fd int, events uint32) error {
	return unix.EpollCtl(a.poller, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

func (a *app) serve() error {
	runtime.LockOSThread()
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(a.poller, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("app: wait: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			if int(e.Fd) == a.listener {
				a.accept()
			} else if c := a.conns[e.Fd]; c != nil && !c.ready(e.Events) {
				a.drop(c)
			}
		}
	}
}

// acceptAtOnce bounds how long those that are connected wait for those that connect.
const acceptAtOnce = 64

func (a *app) accept() {
	for range acceptAtOnce {
		fd, _, err := unix.Accept4(a.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		a.conns[int32(fd)] = &appConn{app: a, fd: fd}
		if a.watch(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN) != nil {
			a.drop(a.conns[int32(fd)])
		}
	}
}

// drop closes a connection, unless it was given away.
func (a *app) drop(c *appConn) {
	delete(a.conns, int32(c.fd))
	if !c.given {
		unix.Close(c.fd)
	}
}
