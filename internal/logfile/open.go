package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// DefaultMode is the mode of a new log: the owner writes, the group reads.
const DefaultMode fs.FileMode = 0o640

// Options say how a log file is made and when it is rotated.
type Options struct {
	Maxbytes int64       // size in bytes that a write must reach for a rotation; 0 never rotates (Supervisor: stdout_logfile_maxbytes)
	Backups  int         // old files kept, name.1 the newest; 0 empties the file instead (Supervisor: stdout_logfile_backups)
	Mode     fs.FileMode // of a new file; 0 is DefaultMode
	UID, GID int         // owner of a new file when we are root; 0, 0 leaves it root's
}

// Standard returns the descriptor that the names "stdout", "stderr",
// "/dev/stdout" and "/dev/stderr" mean: the inherited one, which is not opened
// anew. Opening it would fail for a socket and for another user's pipe.
func Standard(name string) (fd int, ok bool) {
	switch name {
	case "stdout", "/dev/stdout", "/proc/self/fd/1":
		return unix.Stdout, true
	case "stderr", "/dev/stderr", "/proc/self/fd/2":
		return unix.Stderr, true
	}
	return 0, false
}

// OpenFile opens a log for appending and makes it where there is none. For a
// standard name it returns a duplicate of the inherited descriptor, so that the
// caller may close what it got. A FIFO is opened whether or not it has a reader.
//
// A symbolic link is followed only when it belongs to root or to us and lies in a
// folder that nobody else may write: otherwise the user of an app could make root
// append to any file (CVE-2016-1247).
func OpenFile(path string, opts Options) (*os.File, error) {
	f, _, err := open(path, opts)
	return f, err
}

// open also returns the path with a last symbolic link resolved, so that a
// rotation renames the file and not the link; "" for a standard descriptor.
func open(path string, opts Options) (*os.File, string, error) {
	if fd, ok := Standard(path); ok {
		f, err := duplicate(fd, path)
		return f, "", err
	}
	f, err := openNoFollow(path, opts)
	if !errors.Is(err, unix.ELOOP) {
		return f, path, err
	}
	target, err := trustedLink(path)
	if err != nil {
		return nil, "", err
	}
	if fd, ok := Standard(target); ok {
		f, err := duplicate(fd, path)
		return f, "", err
	}
	f, err = openNoFollow(target, opts)
	return f, target, err
}

func duplicate(fd int, name string) (*os.File, error) {
	d, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", name, err)
	}
	return os.NewFile(uintptr(d), name), nil
}

// openNoFollow opens a path that is no symbolic link. O_NONBLOCK is for a FIFO,
// whose open would wait for a reader.
func openNoFollow(path string, opts Options) (*os.File, error) {
	const flags = unix.O_APPEND | unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK
	mode := opts.Mode
	if mode == 0 {
		mode = DefaultMode
	}
	fd, made, err := openOrCreate(path, flags, uint32(mode.Perm()))
	if errors.Is(err, unix.ENXIO) { // a FIFO without a reader
		fd, err = retry(func() (int, error) { return unix.Open(path, unix.O_RDWR|flags, 0) })
	}
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", path, err)
	}
	if made && os.Geteuid() == 0 && (opts.UID != 0 || opts.GID != 0) {
		if err := unix.Fchown(fd, opts.UID, opts.GID); err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("set the owner of log %s: %w", path, err)
		}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// openOrCreate says whether it made the file. Only a new one gets our mode and
// owner: an old one keeps those that its admin gave it.
func openOrCreate(path string, flags int, mode uint32) (fd int, made bool, err error) {
	for range 3 { // the file may come and go between the two calls
		fd, err = retry(func() (int, error) { return unix.Open(path, unix.O_WRONLY|flags, 0) })
		if !errors.Is(err, unix.ENOENT) {
			return fd, false, err
		}
		fd, err = retry(func() (int, error) {
			return unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|flags, mode)
		})
		if !errors.Is(err, unix.EEXIST) {
			return fd, err == nil, err
		}
	}
	return fd, false, err
}

func retry(call func() (int, error)) (int, error) {
	for {
		fd, err := call()
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// trustedLink returns the target of a symbolic link that nobody but root and we
// can have made.
func trustedLink(path string) (string, error) {
	for _, name := range []string{path, filepath.Dir(path)} {
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return "", fmt.Errorf("open log %s: %w", path, err)
		}
		if owner := int(st.Uid); owner != 0 && owner != os.Geteuid() {
			return "", fmt.Errorf("open log %s: it is a symbolic link, and %s belongs to user %d; expected a file, or a link that only root or user %d can change", path, name, owner, os.Geteuid())
		}
		if st.Mode&unix.S_IFMT == unix.S_IFDIR && st.Mode&0o022 != 0 && st.Mode&unix.S_ISVTX == 0 {
			return "", fmt.Errorf("open log %s: it is a symbolic link, and others may write in %s; expected a file, or a link that only root or user %d can change", path, name, os.Geteuid())
		}
	}
	if target, err := os.Readlink(path); err == nil {
		if _, ok := Standard(target); ok {
			return target, nil
		}
	}
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return danglingTarget(path)
	}
	if err != nil {
		return "", fmt.Errorf("open log %s: %w", path, err)
	}
	return target, nil
}

// danglingTarget resolves a link to a file that does not exist yet.
func danglingTarget(path string) (string, error) {
	target, err := os.Readlink(path)
	if err != nil {
		return "", fmt.Errorf("open log %s: %w", path, err)
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(path), target)
	}
	return target, nil
}
