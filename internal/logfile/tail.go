package logfile

import (
	"bytes"
	"sync"
)

// DefaultTailSize is the number of bytes that a Tail keeps by default.
const DefaultTailSize = 16 << 10

// Tail keeps the last bytes written to it, so that a program that failed can be
// shown with its last lines. Its methods may be called by several goroutines.
type Tail struct {
	mu    sync.Mutex
	ring  []byte
	total int // bytes written so far; the next goes to ring[total%len(ring)]
}

// NewTail keeps the last size bytes; 0 or less is DefaultTailSize.
func NewTail(size int) *Tail {
	if size <= 0 {
		size = DefaultTailSize
	}
	return &Tail{ring: make([]byte, size)}
}

// Write keeps p. It never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if lost := n - len(t.ring); lost > 0 {
		p = p[lost:]
		t.total += lost
	}
	for len(p) > 0 {
		m := copy(t.ring[t.total%len(t.ring):], p)
		p = p[m:]
		t.total += m
	}
	return n, nil
}

// Lines returns the last n lines, oldest first, without their newlines; a last
// line without one counts. The oldest kept line is left out when its start is
// lost, unless it is the only one. n of 0 or less returns none.
func (t *Tail) Lines(n int) []string {
	kept, cut := t.kept()
	kept = bytes.TrimSuffix(kept, []byte("\n"))
	if i := bytes.IndexByte(kept, '\n'); cut && i >= 0 {
		kept = kept[i+1:]
	}
	if len(kept) == 0 || n <= 0 {
		return nil
	}
	lines := bytes.Split(kept, []byte("\n"))
	lines = lines[max(len(lines)-n, 0):]
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = string(line)
	}
	return out
}

// kept returns a copy of what is kept, and whether bytes before it are lost.
func (t *Tail) kept() (kept []byte, cut bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := t.total % len(t.ring)
	cut = t.total > len(t.ring)
	if t.total >= len(t.ring) {
		kept = append(kept, t.ring[next:]...)
	}
	return append(kept, t.ring[:next]...), cut
}
