package supervisor

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// stage is a Manager of fake children behind a fake front.
type stage struct {
	*Manager
	host  *fakeHost
	front *fakeFront
	log   *journal
}

func onStage(t *testing.T, body func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{host: newFakeHost(), front: &fakeFront{}, log: &journal{}}
		s.Manager = New(Options{
			Front: s.front, Notify: s.log.notify, System: &System{Instance: "test"},
			SocketDir: "/run/app", SocketGroup: -1, host: s.host.host(),
		})
		body(t, s)
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if n := len(s.host.sockets); n != 0 {
			t.Errorf("%d sockets left after the shutdown", n)
		}
	})
}

func testApp() AppSpec {
	a := DefaultApp()
	a.Command = command("/bin/true")
	a.StdoutLogfile, a.StderrLogfile = LogNone, LogNone
	return AppSpec{App: a}
}

func (s *stage) set(t *testing.T, set Set) *Applied {
	t.Helper()
	applied, err := s.Apply(set)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return applied
}

func (s *stage) web(t *testing.T, spec AppSpec) *Applied {
	t.Helper()
	return s.set(t, Set{Apps: map[string]AppSpec{"web": spec}})
}

// deploy starts a deploy and returns where its answer will be.
func (s *stage) deploy() chan error {
	answer := make(chan error, 1)
	go func() { answer <- s.Deploy(context.Background(), "web") }()
	synctest.Wait()
	return answer
}

func answered(t *testing.T, c chan error) error {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-c:
		return err
	default:
		t.Fatal("no answer yet")
		return nil
	}
}

func waits(t *testing.T, c chan error) {
	t.Helper()
	select {
	case err := <-c:
		t.Fatalf("answered too early: %v", err)
	default:
	}
}

func TestFirstGenerationIsProbedThenReady(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.web(t, testApp())
		equal(t, "published", s.front.take(), []string{"starting 1", "ready 1"})
		if !s.host.sockets["/run/app/web.1.sock"] {
			t.Errorf("sockets: %v", s.host.sockets)
		}
	})
}

func TestDeploySwitchesDrainsAndStopsTheOld(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.web(t, testApp())
		s.front.take()
		release := make(chan struct{})
		s.front.drain = func(ctx context.Context, generation int) error {
			if generation == 1 {
				<-release
			}
			return nil
		}
		answer := s.deploy()
		equal(t, "published", s.front.take(), []string{"ready 2"})
		waits(t, answer)
		if got := s.host.child(0).got(); len(got) != 0 {
			t.Errorf("the old generation got %v with requests in flight", got)
		}
		close(release)
		if err := answered(t, answer); err != nil {
			t.Error(err)
		}
		equal(t, "signals to the old", s.host.child(0).got(), []syscall.Signal{syscall.SIGTERM})
		if s.host.sockets["/run/app/web.1.sock"] {
			t.Error("the old socket is still there")
		}
	})
}

func TestEveryGenerationIsNotedForTheNextKeeper(t *testing.T) {
	noted := func(s *stage) (generations []int) {
		for _, p := range s.Survivors().Processes {
			generations = append(generations, p.Generation)
		}
		return generations
	}
	onStage(t, func(t *testing.T, s *stage) {
		s.web(t, testApp())
		release := make(chan struct{})
		s.front.probe = func(context.Context, int) error { <-release; return nil }
		s.front.drain = never
		answer := s.deploy()
		equal(t, "while the new one starts", noted(s), []int{1, 2})
		close(release)
		synctest.Wait()
		waits(t, answer)
		equal(t, "while the old one drains", noted(s), []int{2, 1})
		after(testApp().drainLimit())
		if err := answered(t, answer); err != nil {
			t.Error(err)
		}
		equal(t, "at the end", noted(s), []int{2})
		s.host.child(1).ignoresTerm()
		s.front.drain = nil
		s.set(t, Set{})
		equal(t, "removed, not yet stopped", noted(s), []int{2})
	})
}

