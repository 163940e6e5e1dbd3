package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"paddock/internal/value"
)

func openUnix(l value.Listen) (*listener, error) {
	if err := clearPath(l.Unix); err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: l.Unix}); err != nil {
		_ = unix.Close(fd)
		return nil, explainPath(l.Unix, err)
	}
	out, err := holdSocket(fd, listener{name: l.Key(), backlog: l.Backlog, path: l.Unix, inode: identify(l.Unix)})
	if err != nil {
		return nil, err
	}
	if err = os.Chmod(l.Unix, unixListenerMode); err == nil {
		err = unix.Listen(fd, l.Backlog)
	}
	if err != nil {
		out.close()
		return nil, err
	}
	return out, nil
}

// clearPath removes a socket that nobody answers on, left by a process that was
// killed. Anything else in the way is an error.
func clearPath(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("the file exists and is no socket; remove it, or choose another path")
	}
	conn, err := net.DialTimeout("unix", path, probeTimeout)
	switch {
	case err == nil:
		defer conn.Close()
		return fmt.Errorf("%w; stop it, or choose another path", &addressInUse{socketHolder(conn)})
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
	}
	return fmt.Errorf("the socket exists; whether somebody answers there cannot be told: %w", err)
}

func explainPath(path string, err error) error {
	switch {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENAMETOOLONG):
		return fmt.Errorf("the path has %d bytes; expected at most 107", len(path))
	case errors.Is(err, unix.ENOENT):
		return errors.New("the folder of the socket does not exist")
	}
	return err
}

// socketHolder says who listens at the other end.
func socketHolder(conn net.Conn) holder {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return holder{}
	}
	var cred *unix.Ucred
	_ = raw.Control(func(fd uintptr) { cred, _ = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if cred == nil {
		return holder{}
	}
	return holder{pid: int(cred.Pid), command: commandOf(int(cred.Pid))}
}

func identify(path string) fileID {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil {
		return fileID{}
	}
	return fileID{Dev: uint64(st.Dev), Ino: st.Ino}
}
