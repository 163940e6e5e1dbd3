package proxy

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"paddock/internal/value"
)

func newQueue(limit, size int, state string) *upstream {
	plan := &groupPlan{name: "web", app: true, limits: Limits{MaxConns: limit, QueueSize: size, QueueTimeout: value.Duration(30 * time.Second)}}
	u := newUpstream(plan, 1)
	u.configure(plan)
	u.become(state, 1)
	return u
}

func (u *upstream) become(state string, generation int) {
	s := AppState{Name: u.name, State: state, Generation: generation, RetryAfter: 7 * time.Second}
	u.setState(s, address{text: socketName(generation)})
}

// enterAll is enter and wait, as an exchange does it.
func (u *upstream) enterAll(w *waiter) (*generation, error) {
	g, err := u.queue.enter(w)
	if err == errMustWait {
		return u.queue.wait(w)
	}
	return g, err
}

type outcome struct {
	name string
	g    *generation
	err  error
}

// start lets requests arrive one after the other; each reports what became of it.
func (u *upstream) start(out chan<- outcome, names ...string) []*waiter {
	var all []*waiter
	for _, name := range names {
		w := &waiter{}
		all = append(all, w)
		go func() {
			g, err := u.enterAll(w)
			out <- outcome{name, g, err}
		}()
		synctest.Wait()
	}
	return all
}

func wantStatus(t *testing.T, err error, status int, retry time.Duration) {
	t.Helper()
	var r *refusal
	if !errors.As(err, &r) || r.status != status || r.retryAfter != retry {
		t.Errorf("got %v, want %d with Retry-After %v", err, status, retry)
	}
}

func TestQueueLetsThroughInOrderOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, out := newQueue(1, 10, "ready"), make(chan outcome, 10)
		u.start(out, "a", "b", "c", "d")
		for _, want := range []string{"a", "b", "c", "d"} {
			synctest.Wait()
			if len(out) != 1 {
				t.Fatalf("%d let through at once, want 1", len(out))
			}
			got := <-out
			if got.name != want || got.err != nil {
				t.Fatalf("got %s, %v; want %s", got.name, got.err, want)
			}
			u.queue.leave(got.g)
		}
		if s := u.stats(); s.InFlight != 0 || s.Queued != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
}

func TestFullQueueRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, out := newQueue(1, 1, "ready"), make(chan outcome, 10)
		u.start(out, "served", "waits", "too many")
		<-out
		wantStatus(t, (<-out).err, 503, retryAfterBusy)
		u.become("stopped", 1)
		<-out
	})
}

func TestWaitEndsAtQueueTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, out, start := newQueue(0, 10, "starting"), make(chan outcome, 10), time.Now()
		u.start(out, "waits")
		wantStatus(t, (<-out).err, 503, retryAfterBusy)
		if d := time.Since(start); d != 30*time.Second {
			t.Errorf("after %v, want 30s", d)
		}
		if u.stats().Queued != 0 {
			t.Error("it is in the queue still")
		}
	})
}

func TestQueueDropsClientThatLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, out := newQueue(1, 10, "ready"), make(chan outcome, 10)
		all := u.start(out, "served", "leaves", "next")
		served := <-out
		u.queue.remove(all[1], errClientGone)
		if got := <-out; got.name != "leaves" || got.err != errClientGone {
			t.Errorf("got %s %v", got.name, got.err)
		}
		u.queue.leave(served.g)
		got := <-out
		if got.name != "next" || got.err != nil {
			t.Errorf("got %s %v", got.name, got.err)
		}
		u.queue.remove(all[2], errClientGone) // too late: it was let through
		u.queue.leave(got.g)
		if s := u.stats(); s.InFlight != 0 || s.Queued != 0 {
			t.Errorf("left behind: %+v", s)
		}
	})
}

func TestStateOfAnAppDecidesWhatRequestsDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, out := newQueue(0, 10, "starting"), make(chan outcome, 10)
		u.start(out, "a", "b")
		if len(out) != 0 {
			t.Fatal("a starting app got a request")
		}
		u.become("ready", 1)
		for range 2 {
			if got := <-out; got.err != nil {
				t.Errorf("%s: %v", got.name, got.err)
			}
		}
		u.become("starting", 1) // the first restart
		u.start(out, "c")
		for _, state := range []string{"backoff", "fatal", "stopped"} {
			u.become(state, 1)
			if state == "backoff" { // who waited is refused too
				wantStatus(t, (<-out).err, 503, 7*time.Second)
			}
			u.start(out, state)
			wantStatus(t, (<-out).err, 503, 7*time.Second)
		}
	})
}

func TestDeploySendsNewRequestsToTheNewGeneration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, out := newQueue(1, 10, "ready"), make(chan outcome, 10)
		u.start(out, "old", "waits")
		old := <-out
		u.become("ready", 2)
		waited := <-out
		if waited.err != nil || waited.g.number != 2 {
			t.Errorf("waiter went to %+v, %v; want generation 2", waited.g, waited.err)
		}
		drained := make(chan error, 1)
		go func() { drained <- u.drain(t.Context(), 1) }()
		synctest.Wait()
		if len(drained) != 0 {
			t.Fatal("drained with a request in flight")
		}
		u.queue.leave(old.g)
		if err := <-drained; err != nil {
			t.Error(err)
		}
		u.queue.leave(waited.g)
		if n := len(u.queue.generations); n != 1 {
			t.Errorf("%d generations are kept, want 1", n)
		}
	})
}

func TestRaisedLimitLetsMoreThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, out := newQueue(1, 10, "ready"), make(chan outcome, 10)
		u.start(out, "a", "b", "c")
		<-out
		plan := *u.plan
		plan.limits.MaxConns = 3
		u.configure(&plan)
		<-out
		<-out
	})
}

func TestQueueStaysInItsBoundsUnderLoad(t *testing.T) {
	const n, limit = 2000, 4
	u := newQueue(limit, n, "ready")
	var wg sync.WaitGroup
	var mu sync.Mutex
	served, failed, most := 0, 0, 0
	for range n {
		wg.Go(func() {
			g, err := u.enterAll(&waiter{})
			mu.Lock()
			if err != nil {
				failed++
			}
			served++
			most = max(most, u.stats().InFlight)
			mu.Unlock()
			u.queue.leave(g)
		})
	}
	wg.Wait()
	t.Logf("%d sent, %d answered, %d failed, at most %d at once", n, served, failed, most)
	if served != n || failed != 0 || most > limit {
		t.Errorf("served %d, failed %d, at once %d; want %d, 0, at most %d", served, failed, most, n, limit)
	}
}
