package accesslog

import (
	"os"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"go.uber.org/zap"

	"paddock/internal/logfile"
)

const (
	// flushSize is how many bytes are worth a write before the time is up.
	flushSize = 64 << 10
	// maxSpare is the largest buffer that is kept for reuse.
	maxSpare = 4 * flushSize
	// maxTurns bounds the files that wait to be taken over while a disk hangs, each of which
	// is a descriptor.
	maxTurns = 4
	// reportEvery is nginx's bound on messages about a log that cannot be written.
	reportEvery = time.Minute
)

// writer is a bounded buffer of lines and the goroutine that writes it out, which
// ends with close. Callers touch only what mu guards; the rest is the goroutine's.
type writer struct {
	flush  time.Duration
	size   int // bytes that are worth a write before the time is up
	bound  int
	prompt bool // write each line at once: a person is watching
	keep   bool // do not close the file: it is not ours
	logger *zap.Logger

	timer *time.Timer   // runs while lines wait
	wake  chan struct{} // a buffer is full, or a file is to be taken over
	quit  chan struct{}
	done  chan struct{}

	mu      sync.Mutex
	buf     []byte    // lines since the last switch
	inBuf   uint64    // how many
	queue   []segment // lines before it
	waiting int       // bytes accepted and not yet written
	lines   uint64
	dropped uint64
	closed  bool
	spare   []byte

	out       *logfile.Descriptor
	packer    *gzip.Writer // nil: text
	rest      []segment    // taken and not yet written to out
	refused   error        // of the last write
	announced bool         // that it refuses is in the daemon's log
	reported  time.Time
}

// segment is a piece of the log, and the file that what comes after it goes to.
type segment struct {
	data   []byte
	at     int      // bytes of data that are written
	lines  uint64   // in data
	packed bool     // data is one gzip member
	next   *os.File // nil: the same file
}

func newWriter(f *os.File, o Options) *writer {
	w := makeWriter(f, o)
	w.prompt = w.out.Pipe() && o.Gzip == 0 // its reader follows the requests as they come
	go w.run()
	return w
}

// newTee is a writer for a terminal: it writes at once, and leaves it open.
func newTee(f *os.File, o Options) *writer {
	w := makeWriter(f, Options{Flush: o.Flush, Size: o.Size, Buffer: o.Buffer, Logger: zap.NewNop()})
	w.prompt, w.keep = true, true
	go w.run()
	return w
}

func makeWriter(f *os.File, o Options) *writer {
	timer := time.NewTimer(o.Flush)
	timer.Stop()
	w := &writer{
		flush:  o.Flush,
		size:   o.Size,
		bound:  o.Buffer,
		logger: o.Logger,
		timer:  timer,
		wake:   make(chan struct{}, 1),
		quit:   make(chan struct{}),
		done:   make(chan struct{}),
		out:    logfile.NewDescriptor(f),
	}
	if o.Gzip > 0 {
		w.packer, _ = gzip.NewWriterLevel(nil, o.Gzip) // 1 to 9, checked with the configuration
	}
	return w
}

// append accepts a whole line or drops it.
func (w *writer) append(line []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.waiting+len(line) > w.bound {
		w.dropped++
		return
	}
	if len(w.buf) == 0 && !w.prompt {
		w.timer.Reset(w.flush)
	}
	w.buf = append(w.buf, line...)
	w.inBuf++
	w.waiting += len(line)
	w.lines++
	// Lines that wait for the disk are not worth a wake-up each: the timer runs.
	if w.prompt || len(w.buf) >= w.size && len(w.buf)-len(line) < w.size {
		w.wakeUp()
	}
}

func (w *writer) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *writer) reopen(f *os.File) {
	left, closed := w.turn(f)
	if left == nil {
		return
	}
	left.Close() // nothing was written to it
	if !closed {
		w.logger.Warn("access log is opened again and again while it cannot be written; lines of the file before go to the new one")
	}
}

// turn has the lines to come go to f. left is a file that is not wanted: f, when the log is
// closed, else the last one of too many; its lines go to f.
func (w *writer) turn(f *os.File) (left *os.File, closed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return f, true
	}
	if len(w.queue) == maxTurns {
		last := &w.queue[maxTurns-1].next
		left, *last = *last, f
		return left, false
	}
	w.queue = append(w.queue, segment{data: w.buf, lines: w.inBuf, next: f})
	w.buf, w.inBuf = nil, 0
	w.wakeUp()
	return nil, false
}

func (w *writer) stats() (lines, dropped uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines, w.dropped
}

func (w *writer) close() error {
	w.mu.Lock()
	closed := w.closed
	w.closed = true
	w.mu.Unlock()
	if !closed {
		close(w.quit)
	}
	<-w.done
	return w.refused
}

func (w *writer) write(line []byte, _ *Entry) { w.append(line) }
