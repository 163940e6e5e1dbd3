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
	Size   int           // bytes that are written before that time; 0 is 64 KiB (nginx: buffer of access_log)
	Gzip   int           // level of gzip members; 0: text
	Buffer int           // bytes that may wait; 0 is DefaultBuffer
	Tee    *os.File      // gets the same lines at once, best effort; never closed; nil is none
	Logger *zap.Logger   // told when the log refuses lines and when it takes them again; nil is none
}

// Log is one access log. Write never waits for the disk or the network. Every line
// is counted once, as a line or as dropped. Its methods may be called by several
// goroutines.
type Log struct {
	out  sink
	tee  *writer // nil without Options.Tee
	free sync.Pool
}

// sink is where lines go: a file, the files of a folder, or syslog.
type sink interface {
	write(line []byte, e *Entry) // of a whole line with its newline
	reopen(f *os.File)
	stats() (lines, dropped uint64)
	close() error
}

// NewLog takes over f, which is open for appending, and starts to write to it.
// Close must be called.
func NewLog(f *os.File, opts Options) *Log {
	opts = opts.withDefaults()
	return newLog(newWriter(f, opts), opts)
}

// OpenLog starts to write to a target that no open file is needed for: one of
// [KindFolder] or [KindSyslog]. Close must be called.
func OpenLog(t Target, opts Options) (*Log, error) {
	opts = opts.withDefaults()
	var out sink
	var err error
	if KindOf(t.Path) == KindSyslog {
		out, err = newSyslog(t.Path, opts)
	} else {
		out, err = newFolder(t.Path, opts)
	}
	if err != nil {
		return nil, err
	}
	return newLog(out, opts), nil
}

func newLog(out sink, opts Options) *Log {
	l := &Log{out: out}
	l.free.New = func() any { return new([]byte) }
	if opts.Tee != nil {
		l.tee = newTee(opts.Tee, opts)
	}
	return l
}

func (o Options) withDefaults() Options {
	if o.Flush <= 0 {
		o.Flush = DefaultFlush
	}
	if o.Size <= 0 {
		o.Size = flushSize
	}
	if o.Buffer <= 0 {
		o.Buffer = max(DefaultBuffer, 2*o.Size)
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	return o
}

// Write appends the line of e. It copies all that it needs of e.
func (l *Log) Write(format *Format, e *Entry) {
	scratch := l.free.Get().(*[]byte)
	line := append(format.Append((*scratch)[:0], e), '\n')
	l.out.write(line, e)
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
// is dropped and counted. A log that has no file of its own closes f.
func (l *Log) Reopen(f *os.File) { l.out.reopen(f) }

// Stats returns how many lines were written or wait to be, and how many were
// dropped because too much waited. The sum is the number of calls of Write.
func (l *Log) Stats() (lines, dropped uint64) { return l.out.stats() }

// Close writes what waits and closes the log. Lines that are refused then are
// dropped and counted, and the error says why. Later lines are dropped and counted.
func (l *Log) Close() error {
	if l.tee != nil {
		l.tee.close()
	}
	return l.out.close()
}
