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
		if len(s.data) > 0 {
			w.rest = append(w.rest, w.pack(s))
		} else {
			w.recycle(s.data)
		}
		w.empty()
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
	segments := append(w.queue, segment{data: w.buf, lines: w.inBuf})
	w.queue, w.buf, w.inBuf, w.spare = nil, w.spare, 0, nil
	return segments
}

// pack makes one gzip member of a segment: readers take any number of them, and
// what is written is whole.
func (w *writer) pack(s segment) segment {
	if w.packer == nil {
		return s
	}
	var out bytes.Buffer
	w.packer.Reset(&out)
	w.packer.Write(s.data) // of a buffer neither fails
	w.packer.Close()
	w.mu.Lock()
	w.waiting += out.Len() - len(s.data)
	w.mu.Unlock()
	w.recycle(s.data)
	return segment{data: out.Bytes(), lines: s.lines, packed: true}
}

// empty writes what is taken, until the file refuses.
func (w *writer) empty() {
	for len(w.rest) > 0 {
		s := &w.rest[0]
		n, err := w.out.Write(s.data[s.at:])
		w.report(err)
		s.at += n
		w.mu.Lock()
		w.waiting -= n
		w.mu.Unlock()
		if s.at < len(s.data) {
			return
		}
		w.recycle(s.data)
		w.rest = w.rest[1:]
	}
	w.rest = nil
}

func (w *writer) recycle(buf []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if cap(buf) <= maxSpare && cap(buf) > cap(w.spare) {
		w.spare = buf[:0]
	}
}

// turnTo goes on in another file. The rest of a half written line, or of a half
// written gzip member, would be none there; what is whole is.
func (w *writer) turnTo(f *os.File) {
	if len(w.rest) > 0 {
		w.dropTorn()
	}
	if err := w.closeFile(); err != nil {
		w.logger.Error("old access log cannot be closed", zap.Error(err))
	}
	w.out = logfile.NewDescriptor(f)
	w.empty()
}

// dropTorn drops what the first segment has begun and not ended.
func (w *writer) dropTorn() {
	s := &w.rest[0]
	switch {
	case s.at == 0:
	case s.packed:
		w.give(s, len(s.data))
	case s.data[s.at-1] != '\n':
		w.give(s, s.at+bytes.IndexByte(s.data[s.at:], '\n')+1)
	}
	if s.at == len(s.data) {
		w.rest = w.rest[1:]
	}
}

// give drops the bytes of a segment up to end.
func (w *writer) give(s *segment, end int) {
	lines := s.lines
	if !s.packed {
		// A value with line breaks (escape = "none") makes more of them than lines.
		lines = min(lines, uint64(bytes.Count(s.data[s.at:end], []byte{'\n'})))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting -= end - s.at
	s.at = end
	w.lines -= lines
	w.dropped += lines
}

// finish writes what it can, once.
func (w *writer) finish() {
	w.timer.Stop()
	w.drain()
	w.timer.Stop()
	for i := range w.rest {
		w.give(&w.rest[i], len(w.rest[i].data))
	}
	w.rest = nil
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
