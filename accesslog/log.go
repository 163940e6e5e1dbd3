package accesslog

import (
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// DefaultFlush is how long a line waits at most before it is written. nginx
	// writes each line at once; one write for each second of lines saves a system
	// call per request and is still soon enough for `tail -f`.
	DefaultFlush = time.Second
	// DefaultBuffer is the number of bytes that may wait while the disk is slow or
	// refuses: about 25,000 lines.
	DefaultBuffer = 4 << 20
	// maxScratch keeps one huge line from holding its memory for ever.
	maxScratch = 64 << 10
)

// Options say how a log is written. The zero value is good.
type Options struct {
	Flush  time.Duration // how long a line waits at most; 0 is DefaultFlush
	Buffer int           // bytes that may wait; 0 is DefaultBuffer
	Tee    *os.File      // gets the same lines at once, best effort; never closed; nil is none
	Logger *zap.Logger   // told when the file refuses lines and when it takes them again; nil is none
}

// Log is one access log. Write never waits for the file. Every line is counted
// once, as a line or as dropped. Its methods may be called by several goroutines.
type Log struct {
	file *writer
	tee  *writer // nil without Options.Tee
	free sync.Pool
}

// NewLog takes over f, which is open for appending, and starts to write to it.
// Close must be called.
func NewLog(f *os.File, opts Options) *Log {
	if opts.Flush <= 0 {
		opts.Flush = DefaultFlush
	}
	if opts.Buffer <= 0 {
		opts.Buffer = DefaultBuffer
	}
	if opts.Logger == nil {
		opts.Logger = zap.NewNop()
	}
	l := &Log{file: newWriter(f, opts.Flush, opts.Buffer, opts.Logger)}
	l.free.New = func() any { return new([]byte) }
	if opts.Tee != nil {
		l.tee = newTee(opts.Tee, opts.Flush, opts.Buffer)
	}
	return l
}

// Write appends the line of e. It copies all that it needs of e.
func (l *Log) Write(format *Format, e *Entry) {
	scratch := l.free.Get().(*[]byte)
	line := append(format.Append((*scratch)[:0], e), '\n')
	l.file.append(line)
	if l.tee != nil {
		l.tee.append(line)
	}
	if cap(line) <= maxScratch {
		*scratch = line
		l.free.Put(scratch)
	}
}

// Reopen takes over f: lines written before go to the old file, which is then
// closed, and lines written after to f. It does not wait for either. Lines that
// the old file refuses go to f too, but for one that is half written there: it
// is dropped and counted.
func (l *Log) Reopen(f *os.File) { l.file.reopen(f) }

// Stats returns how many lines were written or wait to be, and how many were
// dropped because too much waited. The sum is the number of calls of Write.
func (l *Log) Stats() (lines, dropped uint64) { return l.file.stats() }

// Close writes what waits and closes the file. Lines that the file refuses are
// dropped and counted, and the error says why. Later lines are dropped and counted.
func (l *Log) Close() error {
	if l.tee != nil {
		l.tee.close()
	}
	return l.file.close()
}