func TestDrainIsBounded(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.web(t, testApp())
		s.front.drain = never
		answer := s.deploy()
		after(29 * time.Second)
		waits(t, answer)
		after(time.Second)
		if err := answered(t, answer); err != nil {
			t.Error(err)
		}
		s.front.drain = nil
	})
}

func TestDeployKeepsOldGenerationWhenProbeFails(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.web(t, testApp())
		s.front.take()
		s.front.probe = func(context.Context, int) error { return errRefused }
		answer := s.deploy()
		after(59 * time.Second)
		waits(t, answer)
		after(time.Second)
		err := answered(t, answer)
		var failed *DeployError
		if !errors.As(err, &failed) || failed.Generation != 2 {
			t.Fatalf("got %v, want a DeployError of generation 2", err)
		}
		for _, part := range []string{"not ready within 1m0s", "answered 500", "line of 1001"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q is missing in %q", part, err)
			}
		}
		if got := s.front.take(); len(got) != 0 {
			t.Errorf("published %v, want nothing: the old generation serves", got)
		}
		st := s.Status()[0]
		if st.PID != s.host.child(0).pid || st.State != Running || st.LastErr == "" || st.Deploying != 0 {
			t.Errorf("status: %+v", st)
		}
		if s.host.sockets["/run/app/web.2.sock"] {
			t.Error("the socket of the failed generation is still there")
		}
	})
}

func TestDeployThatExitsFailsAtOnce(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.web(t, testApp())
		s.front.probe = never
		answer := s.deploy()
		s.host.child(1).end(Exit{Code: 3})
		if err := answered(t, answer); err == nil || !strings.Contains(err.Error(), "exit status 3") {
			t.Errorf("got %v, want one that names exit status 3", err)
		}
		if n := s.host.count(); n != 2 {
			t.Errorf("%d spawns, want 2: a deploy is tried once", n)
		}
	})
}

func TestProbeIsRepeatedUntilItIsGood(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		asked := 0
		s.front.probe = func(context.Context, int) error {
			if asked++; asked < 4 {
				return errRefused
			}
			return nil
		}
		s.web(t, testApp())
		after(2500 * time.Millisecond)
		if got := s.front.last().State; got != AppStarting {
			t.Errorf("after three probes: %s", got)
		}
		after(time.Second)
		if got := s.front.last().State; got != AppReady {
			t.Errorf("after four probes: %s", got)
		}
	})
}

func TestDeploysAskedMeanwhileMergeIntoOne(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.web(t, testApp())
		open := make(chan struct{})
		s.front.probe = func(context.Context, int) error { <-open; return nil }
		answers := []chan error{s.deploy(), s.deploy(), s.deploy(), s.deploy()}
		close(open)
		for _, a := range answers {
			if err := answered(t, a); err != nil {
				t.Error(err)
			}
		}
		if n := s.host.count(); n != 3 {
			t.Errorf("%d generations, want 3: the first, one deploy, one for the rest", n)
		}
	})
}

func TestStopCancelsADeploy(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.web(t, testApp())
		s.front.probe = never
		first, second := s.deploy(), s.deploy()
		if err := s.Stop(t.Context(), "web"); err != nil {
			t.Fatal(err)
		}
		for _, a := range []chan error{first, second} {
			if err := answered(t, a); !errors.Is(err, ErrCancelled) {
				t.Errorf("got %v, want %v", err, ErrCancelled)
			}
		}
		st := s.Status()[0]
		if st.State != Stopped || st.Deploying != 0 || s.front.last().State != AppStopped || len(s.host.sockets) != 0 {
			t.Errorf("status %+v, sockets %v", st, s.host.sockets)
		}
		s.front.probe = nil
		if err := s.Start(t.Context(), "web"); err != nil {
			t.Error(err)
		}
		if got := s.front.last(); got.State != AppReady || got.Generation != 3 {
			t.Errorf("after the start: %+v", got)
		}
	})
}

