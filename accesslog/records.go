package accesslog

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// records is a bounded queue of lines that are delivered one by one, each under a
// name, and the goroutine that does it, which ends with close.
type records struct {
	bound   int
	deliver func(name, line []byte) error
	logger  *zap.Logger

	wake chan struct{}
	quit chan struct{}
	done chan struct{}

	mu      sync.Mutex
	data    []byte
	ends    []int // in data, of each name and of each line
	waiting int   // bytes accepted and not yet delivered
	lines   uint64
	dropped uint64
	closed  bool
	spare   []byte
	spares  []int

	refused   error // of the last line
	announced bool
	reported  time.Time
}

func newRecords(o Options, deliver func(name, line []byte) error) *records {
	r := &records{
		bound: o.Buffer, deliver: deliver, logger: o.Logger,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	go r.run()
	return r
}

// add accepts a line or drops it.
func (r *records) add(name, line []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.waiting+len(name)+len(line) > r.bound {
		r.dropped++
		return
	}
	r.data = append(r.data, name...)
	r.ends = append(r.ends, len(r.data))
	r.data = append(r.data, line...)
	r.ends = append(r.ends, len(r.data))
	r.waiting += len(name) + len(line)
	r.lines++
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *records) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped++
}

func (r *records) run() {
	defer close(r.done)
	for {
		select {
		case <-r.wake:
			r.round()
		case <-r.quit:
			r.round()
			return
		}
	}
}

// round delivers all that waits. What is refused is dropped: a line later is of
// more use than the same line again.
func (r *records) round() {
	r.mu.Lock()
	data, ends := r.data, r.ends
	r.data, r.ends = r.spare, r.spares
	r.spare, r.spares = nil, nil
	r.mu.Unlock()
	start := 0
	for i := 0; i < len(ends); i += 2 {
		err := r.deliver(data[start:ends[i]], data[ends[i]:ends[i+1]])
		r.report(err)
		r.mu.Lock()
		r.waiting -= ends[i+1] - start
		if err != nil {
			r.lines--
			r.dropped++
		}
		r.mu.Unlock()
		start = ends[i+1]
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if cap(data) <= maxSpare {
		r.spare, r.spares = data[:0], ends[:0]
	}
}

// report is that of a writer, for lines that do not wait.
func (r *records) report(err error) {
	switch {
	case err != nil && !r.announced && (r.reported.IsZero() || time.Since(r.reported) >= reportEvery):
		r.announced, r.reported = true, time.Now()
		r.logger.Error("access log cannot be written; lines are dropped and counted", zap.Error(err))
	case err == nil && r.announced:
		r.announced = false
		_, dropped := r.stats()
		r.logger.Info("access log is written again", zap.Uint64("dropped", dropped))
	}
	r.refused = err
}

func (r *records) stats() (lines, dropped uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines, r.dropped
}

// close delivers what waits and ends the goroutine.
func (r *records) close() error {
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	r.mu.Unlock()
	if !closed {
		close(r.quit)
	}
	<-r.done
	return r.refused
}
