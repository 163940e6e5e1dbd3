package logfile

import (
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// File is a log file that is appended to, rotated by size and opened again on
// request. Its methods may be called by several goroutines.
type File struct {
	path string
	opts Options

	mu      sync.Mutex
	out     *Descriptor // nil after Close
	real    string      // the path that is rotated; "" for a standard descriptor
	size    int64       // of the file as far as we know
	dropped uint64
}

// Open opens the log at path as [OpenFile] does.
func Open(path string, opts Options) (*File, error) {
	f := &File{path: path, opts: opts}
	if err := f.reopen(path); err != nil {
		return nil, err
	}
	return f, nil
}

// Write appends p exactly as it is, then rotates when the file has reached
// Maxbytes: p is never split over two files. What cannot be written is dropped
// and counted, and the error says why; the next Write tries again. A rotation
// that fails is an error with n = len(p); it is tried again Maxbytes later.
func (f *File) Write(p []byte) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.out == nil {
		f.dropped += uint64(len(p))
		return 0, fmt.Errorf("write log %s: %w", f.path, fs.ErrClosed)
	}
	n, err = f.out.Write(p)
	f.size += int64(n)
	if err != nil {
		f.dropped += uint64(len(p) - n)
		err = fmt.Errorf("write log %s: %w", f.path, err)
	}
	if f.full() {
		if rotateErr := f.rotate(); err == nil {
			err = rotateErr
		}
	}
	return n, err
}

// full asks the system for the size before it says yes, because somebody else
// may have emptied the file (logrotate's copytruncate).
func (f *File) full() bool {
	if f.opts.Maxbytes <= 0 || f.size < f.opts.Maxbytes || f.real == "" || !f.out.Regular() {
		return false
	}
	if info, err := f.out.file.Stat(); err == nil {
		f.size = info.Size()
	}
	return f.size >= f.opts.Maxbytes
}

// rotate leaves the log writable whatever happens: the old file stays open until
// the new one is.
func (f *File) rotate() error {
	f.size = 0
	if f.opts.Backups <= 0 {
		if err := f.out.file.Truncate(0); err != nil {
			return fmt.Errorf("empty log %s: %w", f.path, err)
		}
		return nil
	}
	if err := Rotate(f.real, f.opts.Backups); err != nil {
		return err
	}
	if err := f.reopen(f.real); err != nil {
		os.Rename(backup(f.real, 1), f.real) // what we write to keeps the name that people look for
		return err
	}
	return nil
}

// Reopen opens the path again and goes on there, as after a rename by logrotate.
// When it fails, writing goes on in the old file. After Close it fails.
func (f *File) Reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.out == nil {
		return fmt.Errorf("reopen log %s: %w", f.path, fs.ErrClosed)
	}
	return f.reopen(f.path)
}

func (f *File) reopen(path string) error {
	file, real, err := open(path, f.opts)
	if err != nil {
		return err
	}
	if f.out != nil {
		f.out.Close()
	}
	f.out, f.real, f.size = NewDescriptor(file), real, 0
	if f.out.Regular() {
		f.size = f.out.info.Size()
	}
	return nil
}

// Dropped returns the number of bytes that could not be written since Open.
func (f *File) Dropped() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dropped
}

// Close closes the file. What is written afterwards is dropped and counted.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.out == nil {
		return nil
	}
	err := f.out.Close()
	f.out = nil
	if err != nil {
		return fmt.Errorf("close log %s: %w", f.path, err)
	}
	return nil
}