func TestStopDrainsBeforeItSignals(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.web(t, testApp())
		release := make(chan struct{})
		s.front.drain = func(context.Context, int) error { <-release; return nil }
		answer := make(chan error, 1)
		go func() { answer <- s.Stop(context.Background(), "web") }()
		synctest.Wait()
		if got := s.front.last().State; got != AppStopped {
			t.Errorf("published %s, want stopped before the drain ends", got)
		}
		if got := s.host.child(0).got(); len(got) != 0 {
			t.Errorf("signals %v with requests in flight", got)
		}
		close(release)
		if err := answered(t, answer); err != nil {
			t.Error(err)
		}
	})
}

func TestCrashKeepsTheGenerationAndRequestsWait(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.web(t, testApp())
		after(time.Minute)
		s.front.take()
		s.front.probe = never
		s.host.child(0).end(Exit{Code: -1, Signal: syscall.SIGKILL})
		synctest.Wait()
		equal(t, "published", s.front.take(), []string{"starting 1"})
		s.host.child(1).end(Exit{Code: 3})
		synctest.Wait()
		if got := s.front.last(); got.State != AppBackoff || got.RetryAfter != time.Second || got.Err == "" {
			t.Errorf("after the second end: %+v", got)
		}
		after(time.Second)
		if got := s.front.last().State; got != AppBackoff {
			t.Errorf("during the next try: %s, want backoff", got)
		}
		s.host.child(2).end(Exit{Code: 3})
		s.front.mu.Lock()
		s.front.probe = nil
		s.front.mu.Unlock()
		after(2 * time.Second)
		if got := s.front.last(); got.State != AppReady || got.Generation != 1 {
			t.Errorf("in the end: %+v", got)
		}
	})
}

func TestRestartOfAnAppKeepsRequestsWaiting(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.web(t, testApp())
		after(time.Minute)
		s.front.take()
		if err := s.Restart(t.Context(), "web"); err != nil {
			t.Fatal(err)
		}
		equal(t, "published", s.front.take(), []string{"starting 1", "ready 1"})
		if n := s.host.count(); n != 2 {
			t.Errorf("%d spawns, want 2", n)
		}
	})
}

func TestChangedAppIsDeployedAndUnchangedOnesAreNotTouched(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		other := testApp()
		set := Set{
			Apps:     map[string]AppSpec{"web": testApp(), "other": other},
			Programs: map[string]Program{"celery": testProgram(), "beat": testProgram()},
		}
		s.set(t, set)
		after(time.Minute)
		before := map[string]int{}
		for _, st := range s.Status() {
			before[st.Name] = st.PID
		}
		changed := testApp()
		changed.Workers = 3
		beat := testProgram()
		beat.Directory = "/elsewhere"
		applied := s.set(t, Set{
			Apps:     map[string]AppSpec{"web": changed, "other": other},
			Programs: map[string]Program{"celery": testProgram(), "beat": beat, "new": testProgram()},
		})
		if err := applied.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		after(time.Second)
		for _, st := range s.Status() {
			same := st.PID == before[st.Name]
			if want := st.Name == "other" || st.Name == "celery"; same != want || st.State != Running {
				t.Errorf("%s: pid %d before, %d now, %v", st.Name, before[st.Name], st.PID, st.State)
			}
		}
		equal(t, "added", applied.Added, []string{"new"})
		equal(t, "changed", applied.Changed, []string{"beat", "web"})
		removed := s.set(t, Set{Apps: map[string]AppSpec{"web": changed}})
		if err := removed.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if n := len(s.Status()); n != 1 {
			t.Errorf("%d left, want 1", n)
		}
	})
}

func TestEqualSetDoesNothing(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		for range 5 {
			applied := s.web(t, testApp())
			if len(applied.Changed)+len(applied.Removed) > 0 {
				t.Errorf("changed %v, removed %v", applied.Changed, applied.Removed)
			}
		}
		if n := s.host.count(); n != 1 {
			t.Errorf("%d spawns, want 1", n)
		}
	})
}

func TestNewLimitIsPublishedWithoutADeploy(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		spec := testApp()
		s.web(t, spec)
		spec.MaxConns = 7
		s.web(t, spec)
		if got := s.front.last(); got.Limit != 7 || got.Generation != 1 || got.State != AppReady {
			t.Errorf("published %+v", got)
		}
	})
}

