package proxy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// spool makes temporary files that have no name, and bounds the sum of their sizes.
type spool struct {
	dirFD int // 0: none was given, and dir is used
	dir   atomic.Pointer[string]
	limit atomic.Int64
	used  atomic.Int64

	logger     *zap.Logger
	complained atomic.Int64 // when, in nanoseconds of Unix time
}

const spoolMode = 0o600

var errSpoolFull = errors.New("temporary files have reached their bound")

func (s *spool) open() (*os.File, error) {
	dirFD, path := s.dirFD, "."
	if dirFD <= 0 {
		dir := s.dir.Load()
		if dir == nil || *dir == "" {
			return nil, errors.New("no folder for temporary files")
		}
		dirFD, path = unix.AT_FDCWD, *dir
	}
	fd, err := unix.Openat(dirFD, path, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, spoolMode)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) {
		return s.openNamed(dirFD, path)
	}
	if err != nil {
		return nil, fmt.Errorf("open a temporary file: %w", err)
	}
	return os.NewFile(uintptr(fd), "body"), nil
}

// openNamed is for file systems without O_TMPFILE (overlayfs before Linux 6.3).
func (s *spool) openNamed(dirFD int, path string) (*os.File, error) {
	name := filepath.Join(path, fmt.Sprintf("body-%d-%d", os.Getpid(), spoolSerial.Add(1)))
	fd, err := unix.Openat(dirFD, name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, spoolMode)
	if err != nil {
		return nil, fmt.Errorf("open a temporary file: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := unix.Unlinkat(dirFD, name, 0); err != nil {
		f.Close()
		return nil, fmt.Errorf("unlink a temporary file: %w", err)
	}
	return f, nil
}

var spoolSerial atomic.Int64

// write appends data, within the bound of all files together.
func (s *spool) write(f *os.File, data []byte) error {
	if s.used.Add(int64(len(data))) > s.limit.Load() {
		s.used.Add(-int64(len(data)))
		return errSpoolFull
	}
	n, err := f.Write(data)
	s.used.Add(int64(n - len(data)))
	if err != nil {
		return fmt.Errorf("write a temporary file: %w", err)
	}
	return nil
}

// writeAt writes data into a file of that size, within the bound of all files together.
// When it fails the file is as long as before.
func (s *spool) writeAt(f *os.File, data []byte, at, size int64) error {
	more := max(at+int64(len(data))-size, 0)
	if s.used.Add(more) > s.limit.Load() {
		s.used.Add(-more)
		return errSpoolFull
	}
	if _, err := f.WriteAt(data, at); err != nil {
		s.used.Add(-more)
		if shrink := f.Truncate(size); shrink != nil {
			err = errors.Join(err, shrink)
		}
		return fmt.Errorf("write a temporary file: %w", err)
	}
	return nil
}

// complainEvery bounds how often the log hears of a disk that is full.
const complainEvery = time.Minute

// complain tells the log, once a minute at most.
func (s *spool) complain(text string, why error) {
	now := time.Now().UnixNano()
	last := s.complained.Load()
	if last != 0 && now-last < int64(complainEvery) || !s.complained.CompareAndSwap(last, now) {
		return
	}
	s.logger.Warn(text, zap.Error(why))
}

func (s *spool) close(f *os.File) {
	if size, err := f.Seek(0, 2); err == nil {
		s.used.Add(-size)
	}
	f.Close()
}
