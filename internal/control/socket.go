package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// socketMode lets only the keeper's user (and root) connect.
	socketMode fs.FileMode = 0o600
	// maxSocketPath is what fits into sockaddr_un beside the NUL at its end.
	maxSocketPath = 107
	// dialTimeout bounds the question whether somebody answers on the socket.
	dialTimeout = 5 * time.Second
)

// InUse is the error of a socket that another process answers on.
type InUse struct {
	Socket string
	Pid    int // 0 when not known
}

// Error says who answers and what to do.
func (e *InUse) Error() string {
	return fmt.Sprintf("paddock is already running: pid %d answers on %s; stop it first, or give this one a run_dir and state_dir of its own", e.Pid, e.Socket)
}

// bind makes the listening socket: in a folder that nobody else can enter, given
// its final mode there, and renamed into place, so that at no moment it is open to
// more users than it should be. A socket that nobody answers on is replaced.
func bind(path string) (*net.UnixListener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("%s: the path has %d bytes; expected at most %d (choose a shorter run_dir)", path, len(path), maxSocketPath)
	}
	if err := checkFree(path); err != nil {
		return nil, err
	}
	private := filepath.Join(filepath.Dir(path), ".control")
	if err := os.RemoveAll(private); err != nil { // left by one that died right here
		return nil, err
	}
	if err := os.Mkdir(private, 0o700); err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	return bindIn(private, path)
}

func bindIn(private, path string) (*net.UnixListener, error) {
	dir, err := os.Open(private)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	// The folder's name may be too long for a socket address; its descriptor's is not.
	short := fmt.Sprintf("/proc/self/fd/%d/s", dir.Fd())
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // by then the name is another
	made := filepath.Join(private, "s")
	if err = os.Chmod(made, socketMode); err == nil {
		err = os.Rename(made, path)
	}
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	return listener, nil
}

// checkFree fails when the path is taken by something that must not be replaced.
func checkFree(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is no socket; remove it, or choose another run_dir", path)
	}
	conn, err := net.DialTimeout("unix", path, dialTimeout)
	if err == nil {
		defer conn.Close()
		cred, _ := peer(conn.(*net.UnixConn))
		return &InUse{Socket: path, Pid: int(cred.Pid)}
	}
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("%s exists; whether somebody answers there cannot be told: %w", path, err)
}

// peer returns who is at the other end; for a listening other end, who called listen.
func peer(conn *net.UnixConn) (unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return unix.Ucred{}, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err == nil {
		err = credErr
	}
	if err != nil {
		return unix.Ucred{}, fmt.Errorf("SO_PEERCRED: %w", err)
	}
	return *cred, nil
}

// inode identifies the file at path; the zero value is no file.
func inode(path string) (id [2]uint64) {
	var st unix.Stat_t
	if unix.Lstat(path, &st) == nil {
		id = [2]uint64{uint64(st.Dev), st.Ino}
	}
	return id
}
