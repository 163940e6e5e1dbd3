package logfile

import (
	"fmt"
	"os"
	"sync"
	"time"
)

const (
	// behindBound is how much of a log may wait for its file or its reader.
	behindBound = 1 << 20
	// retryPause is the wait between two looks whether a reader that stalled reads again.
	retryPause = 100 * time.Millisecond
)

// Behind writes to an open log from a goroutine of its own, so that a writer never waits
// for a slow disk, a full pipe or a stopped terminal. What is too much is dropped by the
// line, and the log says how many once it takes bytes again. Each Write is one line.
type Behind struct {
	out  *Descriptor
	wake chan struct{} // of size 1: there are lines
	quit chan struct{}
	done chan struct{}

	mu      sync.Mutex
	lines   []byte
	dropped int
	closed  bool
}

// NewBehind begins to write to f, which stays open at the end.
func NewBehind(f *os.File) *Behind {
	b := &Behind{out: NewDescriptor(f), wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
	go b.run()
	return b
}

// Write takes a line. It never fails.
func (b *Behind) Write(line []byte) (int, error) {
	b.mu.Lock()
	if b.closed || len(b.lines)+len(line) > behindBound {
		b.dropped++
	} else {
		b.lines = append(b.lines, line...)
	}
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
	return len(line), nil
}

// Close writes what is left, as far as it is taken without a wait, and ends.
func (b *Behind) Close() {
	b.mu.Lock()
	closed := b.closed
	b.closed = true
	b.mu.Unlock()
	if !closed {
		close(b.quit)
	}
	<-b.done
}

func (b *Behind) run() {
	defer close(b.done)
	for last := false; !last; {
		select {
		case <-b.wake:
		case <-b.quit:
			last = true
		}
		for lines := b.take(); len(lines) > 0; lines = b.take() {
			if !b.write(lines, last) {
				return
			}
		}
	}
}

// take returns the lines that wait, and how many there was no room for.
func (b *Behind) take() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := b.lines
	b.lines = nil
	if b.dropped > 0 {
		lines = fmt.Appendf(lines, "%d lines of this log were dropped: it took none\n", b.dropped)
		b.dropped = 0
	}
	return lines
}

// write waits for a reader that stalls. Other errors cost the lines; there is nowhere to
// tell of them. false: it is the end, and nobody reads.
func (b *Behind) write(lines []byte, last bool) bool {
	for {
		n, err := b.out.Write(lines)
		if lines = lines[n:]; err != ErrStalled {
			return true
		}
		if last {
			return false
		}
		select {
		case <-time.After(retryPause):
		case <-b.quit:
			last = true
		}
	}
}
