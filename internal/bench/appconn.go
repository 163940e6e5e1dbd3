package main

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// appConn is a connection to the app.
type appConn struct {
	app    *app
	fd     int
	in     [32 << 10]byte
	n      int     // bytes in in
	body   int     // bytes of the request's body that are still to come
	asked  *answer // of the request under way
	out    []byte  // what is still to be written
	armed  bool    // waits until it can write
	given  bool    // to a goroutine, which closes it
	failed bool
}

// ready goes on after an event; false: the connection is done with.
func (c *appConn) ready(events uint32) bool {
	if c.armed && events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		return c.flush() && c.process()
	}
	n, err := unix.Read(c.fd, c.in[c.n:])
	if errors.Is(err, unix.EAGAIN) {
		return true
	}
	if err != nil || n == 0 {
		return false
	}
	c.n += n
	return c.process()
}

// process serves what has been read.
func (c *appConn) process() bool {
	for c.n > 0 && len(c.out) == 0 {
		if c.body == 0 && !c.head() {
			return !c.failed && c.n < len(c.in)
		}
		c.skip(min(c.n, c.body))
		if c.body > 0 {
			return true
		}
		if !c.respond() {
			return false
		}
	}
	return true
}

// skip drops bytes of the body.
func (c *appConn) skip(n int) {
	c.body -= n
	c.take(n)
}

func (c *appConn) take(n int) {
	copy(c.in[:], c.in[n:c.n])
	c.n -= n
}

// head reads a request's head, if it is whole.
func (c *appConn) head() bool {
	head, _, whole := bytes.Cut(c.in[:c.n], []byte("\r\n\r\n"))
	if !whole {
		return false
	}
	line, fields, _ := bytes.Cut(head, []byte("\r\n"))
	_, path, _ := bytes.Cut(line, []byte(" "))
	path, _, _ = bytes.Cut(path, []byte(" "))
	c.asked = c.app.answers[string(path)]
	length, known := bodyLength(fields)
	c.body, c.failed = length, c.asked == nil || !known
	c.take(len(head) + 4)
	return !c.failed
}

// bodyLength is the length of a request's body; not known: what the app cannot read.
func bodyLength(fields []byte) (int, bool) {
	for len(fields) > 0 {
		var line []byte
		line, fields, _ = bytes.Cut(fields, []byte("\r\n"))
		if len(line) == 0 || line[0]|' ' != 'c' && line[0]|' ' != 't' {
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			n, err := strconv.Atoi(string(bytes.TrimSpace(value)))
			return n, err == nil && n >= 0
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return 0, false
		}
	}
	return 0, true
}

// respond writes the answer, or leaves that to a goroutine if it comes in two parts.
func (c *appConn) respond() bool {
	if c.asked.first > 0 {
		c.given = true
		unix.EpollCtl(c.app.poller, unix.EPOLL_CTL_DEL, c.fd, nil)
		go respondInParts(c.fd, c.asked) // ends after the answer or with the process
		return false
	}
	c.out = c.asked.bytes
	return c.flush()
}

// flush writes what it can; false: the connection is done with.
func (c *appConn) flush() bool {
	for len(c.out) > 0 {
		n, err := unix.SendmsgN(c.fd, c.out, nil, nil, unix.MSG_NOSIGNAL)
		if errors.Is(err, unix.EAGAIN) {
			return c.arm(true)
		}
		if err != nil {
			return false
		}
		c.out = c.out[n:]
	}
	return c.arm(false) && !c.asked.closes
}

// arm waits for room to write, or for requests again.
func (c *appConn) arm(on bool) bool {
	if c.armed == on {
		return true
	}
	c.armed = on
	events := uint32(unix.EPOLLIN)
	if on {
		events = unix.EPOLLOUT
	}
	return c.app.watch(unix.EPOLL_CTL_MOD, c.fd, events) == nil
}

// respondInParts writes the first part, and the rest after a while.
func respondInParts(fd int, a *answer) {
	defer unix.Close(fd)
	if unix.SetNonblock(fd, false) != nil || !writeAll(fd, a.bytes[:a.first]) {
		return
	}
	time.Sleep(later)
	writeAll(fd, a.bytes[a.first:])
}

func writeAll(fd int, b []byte) bool {
	for len(b) > 0 {
		n, err := unix.SendmsgN(fd, b, nil, nil, unix.MSG_NOSIGNAL)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false
		}
		b = b[max(n, 0):]
	}
	return true
}
