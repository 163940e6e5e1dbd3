package proxy

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// folder is a root or an alias: a folder that its files can not lead out of, or,
// for an alias alone, one file. It is opened when it is first used, as the proxy's
// user.
type folder struct {
	path string
	open atomic.Pointer[openFolder]
}

type openFolder struct {
	root    *os.Root // nil: the path is a file
	info    os.FileInfo
	checked time.Time
}

// folderCheck is how long a folder is trusted to be the one that its path leads
// to: a deploy may point a symlink elsewhere.
const folderCheck = time.Second

// get returns the folder that the path leads to now. One that is not used any
// more is closed when the last request has let go of it: os.Root has a finalizer.
func (f *folder) get() (*openFolder, error) {
	now := time.Now()
	old := f.open.Load()
	if old != nil && now.Sub(old.checked) < folderCheck {
		return old, nil
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, &folderError{err}
	}
	next := &openFolder{info: info, checked: now}
	switch {
	case old != nil && os.SameFile(old.info, info):
		next.root = old.root
	case info.IsDir():
		if next.root, err = os.OpenRoot(f.path); err != nil {
			return nil, &folderError{err}
		}
	}
	f.open.Store(next)
	return next, nil
}

// folderError says that it is the folder itself that can not be opened, which is
// worth a line in the log where a missing file is not.
type folderError struct{ err error }

func (e *folderError) Error() string { return "open the folder: " + e.err.Error() }
func (e *folderError) Unwrap() error { return e.err }

// openFlags never wait: opening a FIFO would, until somebody writes to it.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK

// file opens a file by its name inside the folder.
func (f *folder) file(name string) (*os.File, os.FileInfo, error) {
	at, err := f.get()
	if err != nil {
		return nil, nil, err
	}
	file, err := at.openFile(f.path, name)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

func (at *openFolder) openFile(path, name string) (*os.File, error) {
	if at.root != nil {
		return at.root.OpenFile(name, openFlags, 0)
	}
	if name != "." {
		return nil, syscall.ENOTDIR
	}
	return os.OpenFile(path, openFlags, 0)
}

// stat tells what a name inside the folder is, without opening it.
func (f *folder) stat(name string) (os.FileInfo, error) {
	at, err := f.get()
	if err != nil {
		return nil, err
	}
	if at.root != nil {
		return at.root.Stat(name)
	}
	if name != "." {
		return nil, syscall.ENOTDIR
	}
	return at.info, nil
}

// fileRefusal is nginx's status for a file that can not be opened. An error that
// is no system call's is os.Root's about a path that leads out of the folder.
func fileRefusal(err error) *refusal {
	var errno syscall.Errno
	var folder *folderError
	switch {
	case errors.As(err, &folder) && errors.Is(err, fs.ErrNotExist):
		return &refusal{status: 404, cause: err}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG):
		return errNotFound
	case !errors.As(err, &errno), errno == syscall.EACCES, errno == syscall.EPERM, errno == syscall.ELOOP, errno == syscall.ENXIO:
		return &refusal{status: 403, cause: err}
	}
	return &refusal{status: 500, cause: err}
}

// isHidden reports whether a path has a segment that begins with a dot, other than
// .well-known (RFC 8615), or ends as editors' backups do.
func isHidden(path []byte) bool {
	start := true
	for i, c := range path {
		if start && c == '.' && !isWellKnown(path[i:]) {
			return true
		}
		start = c == '/'
	}
	for _, suffix := range [...]string{"~", ".bak", ".swp"} {
		if n := len(path) - len(suffix); n > 0 && strings.EqualFold(string(path[n:]), suffix) {
			return true
		}
	}
	return false
}

func isWellKnown(segment []byte) bool {
	const name = ".well-known"
	return len(segment) >= len(name) && string(segment[:len(name)]) == name &&
		(len(segment) == len(name) || segment[len(name)] == '/')
}
