package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"paddock/internal/value"
)

// fakeHost starts children that exist only on paper.
type fakeHost struct {
	mu       sync.Mutex
	children []*fakeChild
	spawns   []time.Duration // since the start of the test
	began    time.Time
	fail     error            // of the next spawns
	born     func(*fakeChild) // called for each
	sockets  map[string]bool  // that are there
}

type fakeChild struct {
	pid     int
	spec    Spec
	exit    chan Exit
	mu      sync.Mutex
	signals []syscall.Signal
	obeys   bool // ends at the stop signal
	gone    bool
}

func newFakeHost() *fakeHost {
	return &fakeHost{began: time.Now(), sockets: make(map[string]bool)}
}

func (h *fakeHost) host() host {
	return host{
		spawn: h.spawn,
		listen: func(path string, _ int) (*os.File, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.sockets[path] = true
			return os.NewFile(^uintptr(0)>>1, path), nil
		},
		unlink: func(path string) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			delete(h.sockets, path)
			return nil
		},
	}
}

func (h *fakeHost) spawn(spec Spec) (*child, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.spawns = append(h.spawns, time.Since(h.began))
	if h.fail != nil {
		return nil, h.fail
	}
	f := &fakeChild{pid: 1000 + len(h.children), spec: spec, exit: make(chan Exit, 1), obeys: true}
	h.children = append(h.children, f)
	if h.born != nil {
		h.born(f)
	}
	return &child{
		pid: f.pid, exited: f.exit, signal: f.signal, end: f.signal,
		kill:  func() error { return f.signal(syscall.SIGKILL, true) },
		lines: func(int) []string { return []string{fmt.Sprintf("line of %d", f.pid)} },
	}, nil
}

// child returns the n-th child, from 0.
func (h *fakeHost) child(n int) *fakeChild {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.children[n]
}

func (h *fakeHost) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.children)
}

func (f *fakeChild) signal(sig syscall.Signal, _ bool) error {
	f.mu.Lock()
	f.signals = append(f.signals, sig)
	ends := sig == syscall.SIGKILL || f.obeys && sig == syscall.SIGTERM
	f.mu.Unlock()
	if ends {
		f.end(Exit{Code: -1, Signal: sig})
	}
	return nil
}

func (f *fakeChild) end(e Exit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.gone {
		f.gone = true
		f.exit <- e
	}
}

// ignoresTerm makes the child one that only a kill ends.
func (f *fakeChild) ignoresTerm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.obeys = false
}

func (f *fakeChild) got() []syscall.Signal {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]syscall.Signal(nil), f.signals...)
}

// journal collects events as "FROM>TO".
type journal struct {
	mu     sync.Mutex
	events []Event
}

func (j *journal) notify(e Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
}

// take returns the states entered since the last take.
func (j *journal) take() []ProcessState {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []ProcessState
	for _, e := range j.events {
		out = append(out, e.To)
	}
	j.events = nil
	return out
}

// fakeFront is a proxy that answers as it is told.
type fakeFront struct {
	mu     sync.Mutex
	states []AppState
	probe  func(ctx context.Context, generation int) error
	drain  func(ctx context.Context, generation int) error
}

func (f *fakeFront) Publish(s AppState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.states = append(f.states, s)
}

func (f *fakeFront) Probe(ctx context.Context, _ string, generation int) error {
	f.mu.Lock()
	probe := f.probe
	f.mu.Unlock()
	if probe == nil {
		return nil
	}
	return probe(ctx, generation)
}

func (f *fakeFront) Drain(ctx context.Context, _ string, generation int) error {
	f.mu.Lock()
	drain := f.drain
	f.mu.Unlock()
	if drain == nil {
		return nil
	}
	return drain(ctx, generation)
}

func (f *fakeFront) last() AppState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.states[len(f.states)-1]
}

// take returns "state generation" of what was published since the last take.
func (f *fakeFront) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, s := range f.states {
		out = append(out, fmt.Sprint(s.State, " ", s.Generation))
	}
	f.states = nil
	return out
}

func never(ctx context.Context, _ int) error {
	<-ctx.Done()
	return ctx.Err()
}

var errRefused = errors.New("answered 500")

// after lets time pass in a synctest bubble, and what happens then happen.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func command(text string) value.Command {
	var c value.Command
	if err := c.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return c
}

func testProgram() Program {
	p := DefaultProgram()
	p.Command = command("/bin/true")
	p.StdoutLogfile, p.StderrLogfile = LogNone, LogNone
	return p
}

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
