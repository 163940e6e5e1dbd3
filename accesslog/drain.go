package accesslog

import (
	"bytes"
	"os"
	"time"

	"go.uber.org/zap"

	"paddock/internal/logfile"
)

// run is the goroutine of a writer.
func (w *writer) run() {
	defer close(w.done)
	for {
		select {
		case <-w.timer.C:
			w.drain()
		case <-w.wake:
			w.drain()
		case <-w.quit:
			w.finish()
			return
		}
	}
}

// drain writes all that waits. What is refused waits for the next time.
func (w *writer) drain() {
	for _, s := range w.take() {
		w.write(s.data)
		if s.next != nil {
			w.turnTo(s.next)
		}
	}
	if len(w.rest) > 0 {
		w.timer.Reset(w.flush)
	}
}

func (w *writer) take() []segment {
	w.mu.Lock()
	defer w.mu.Unlock()
	segments := append(w.queue, segment{data: w.buf})
	w.queue, w.buf, w.spare = nil, w.spare, nil
	return segments
}

// write writes data after what is left from before.
func (w *writer) write(data []byte) {
	if len(w.rest) > 0 {
		data = append(w.rest, data...)
	}
	if len(data) == 0 {
		w.recycle(data)
		return
	}
	n, err := w.out.Write(data)
	w.report(err)
	if n > 0 {
		w.torn = data[n-1] != '\n'
	}
	w.mu.Lock()
	w.waiting -= n
	w.mu.Unlock()
	w.rest = data[n:]
	if len(w.rest) == 0 {
		w.rest = nil
		w.recycle(data)
	}
}

func (w *writer) recycle(buf []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if cap(buf) <= maxSpare && cap(buf) > cap(w.spare) {
		w.spare = buf[:0]
	}
}

// turnTo goes on in another file. The rest of a half written line would be no
// line there; whole lines are.
func (w *writer) turnTo(f *os.File) {
	if w.torn && len(w.rest) > 0 {
		w.give(bytes.IndexByte(w.rest, '\n') + 1)
	}
	if err := w.closeFile(); err != nil {
		w.logger.Error("old access log cannot be closed", zap.Error(err))
	}
	w.out, w.torn = logfile.NewDescriptor(f), false
	w.write(nil)
}

// give drops the first n bytes of what is left.
func (w *writer) give(n int) {
	lines := uint64(bytes.Count(w.rest[:n], []byte{'\n'}))
	w.rest = w.rest[n:]
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting -= n
	// A value with line breaks (escape = "none") makes more of them than lines.
	lines = min(lines, w.lines)
	w.lines -= lines
	w.dropped += lines
}

// finish writes what it can, once.
func (w *writer) finish() {
	w.timer.Stop()
	w.drain()
	w.timer.Stop()
	w.give(len(w.rest))
	if err := w.closeFile(); w.refused == nil {
		w.refused = err
	}
}

func (w *writer) closeFile() error {
	if w.keep {
		return nil
	}
	return w.out.Close()
}

// report says that the file refuses, at most once in reportEvery, and then once
// that it takes lines again: a reader that is too slow would fill the daemon's log.
func (w *writer) report(err error) {
	switch {
	case err != nil && !w.announced && (w.reported.IsZero() || time.Since(w.reported) >= reportEvery):
		w.announced, w.reported = true, time.Now()
		w.logger.Error("access log cannot be written; lines wait, then are dropped and counted", zap.Error(err))
	case err == nil && w.announced:
		w.announced = false
		_, dropped := w.stats()
		w.logger.Info("access log is written again", zap.Uint64("dropped", dropped))
	}
	w.refused = err
}
