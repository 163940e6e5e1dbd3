package supervisor

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"paddock/internal/logfile"
)

const (
	// sinkQueue bounds the bytes between the readers of the pipes and the disk.
	// As much again may be on its way to the file.
	sinkQueue = 512 << 10
	// sinkPiece is written at once, so that a rotation by size comes in time.
	sinkPiece = 64 << 10
	// sinkRetry is the time between two tries to open a log that cannot be opened.
	sinkRetry = time.Second
	// sinkClose bounds the time that Close waits for a disk that does not answer.
	sinkClose  = 2 * time.Second
	logDirMode = 0o755
)

// Sink takes the output of processes to a log file without ever making them wait:
// what the disk is too slow for, or refuses, is dropped and counted.
type Sink struct {
	path string
	opts logfile.Options
	wake chan struct{} // holds one token when there is work
	quit chan struct{}
	done chan struct{}

	dropped atomic.Uint64 // bytes that did not fit into the queue, or had no file

	mu    sync.Mutex
	queue []byte
	again bool // the file is to be opened again
	fresh bool // with other options
	err   error
	file  *logfile.File
}

// NewSink returns a sink that appends to the file at path and makes it, and its
// folder, when there is something to write. A file that cannot be opened is tried
// again each second; Err tells why. Sizes are bytes; opts as in logfile.
func NewSink(path string, opts logfile.Options) *Sink {
	s := &Sink{
		path: path, opts: opts,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	go s.run()
	return s
}

// Write queues a copy of p. It never waits and never fails: what does not fit is
// dropped as a whole and counted.
func (s *Sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	if len(s.queue)+len(p) > sinkQueue {
		s.mu.Unlock()
		s.dropped.Add(uint64(len(p)))
		return len(p), nil
	}
	s.queue = append(s.queue, p...)
	s.mu.Unlock()
	s.poke()
	return len(p), nil
}

// Reopen opens the file anew, as after a rename by logrotate. What was written
// before goes to the old file.
func (s *Sink) Reopen() {
	s.mu.Lock()
	s.again = true
	s.mu.Unlock()
	s.poke()
}

// setOptions has the file opened anew with other options, if they are others.
func (s *Sink) setOptions(opts logfile.Options) {
	s.mu.Lock()
	if opts != s.opts {
		s.opts, s.again, s.fresh = opts, true, true
	}
	s.mu.Unlock()
	s.poke()
}

// Dropped returns the number of bytes that were not written.
func (s *Sink) Dropped() uint64 {
	s.mu.Lock()
	file := s.file
	s.mu.Unlock()
	if file == nil {
		return s.dropped.Load()
	}
	return s.dropped.Load() + file.Dropped()
}

// Err returns what is wrong with the file now, nil when it takes what it gets.
func (s *Sink) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close writes what is queued and closes the file. It waits for that, but not for
// a disk that does not answer.
func (s *Sink) Close() {
	close(s.quit)
	select {
	case <-s.done:
	case <-time.After(sinkClose):
	}
}

func (s *Sink) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run owns the writing of the file.
func (s *Sink) run() {
	defer close(s.done)
	var spare []byte
	var failed time.Time
	for {
		s.mu.Lock()
		batch, again := s.queue, s.again
		s.queue, s.again = spare[:0], false
		s.mu.Unlock()
		if len(batch) > 0 {
			s.open(&failed)
			s.write(batch)
		}
		if again && s.file != nil {
			s.reopen()
		}
		spare = batch
		select {
		case <-s.wake:
		case <-s.quit:
			if s.idle() {
				if s.file != nil {
					s.file.Close()
				}
				return
			}
		}
	}
}

// idle reports whether everything that was queued is with the file.
func (s *Sink) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue) == 0
}

// open makes sure that there is a file, or notes why not.
func (s *Sink) open(failed *time.Time) {
	if s.file != nil || !failed.IsZero() && time.Since(*failed) < sinkRetry {
		return
	}
	if _, standard := logfile.Standard(s.path); !standard {
		os.MkdirAll(filepath.Dir(s.path), logDirMode) // Open tells what is wrong
	}
	s.mu.Lock()
	opts := s.opts
	s.mu.Unlock()
	file, err := logfile.Open(s.path, opts)
	s.note(err)
	if err != nil {
		*failed = time.Now()
		return
	}
	s.mu.Lock()
	s.file = file
	s.mu.Unlock()
}

// reopen goes on in a new file; with other options at the next write.
func (s *Sink) reopen() {
	s.mu.Lock()
	fresh, file := s.fresh, s.file
	s.fresh = false
	if fresh {
		s.file = nil
	}
	s.mu.Unlock()
	if !fresh {
		s.note(file.Reopen())
		return
	}
	s.dropped.Add(file.Dropped())
	s.note(file.Close())
}

// write writes in pieces that end in whole lines where there are any.
func (s *Sink) write(batch []byte) {
	if s.file == nil {
		s.dropped.Add(uint64(len(batch)))
		return
	}
	for len(batch) > 0 {
		n := min(len(batch), sinkPiece)
		if i := bytes.LastIndexByte(batch[:n], '\n'); i >= 0 && n < len(batch) {
			n = i + 1
		}
		_, err := s.file.Write(batch[:n])
		s.note(err)
		batch = batch[n:]
	}
}

func (s *Sink) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}