func TestNameOfAnAppAndAProgramIsRefused(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		_, err := s.Apply(Set{Apps: map[string]AppSpec{"x": testApp()}, Programs: map[string]Program{"x": testProgram()}})
		if err == nil {
			t.Error("taken")
		}
	})
}

func TestStartAscendsAndShutdownDescends(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		progs := map[string]Program{}
		for name, prio := range map[string]int{"first": 1, "second": 2, "third": 3} {
			p := testProgram()
			p.Priority = prio
			progs[name] = p
		}
		s.set(t, Set{Programs: progs})
		var order []string
		for i := range s.host.count() {
			order = append(order, s.host.child(i).spec.Name)
		}
		equal(t, "started", order, []string{"first", "second", "third"})
		s.host.child(2).ignoresTerm()
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(context.Background()) }()
		after(9 * time.Second)
		if got := s.host.child(1).got(); len(got) != 0 {
			t.Errorf("second got %v before third was down", got)
		}
		after(2 * time.Second)
		if err := answered(t, done); err != nil {
			t.Error(err)
		}
		if err := s.Start(context.Background(), "first"); !errors.Is(err, ErrShutdown) {
			t.Errorf("start after the shutdown: %v", err)
		}
	})
}

func TestShutdownKillsWhenItsTimeIsOver(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		spec := testApp()
		spec.Stopwaitsecs = 3600
		s.web(t, spec)
		s.host.child(0).ignoresTerm()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		equal(t, "signals", s.host.child(0).got(), []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL})
	})
}

// A second Ctrl-C must not wait for what a reload has taken out of the configuration.
func TestShutdownKillsWhatWasRemovedWhenItsTimeIsOver(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		spec := testApp()
		spec.Stopwaitsecs = 3600
		s.web(t, spec)
		s.host.child(0).ignoresTerm()
		removed := s.set(t, Set{})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := removed.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("took %v; expected 5s", took)
		}
		equal(t, "signals", s.host.child(0).got(), []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL})
	})
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		p := testProgram()
		p.Autostart = false
		s.set(t, Set{Programs: map[string]Program{"x": p}})
		if got := s.Status()[0].Description; got != "Not started" {
			t.Errorf("description %q", got)
		}
		s.host.born = func(c *fakeChild) { c.end(Exit{Code: 1}) }
		if err := s.Start(t.Context(), "x"); !errors.Is(err, ErrAbnormal) {
			t.Errorf("got %v, want %v", err, ErrAbnormal)
		}
		if err := s.Start(t.Context(), "y"); !errors.Is(err, ErrNoSuchName) {
			t.Errorf("got %v, want %v", err, ErrNoSuchName)
		}
		if err := s.Deploy(t.Context(), "x"); err == nil {
			t.Error("a program was deployed")
		}
	})
}

func TestEachDeployIsToldOnceWithItsResult(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		var told []Deployment
		s.opts.Deployed = func(d Deployment) { told = append(told, d) }
		s.web(t, testApp()) // a first start is no deploy
		if err := answered(t, s.deploy()); err != nil {
			t.Fatal(err)
		}
		s.front.probe = func(context.Context, int) error { return errRefused }
		failed := s.deploy()
		after(60 * time.Second)
		answered(t, failed)
		s.front.probe = never
		s.deploy()
		if err := s.Stop(t.Context(), "web"); err != nil {
			t.Fatal(err)
		}
		s.front.probe = nil
		if len(told) != 3 {
			t.Fatalf("told %+v", told)
		}
		var notReady *DeployError
		for i, ok := range []bool{
			told[0].Err == nil && told[0].Generation == 2 && told[0].Name == "web",
			errors.As(told[1].Err, &notReady) && told[1].Generation == 3 && told[1].Took == 60*time.Second,
			errors.Is(told[2].Err, ErrCancelled) && told[2].Generation == 4,
		} {
			if !ok {
				t.Errorf("deploy %d: %+v", i, told[i])
			}
		}
	})
}
