package link

import (
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Take keeps the files that [Conn.Serve] handed to its handler: they are the
// caller's from here on.
func Take(files []*os.File) []*os.File {
	taken := slices.Clone(files)
	clear(files)
	return taken
}

// TakeFD turns a file into a bare descriptor, close-on-exec, that the Go runtime's
// poller does not know; the file is closed. The descriptor's blocking mode, which it
// shares with the process that sent it, is not touched, as File.Fd might.
func TakeFD(f *os.File) (int, error) {
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("link: descriptor: %w", err)
	}
	fd, dupErr := -1, error(nil)
	err = raw.Control(func(old uintptr) {
		fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = dupErr
	}
	if err != nil {
		return -1, fmt.Errorf("link: descriptor: %w", err)
	}
	return fd, nil
}

// CloseAll closes every file that is not nil.
func CloseAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}
