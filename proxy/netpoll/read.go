package netpoll

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Read reads what there is, at most len(p) bytes, and waits when there is nothing. It returns io.EOF after the peer's end,
// os.ErrDeadlineExceeded, net.ErrClosed after Close, ErrInterrupted, or a system call's error.
func (c *Conn) Read(p []byte) (int, error) { return c.readSome(p, true) }

// TryRead is Read, but returns ErrWouldBlock instead of waiting.
func (c *Conn) TryRead(p []byte) (int, error) { return c.readSome(p, false) }

func (c *Conn) readSome(p []byte, wait bool) (int, error) {
	if !c.acquire() {
		return 0, net.ErrClosed
	}
	n, err := c.readOnce(p, wait)
	c.release()
	return n, err
}

func (c *Conn) readOnce(p []byte, wait bool) (int, error) {
	for {
		if err := c.failure(&c.read); err != nil {
			return 0, err
		}
		if len(p) == 0 {
			return 0, nil
		}
		if !c.read.take() {
			if !wait {
				return 0, ErrWouldBlock
			}
			if err := c.wait(&c.read, unix.EPOLLIN); err != nil {
				return 0, err
			}
			continue
		}
		n, errno := sysRead(c.fd, p)
		switch {
		case n > 0:
			c.readAgain(n == len(p))
			return n, nil
		case errno == syscall.EAGAIN:
			continue
		}
		c.read.restore() // the end and an error stay: a later Read finds them again
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 {
			return 0, os.NewSyscallError("read", errno)
		}
		return 0, io.EOF
	}
}

// readAgain makes the next Read go to the kernel if there may be more: the buffer was filled, or the end may have come with
// the same event as the bytes.
func (c *Conn) readAgain(filled bool) {
	if filled || c.flags.Load()&flagHangup != 0 {
		c.read.restore()
	}
}

// Quiet reports whether an idle connection may be used again: open, no bytes to read, no end and no hang-up. It asks the
// kernel, since an event may be on its way through a busy loop: a late answer that went unseen would go to the next client.
func (c *Conn) Quiet() bool {
	if !c.acquire() {
		return false
	}
	defer c.release()
	if c.flags.Load()&(flagInterrupted|flagHangup) != 0 {
		return false
	}
	c.read.take() // what comes after the peek is reported anew
	return c.empty()
}

// quiet is Quiet for a connection that nobody reuses for another client: the kernel is asked only if epoll has not told.
func (c *Conn) quiet() bool {
	if c.flags.Load()&flagHangup != 0 {
		c.read.restore()
		return false
	}
	if c.events.Load() != 0 && !c.read.take() {
		return true
	}
	return c.empty()
}

// empty asks the kernel whether there is nothing to read; ready must have been taken.
func (c *Conn) empty() bool {
	if _, errno := sysPeek(c.fd); errno != syscall.EAGAIN {
		c.read.restore()
		return false
	}
	return true
}
