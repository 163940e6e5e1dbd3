// Package inotify tells of files that have been replaced, created or written to their end, by
// their folders.
//
// It does not ask for single writes, as fsnotify always does: in a folder that also holds a log,
// those are one event for each of its lines, and a wake of this process.
package inotify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Lost is told instead of a path when the kernel had to drop changes: any file may have changed.
const Lost = ""

// asked are the changes told: see inotify(7).
const asked = unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_CREATE | unix.IN_ATTRIB | unix.IN_ONLYDIR

// A Watcher tells of changes in folders.
type Watcher struct {
	Changes <-chan string // the path, or Lost; closed with the Watcher
	changes chan string
	stop    chan struct{}
	done    chan struct{} // closed behind Changes
	err     error         // why it ended; for who has seen that it did
	file    *os.File      // in the runtime's poller
	fd      int           // of file, which Fd would make blocking

	mu      sync.Mutex // guards what follows
	closed  bool
	folders map[int32][]string // by watch descriptor: a folder may have several paths
}

// Open fails when the user has no more instances (fs.inotify.max_user_instances) or descriptors.
func Open() (*Watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	changes := make(chan string)
	w := &Watcher{
		Changes: changes, changes: changes, stop: make(chan struct{}), done: make(chan struct{}),
		file: os.NewFile(uintptr(fd), "inotify"), fd: fd, folders: map[int32][]string{},
	}
	go w.run()
	return w, nil
}

// Close ends Changes and waits for that. Closing twice does nothing.
func (w *Watcher) Close() {
	w.mu.Lock()
	first := !w.closed
	w.closed = true
	w.mu.Unlock()
	if first {
		close(w.stop)
		_ = w.file.Close() // nothing to lose
	}
	<-w.done
}

// Err is why Changes has ended: nil after Close.
func (w *Watcher) Err() error {
	<-w.done
	return w.err
}

// Watch follows these folders and no others from now on. It returns those that cannot be followed.
func (w *Watcher) Watch(folders map[string]bool) map[string]error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	old, failed := w.folders, map[string]error{}
	w.folders = map[int32][]string{}
	for folder := range folders {
		watch, err := unix.InotifyAddWatch(w.fd, folder, asked)
		if err != nil {
			failed[folder] = os.NewSyscallError("inotify_add_watch", err)
			continue
		}
		w.folders[int32(watch)] = append(w.folders[int32(watch)], folder) // the same number as before, if it was watched
	}
	for watch := range old {
		if w.folders[watch] == nil {
			_, _ = unix.InotifyRmWatch(w.fd, uint32(watch)) // one that was deleted is not watched any more
		}
	}
	return failed
}

func (w *Watcher) run() {
	defer close(w.done)
	defer close(w.changes)
	buf := make([]byte, 64*(unix.SizeofInotifyEvent+unix.NAME_MAX+1))
	for {
		n, err := w.file.Read(buf)
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			w.err = err
			return
		}
		for rest := buf[:n]; len(rest) > 0; {
			var paths []string
			if paths, rest, err = w.next(rest); err != nil {
				paths, rest = []string{Lost}, nil
			}
			if !w.tell(paths) {
				return
			}
		}
	}
}

// tell reports whether there was somebody to be told.
func (w *Watcher) tell(paths []string) bool {
	for _, path := range paths {
		select {
		case w.changes <- path:
		case <-w.stop:
			return false
		}
	}
	return true
}

// next takes one event from what was read, and returns the paths of what has changed.
func (w *Watcher) next(buf []byte) (paths []string, rest []byte, err error) {
	if len(buf) < unix.SizeofInotifyEvent {
		return nil, nil, fmt.Errorf("inotify event of %d bytes", len(buf))
	}
	watch, mask := int32(binary.NativeEndian.Uint32(buf)), binary.NativeEndian.Uint32(buf[4:])
	length := binary.NativeEndian.Uint32(buf[12:])
	buf = buf[unix.SizeofInotifyEvent:]
	if uint64(length) > uint64(len(buf)) {
		return nil, nil, fmt.Errorf("inotify name of %d bytes in %d", length, len(buf))
	}
	name, rest := strings.TrimRight(string(buf[:length]), "\x00"), buf[length:]
	if mask&unix.IN_Q_OVERFLOW != 0 {
		return []string{Lost}, rest, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if mask&unix.IN_IGNORED != 0 {
		delete(w.folders, watch) // the folder is gone
		return nil, rest, nil
	}
	for _, folder := range w.folders[watch] {
		paths = append(paths, filepath.Join(folder, name))
	}
	return paths, rest, nil
}
