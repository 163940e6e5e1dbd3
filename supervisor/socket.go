package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	// appSocketMode: only the keeper's user and the proxy's group may connect.
	appSocketMode = 0o660
	// appBacklog is cut by the kernel to net.core.somaxconn. gunicorn calls
	// listen again with 2048 of its own.
	appBacklog = 4096
	// maxSocketPath is what sun_path holds besides the NUL.
	maxSocketPath = 107
)

// SocketName is the name of a generation's socket in the folder of app sockets.
func SocketName(app string, generation int) string {
	return fmt.Sprintf("%s.%d.sock", app, generation)
}

// listenUnix makes a listening socket at path and takes the place of a file left
// there: the folder is the keeper's alone. group may connect; -1 leaves it ours.
// The descriptor is a raw one, never in our poller: nothing here accepts on it.
func listenUnix(path string, group int) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make socket %s: %w", path, err)
	}
	if err := bindUnix(fd, path, group); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

func bindUnix(fd int, path string, group int) error {
	if err := unix.Unlink(path); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	short, done, err := shortPath(path)
	if err != nil {
		return err
	}
	defer done()
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: short}); err != nil {
		return err
	}
	if err := unix.Chmod(path, appSocketMode); err != nil {
		return err
	}
	if group >= 0 {
		if err := unix.Lchown(path, -1, group); err != nil {
			return err
		}
	}
	return unix.Listen(fd, appBacklog)
}

// shortPath names a path that is too long for a socket address by a descriptor of
// its folder.
func shortPath(path string) (short string, done func(), err error) {
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), func() { dir.Close() }, nil
}
