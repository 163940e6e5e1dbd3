package logfile

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// ErrStalled is returned when a pipe, terminal or socket takes no more bytes.
var ErrStalled = errors.New("nobody reads it")

const (
	// stallTimeout is how long a write waits, in milliseconds, for a reader that
	// is only slow.
	stallTimeout = 100
	// atomicWrite is what a pipe takes in one piece when poll says that it is
	// writable (PIPE_BUF), so that no write can block.
	atomicWrite = 4096
)

// Descriptor writes to an open log. On a regular file a write is a write; on
// anything else it waits no longer than a tenth of a second for a reader. It
// never changes the file to non-blocking: that would change it for every process
// that shares a terminal or a pipe. Not for concurrent use.
type Descriptor struct {
	file    *os.File
	info    fs.FileInfo // nil when it could not be had
	stalled bool
}

// NewDescriptor takes over an open file.
func NewDescriptor(f *os.File) *Descriptor {
	info, err := f.Stat()
	if err != nil {
		info = nil
	}
	return &Descriptor{file: f, info: info}
}

// Regular reports whether it is a regular file.
func (d *Descriptor) Regular() bool { return d.info != nil && d.info.Mode().IsRegular() }

// Pipe reports whether it is a pipe or a FIFO.
func (d *Descriptor) Pipe() bool { return d.info != nil && d.info.Mode()&fs.ModeNamedPipe != 0 }

// Write writes p. When it returns an error, n bytes have been written all the
// same. A reader that stalls is ErrStalled; it is waited for once, and then not
// again before it has read something.
func (d *Descriptor) Write(p []byte) (n int, err error) {
	if d.Regular() {
		return d.file.Write(p)
	}
	for n < len(p) {
		if err := d.waitWritable(); err != nil {
			return n, err
		}
		m, err := d.file.Write(p[n:min(n+atomicWrite, len(p))])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Close closes the file.
func (d *Descriptor) Close() error { return d.file.Close() }

func (d *Descriptor) waitWritable() error {
	timeout := stallTimeout
	if d.stalled {
		timeout = 0
	}
	ready, err := poll(d.file, timeout)
	if err != nil {
		return err
	}
	d.stalled = !ready
	if !ready {
		return ErrStalled
	}
	return nil
}

// poll waits until a write would not block. A broken pipe counts as ready: the
// write says what is wrong.
func poll(f *os.File, timeout int) (ready bool, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var n int
	var pollErr error
	err = raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, pollErr = unix.Poll(fds, timeout)
		for errors.Is(pollErr, unix.EINTR) {
			n, pollErr = unix.Poll(fds, timeout)
		}
	})
	return n > 0, errors.Join(err, pollErr)
}
