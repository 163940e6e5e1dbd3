package netpoll

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxSendFile is the most that one sendfile(2) moves, so that one connection does not hold its thread for long (nginx:
// sendfile_max_chunk).
const maxSendFile = 2 << 20

// SendFile sends some of n bytes of the file fd from offset on, at least one, and waits while the socket is full. It returns
// how many the kernel has taken; io.ErrUnexpectedEOF when the file ends before offset; the errors of Write; EINVAL or ENOSYS
// when the file can not be sent this way. The position of the file is neither used nor moved.
func (c *Conn) SendFile(fd int, offset, n int64) (int64, error) {
	if !c.acquire() {
		return 0, net.ErrClosed
	}
	sent, err := c.sendFile(fd, offset, min(n, maxSendFile))
	c.release()
	return sent, err
}

func (c *Conn) sendFile(fd int, offset, n int64) (int64, error) {
	waited := false
	for {
		if err := c.mayWrite(&waited, true); err != nil {
			return 0, err
		}
		// Not a raw call, as elsewhere: the file may have to be read from a disk.
		k, err := unix.Sendfile(c.fd, fd, &offset, int(n))
		errno, _ := err.(syscall.Errno)
		if err := c.written(k == int(n) || errno == 0, errno); err != nil {
			return 0, os.NewSyscallError("sendfile", errno)
		}
		switch {
		case k > 0:
			c.forgetFull(waited)
			return int64(k), nil
		case errno == 0:
			return 0, io.ErrUnexpectedEOF
		}
	}
}
