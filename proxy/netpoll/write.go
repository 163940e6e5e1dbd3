package netpoll

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// vectors is the number of buffers that one system call of Writev takes.
const vectors = 16

// Write writes all of p, and waits while the socket is full. If it fails, it returns how many bytes the kernel has taken,
// and os.ErrDeadlineExceeded, net.ErrClosed, ErrInterrupted or a system call's error.
func (c *Conn) Write(p []byte) (int, error) { return c.writeSome(p, true) }

// TryWrite is Write without a deadline, but returns ErrWouldBlock with what it has written instead of waiting.
func (c *Conn) TryWrite(p []byte) (int, error) { return c.writeSome(p, false) }

func (c *Conn) writeSome(p []byte, wait bool) (int, error) {
	if !c.acquire() {
		return 0, net.ErrClosed
	}
	n, err := c.writeAll(p, wait)
	c.release()
	return n, err
}

// WriteSome writes what there is room for, at least one byte, and waits while there is none. Unlike Write it lets its caller
// set the deadline anew whenever the peer has taken something.
func (c *Conn) WriteSome(p []byte) (int, error) {
	if !c.acquire() {
		return 0, net.ErrClosed
	}
	n, err := c.writeOnce(p)
	c.release()
	return n, err
}

func (c *Conn) writeOnce(p []byte) (int, error) {
	waited := false
	for {
		if err := c.mayWrite(&waited, true); err != nil {
			return 0, err
		}
		n, errno := sysSend(c.fd, p)
		if err := c.written(n == len(p), errno); err != nil || n > 0 || len(p) == 0 {
			c.forgetFull(waited)
			return n, err
		}
	}
}

func (c *Conn) writeAll(p []byte, wait bool) (int, error) {
	done, waited := 0, false
	for {
		if err := c.mayWrite(&waited, wait); err != nil {
			return done, err
		}
		n, errno := sysSend(c.fd, p[done:])
		done += n
		if err := c.written(done == len(p), errno); err != nil || done == len(p) {
			c.forgetFull(waited)
			return done, err
		}
	}
}

// Writev writes the buffers one after another, as Write does, with one system call for each 16 of them if the socket has
// room. The buffers are left as they are.
func (c *Conn) Writev(bufs [][]byte) (int64, error) { return c.writevSome(bufs, true) }

// TryWritev is Writev without a deadline, but returns ErrWouldBlock with what it has written instead of waiting.
func (c *Conn) TryWritev(bufs [][]byte) (int64, error) { return c.writevSome(bufs, false) }

func (c *Conn) writevSome(bufs [][]byte, wait bool) (int64, error) {
	if !c.acquire() {
		return 0, net.ErrClosed
	}
	n, err := c.writevAll(bufs, wait)
	c.release()
	return n, err
}

func (c *Conn) writevAll(bufs [][]byte, wait bool) (int64, error) {
	var done int64
	waited := false
	rest := cursor{bufs: bufs}
	rest.advance(0)
	for {
		if err := c.mayWrite(&waited, wait); err != nil {
			return done, err
		}
		n, errno := rest.send(c.fd)
		done += int64(n)
		rest.advance(n)
		if err := c.written(len(rest.bufs) == 0, errno); err != nil || len(rest.bufs) == 0 {
			c.forgetFull(waited)
			return done, err
		}
	}
}

// mayWrite waits until there may be room, or fails with ErrWouldBlock if it is not to wait.
func (c *Conn) mayWrite(waited *bool, wait bool) error {
	for {
		// What does not wait has no deadline: one of an earlier write may have passed.
		if err := c.failure(&c.write); err != nil && (wait || err != os.ErrDeadlineExceeded) {
			return err
		}
		if c.write.take() {
			return nil
		}
		if !wait {
			return ErrWouldBlock
		}
		*waited = true
		if err := c.wait(&c.write, unix.EPOLLOUT); err != nil {
			return err
		}
	}
}

// written judges a system call. A short write says that the socket is full, and the kernel then tells of new room.
func (c *Conn) written(all bool, errno syscall.Errno) error {
	switch errno {
	case syscall.EAGAIN:
		return nil
	case 0:
		if all {
			c.write.restore()
		}
		return nil
	}
	c.write.restore()
	if errno == syscall.EINTR {
		return nil
	}
	return os.NewSyscallError("write", errno)
}

// forgetFull ends the reports of room on a unix socket: there each read of the peer would be one. TCP reports room only
// after it was short.
func (c *Conn) forgetFull(waited bool) {
	if !waited || c.isTCP() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// If epoll refuses, the reports go on, which is harmless.
	_ = c.change(c.events.Load() &^ unix.EPOLLOUT)
}

// A cursor is what is left of the buffers of Writev. Its first buffer begins at from.
type cursor struct {
	bufs [][]byte
	from int
}

// advance steps over n bytes and over buffers that are used up.
func (r *cursor) advance(n int) {
	r.from += n
	for len(r.bufs) > 0 && r.from >= len(r.bufs[0]) {
		r.from -= len(r.bufs[0])
		r.bufs = r.bufs[1:]
	}
}

// smallWrite is what is copied together: up to here that costs less than the kernel takes to gather buffers.
const smallWrite = 2 << 10

func (r *cursor) send(fd int) (int, syscall.Errno) {
	if len(r.bufs) == 1 {
		return sysSend(fd, r.bufs[0][r.from:])
	}
	if r.size(smallWrite) <= smallWrite {
		return r.sendTogether(fd)
	}
	return r.gather(fd)
}

// size is the number of bytes left, or one that is above enough.
func (r *cursor) size(enough int) int {
	n := -r.from
	for _, buf := range r.bufs {
		if n += len(buf); n > enough {
			break
		}
	}
	return n
}

func (r *cursor) sendTogether(fd int) (int, syscall.Errno) {
	var small [smallWrite]byte
	n, from := 0, r.from
	for _, buf := range r.bufs {
		n += copy(small[n:], buf[from:])
		from = 0
	}
	return sysSend(fd, small[:n])
}

func (r *cursor) gather(fd int) (int, syscall.Errno) {
	var iovs [vectors]unix.Iovec
	k, from := 0, r.from
	for _, buf := range r.bufs {
		if k == vectors {
			break
		}
		if buf = buf[from:]; len(buf) > 0 {
			iovs[k].Base = &buf[0]
			iovs[k].SetLen(len(buf))
			k++
		}
		from = 0
	}
	var msg unix.Msghdr
	msg.Iov = &iovs[0]
	msg.SetIovlen(k)
	return sysSendv(fd, &msg)
}
