package netpoll

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Peek waits until more than known bytes are there to be read, and copies the first of them, at most len(p), without
// taking them. known is what an earlier Peek returned, 0 at first, and below len(p). When the stream ends before, it
// returns known and io.EOF; its other errors are those of Read.
func (c *Conn) Peek(p []byte, known int) (int, error) {
	if !c.acquire() {
		return known, net.ErrClosed
	}
	defer c.release()
	for {
		if err := c.failure(&c.read); err != nil {
			return known, err
		}
		if !c.read.take() {
			if err := c.wait(&c.read, unix.EPOLLIN); err != nil {
				return known, err
			}
			continue
		}
		n, errno := sysPeekAll(c.fd, p)
		if n > known {
			c.read.restore() // they are still to be read
			return n, nil
		}
		if err := c.peekedNothing(n, errno); err != nil {
			return known, err
		}
	}
}

// peekedNothing judges a look that found no more than before. Then only a new event says that there is more; the end shows
// behind bytes that nobody took as a hang-up alone.
func (c *Conn) peekedNothing(n int, errno syscall.Errno) error {
	switch {
	case errno == syscall.EINTR:
		c.read.restore()
	case errno != 0 && errno != syscall.EAGAIN:
		c.read.restore()
		return os.NewSyscallError("recv", errno)
	case errno == 0 && n == 0, c.flags.Load()&flagHangup != 0:
		c.read.restore()
		return io.EOF
	}
	return nil
}

func sysPeekAll(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
	return count(n, errno), errno
}
