package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"paddock/internal/link"
	"paddock/supervisor"
)

const testTimeout = 10 * time.Second

// fakeProxy is the other end of a link: it takes everything, but for what its
// handler says, and notes it.
type fakeProxy struct {
	keeper, proxy *link.Conn
	ended         chan error // of the keeper's end

	mu  sync.Mutex
	got []string // types, and states of apps
}

// startProxy is a proxy process that has said hello. handle may be nil.
func startProxy(t *testing.T, handle func(*fakeProxy, link.Message) bool) *fakeProxy {
	t.Helper()
	conn, end, err := link.Pair()
	if err != nil {
		t.Fatal(err)
	}
	p := answering(t, end, handle)
	p.keeper, p.ended = conn, make(chan error, 1)
	go func() { p.ended <- conn.Serve(func(link.Message, []*os.File) {}) }() // ends with the link
	t.Cleanup(func() { conn.Close() })
	return p
}

// answering serves the proxy's end of a link.
func answering(t *testing.T, end *os.File, handle func(*fakeProxy, link.Message) bool) *fakeProxy {
	t.Helper()
	fd, err := link.TakeFD(end)
	if err != nil {
		t.Fatal(err)
	}
	p := &fakeProxy{}
	if p.proxy, err = link.Open(uintptr(fd)); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.proxy.Serve(func(m link.Message, _ []*os.File) {
			p.note(m)
			if handle == nil || !handle(p, m) {
				_ = p.proxy.Reply(m, nil, nil)
			}
		})
	}()
	t.Cleanup(func() { p.proxy.Close(); <-done })
	return p
}

func (p *fakeProxy) note(m link.Message) {
	text := m.Type
	var s supervisor.AppState
	if m.Type == link.TypeApp && json.Unmarshal(m.Body, &s) == nil {
		text = s.Name + " " + s.State
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, text)
}

func (p *fakeProxy) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

// die is what the keeper sees of a proxy that was killed.
func (p *fakeProxy) die(t *testing.T, f *front) {
	t.Helper()
	p.proxy.Close()
	if err := <-p.ended; !errors.Is(err, io.EOF) {
		t.Errorf("the link ended with %v", err)
	}
	f.detach(p.keeper)
}

func TestProbeAndDrainAreAskedAgainOfTheNextProxy(t *testing.T) {
	for name, ask := range map[string]func(*front, context.Context) error{
		link.TypeProbe: func(f *front, ctx context.Context) error { return f.Probe(ctx, "web", 2) },
		link.TypeDrain: func(f *front, ctx context.Context) error { return f.Drain(ctx, "web", 1) },
	} {
		f := newFront(zap.NewNop())
		asked := make(chan struct{})
		first := startProxy(t, func(_ *fakeProxy, m link.Message) bool {
			close(asked)
			return true // and never answers
		})
		f.attach(first.keeper)
		ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
		defer cancel()
		answer := make(chan error, 1)
		go func() { answer <- ask(f, ctx) }()
		<-asked
		first.die(t, f)
		second := startProxy(t, nil)
		f.attach(second.keeper)
		if err := <-answer; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := second.seen(); !slices.Equal(got, []string{name}) {
			t.Errorf("the next proxy got %q; expected %q", got, name)
		}
	}
}

func TestProbeThatIsRefusedIsNotAskedAgain(t *testing.T) {
	f := newFront(zap.NewNop())
	p := startProxy(t, func(p *fakeProxy, m link.Message) bool {
		return p.proxy.Reply(m, nil, errors.New("status 500")) == nil
	})
	f.attach(p.keeper)
	err := f.Probe(t.Context(), "web", 1)
	if err == nil || err.Error() != "status 500" || len(p.seen()) != 1 {
		t.Errorf("got %v after %q", err, p.seen())
	}
}

func TestProbeWithoutAProxyEndsWithItsTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := newFront(zap.NewNop()).Probe(ctx, "web", 1)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "no proxy") {
		t.Errorf("got %v", err)
	}
}

func TestDrainWithoutAProxyIsDone(t *testing.T) {
	if err := newFront(zap.NewNop()).Drain(t.Context(), "web", 1); err != nil {
		t.Error(err)
	}
}

func TestNextProxyIsToldTheAppsAsLastPublished(t *testing.T) {
	f := newFront(zap.NewNop())
	f.Publish(supervisor.AppState{Name: "web", State: supervisor.AppStarting, Generation: 1})
	f.Publish(supervisor.AppState{Name: "gone", State: supervisor.AppStopped})
	first := startProxy(t, nil)
	f.attach(first.keeper)
	f.Publish(supervisor.AppState{Name: "web", State: supervisor.AppReady, Generation: 1})
	f.forget("gone")
	first.die(t, f)
	f.Publish(supervisor.AppState{Name: "web", State: supervisor.AppBackoff, Generation: 1}) // while there is none
	second := startProxy(t, nil)
	f.attach(second.keeper)
	if err := f.Probe(t.Context(), "web", 1); err != nil { // its answer comes after all that was sent before
		t.Fatal(err)
	}
	if got := second.seen(); !slices.Equal(got, []string{"web backoff", link.TypeProbe}) {
		t.Errorf("the next proxy was told %q", got)
	}
}
