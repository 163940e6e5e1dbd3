package supervisor

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// onPaper runs body with a process of fake children, and ends it.
func onPaper(t *testing.T, spec Spec, body func(p *Process, h *fakeHost, j *journal)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h, j := newFakeHost(), &journal{}
		spec.Name = "x"
		p := NewProcess(spec, ProcessOptions{Notify: j.notify, host: h.host()})
		body(p, h, j)
		p.Kill()
		synctest.Wait()
		p.BeginStop()
		synctest.Wait()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
}

func program() Spec { return Spec{Program: testProgram(), Kind: KindProgram} }

func appProcess() Spec {
	p := DefaultApp()
	p.Command = command("/bin/true")
	return Spec{Program: p.Program, Kind: KindApp}
}

func TestProgramIsRunningAfterStartsecs(t *testing.T) {
	onPaper(t, program(), func(p *Process, _ *fakeHost, j *journal) {
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		equal(t, "at once", j.take(), []ProcessState{Starting})
		after(time.Second)
		equal(t, "after a second", j.take(), []ProcessState{Running})
		if err := p.Start(); !errors.Is(err, ErrAlreadyStarted) {
			t.Errorf("second start: got %v, want %v", err, ErrAlreadyStarted)
		}
	})
}

func TestProgramThatNeverComesUpIsTriedFourTimes(t *testing.T) {
	onPaper(t, program(), func(p *Process, h *fakeHost, j *journal) {
		h.born = func(c *fakeChild) { c.end(Exit{Code: 0}) }
		p.Start()
		after(time.Minute)
		equal(t, "spawned at", h.spawns, []time.Duration{0, 1 * time.Second, 3 * time.Second, 6 * time.Second})
		equal(t, "states", j.take(), []ProcessState{Starting, Backoff, Starting, Backoff, Starting, Backoff, Starting, Backoff, Fatal})
		s := p.Snapshot()
		if want := "Exited too quickly (process log may have details)"; s.Err != want || s.Description() != want {
			t.Errorf("error: got %q, want %q", s.Err, want)
		}
		h.born = nil
		if err := p.Start(); err != nil {
			t.Errorf("start of FATAL: %v", err)
		}
	})
}

func TestCommandThatCannotRunGoesToBackoffWithoutAChild(t *testing.T) {
	onPaper(t, program(), func(p *Process, h *fakeHost, j *journal) {
		h.fail = commandError{"can't find command 'x'", ErrNoFile}
		if err := p.Start(); !errors.Is(err, ErrNoFile) {
			t.Errorf("got %v, want %v", err, ErrNoFile)
		}
		equal(t, "states", j.take(), []ProcessState{Starting, Backoff})
		if got := p.Snapshot().Description(); got != "can't find command 'x'" {
			t.Errorf("description: %q", got)
		}
		if err := p.Start(); !errors.Is(err, ErrAlreadyStarted) {
			t.Errorf("start in BACKOFF: got %v, want %v", err, ErrAlreadyStarted)
		}
		if err := p.BeginStop(); err != nil {
			t.Errorf("stop in BACKOFF: %v", err)
		}
		equal(t, "states", j.take(), []ProcessState{Stopped})
		if err := p.BeginStop(); !errors.Is(err, ErrNotRunning) {
			t.Errorf("stop when stopped: got %v, want %v", err, ErrNotRunning)
		}
	})
}

func TestStartsecsZeroCountsAnyStart(t *testing.T) {
	spec := program()
	spec.Startsecs = 0
	onPaper(t, spec, func(p *Process, h *fakeHost, j *journal) {
		h.born = func(c *fakeChild) { c.end(Exit{Code: 0}) }
		p.Start()
		synctest.Wait()
		equal(t, "states", j.take(), []ProcessState{Starting, Running, Exited})
	})
}

func TestAutorestartDecidesAfterRunning(t *testing.T) {
	killed := Exit{Code: -1, Signal: syscall.SIGKILL}
	for _, c := range []struct {
		auto  Autorestart
		exit  Exit
		again bool
	}{
		{RestartNever, Exit{Code: 3}, false},
		{RestartUnexpected, Exit{Code: 0}, false},
		{RestartUnexpected, Exit{Code: 2}, false},
		{RestartUnexpected, Exit{Code: 3}, true},
		{RestartUnexpected, killed, true},
		{RestartUnexpected, Exit{Code: -1, Unknown: true}, true},
		{RestartAlways, Exit{Code: 0}, true},
	} {
		t.Run(string(c.auto)+" "+c.exit.String(), func(t *testing.T) {
			spec := program()
			spec.Autorestart, spec.Exitcodes = c.auto, []int{0, 2}
			onPaper(t, spec, func(p *Process, h *fakeHost, j *journal) {
				p.Start()
				after(20 * time.Second)
				j.take()
				h.child(0).end(c.exit)
				synctest.Wait()
				want := []ProcessState{Exited}
				if c.again {
					want = append(want, Starting)
				}
				equal(t, "states", j.take(), want)
			})
		})
	}
}

func TestCrashesAfterRunningAreSlowedDown(t *testing.T) {
	spec := program()
	spec.Autorestart = RestartAlways
	onPaper(t, spec, func(p *Process, h *fakeHost, _ *journal) {
		h.born = func(c *fakeChild) {
			time.AfterFunc(2*time.Second, func() { c.end(Exit{Code: 1}) })
		}
		p.Start()
		after(3 * time.Minute)
		var waits []time.Duration
		for i := 1; i < len(h.spawns); i++ {
			waits = append(waits, (h.spawns[i]-h.spawns[i-1]-2*time.Second)/time.Second)
		}
		equal(t, "seconds between end and start", waits, []time.Duration{0, 1, 2, 4, 8, 16, 32, 60})
	})
}

func TestStableRunMakesTheNextRestartImmediate(t *testing.T) {
	spec := program()
	spec.Autorestart = RestartAlways
	onPaper(t, spec, func(p *Process, h *fakeHost, j *journal) {
		p.Start()
		after(2 * time.Second)
		for _, n := range []int{0, 1} {
			h.child(n).end(Exit{Code: 1})
			after(2500 * time.Millisecond) // the second waits 1 s, then 1 s to RUNNING
		}
		after(stableRun)
		j.take()
		h.child(2).end(Exit{Code: 1})
		synctest.Wait()
		equal(t, "states", j.take(), []ProcessState{Exited, Starting})
	})
}

func TestStopSignalsThenKillsUntilGone(t *testing.T) {
	onPaper(t, program(), func(p *Process, h *fakeHost, j *journal) {
		p.Start()
		after(2 * time.Second)
		c := h.child(0)
		c.ignoresTerm()
		if err := p.BeginStop(); err != nil {
			t.Fatal(err)
		}
		after(9 * time.Second)
		equal(t, "signals after 9 s", c.got(), []syscall.Signal{syscall.SIGTERM})
		after(2 * time.Second)
		equal(t, "signals after 11 s", c.got(), []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL})
		equal(t, "states", j.take(), []ProcessState{Starting, Running, Stopping, Stopped})
	})
}

func TestStartWhileStoppingStartsAgain(t *testing.T) {
	onPaper(t, program(), func(p *Process, h *fakeHost, j *journal) {
		p.Start()
		after(2 * time.Second)
		h.child(0).ignoresTerm()
		p.BeginStop()
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		after(11 * time.Second)
		equal(t, "states", j.take(), []ProcessState{Starting, Running, Stopping, Stopped, Starting, Running})
	})
}

func TestUpdateStopsByTheOldRulesAndStartsByTheNew(t *testing.T) {
	onPaper(t, program(), func(p *Process, h *fakeHost, _ *journal) {
		p.Start()
		after(2 * time.Second)
		next := program()
		next.Name, next.Stopsignal, next.Directory = "x", Signal(syscall.SIGINT), "/new"
		if err := p.Update(next); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		equal(t, "signals", h.child(0).got(), []syscall.Signal{syscall.SIGTERM})
		if h.count() != 2 || h.child(1).spec.Directory != "/new" {
			t.Errorf("%d children, want the second in /new", h.count())
		}
	})
}

func TestAppIsRunningWhenItsProbeWasAnswered(t *testing.T) {
	onPaper(t, appProcess(), func(p *Process, h *fakeHost, _ *journal) {
		p.Start()
		after(20 * time.Second)
		if s := p.Snapshot().State; s != Starting {
			t.Fatalf("after 20 s: %v", s)
		}
		if err := p.Ready(h.child(0).pid + 1); err == nil {
			t.Error("ready was taken from another process")
		}
		if err := p.Ready(h.child(0).pid); err != nil {
			t.Error(err)
		}
		if s := p.Snapshot().State; s != Running {
			t.Errorf("when ready: %v", s)
		}
	})
}

func TestAppThatIsNotReadyInTimeIsStoppedAndTriedAgain(t *testing.T) {
	onPaper(t, appProcess(), func(p *Process, _ *fakeHost, j *journal) {
		p.Start()
		after(time.Minute)
		equal(t, "states", j.take(), []ProcessState{Starting, Stopping, Backoff})
		if got, want := p.Snapshot().Err, "not ready within 1m0s"; got != want {
			t.Errorf("error: got %q, want %q", got, want)
		}
		after(time.Second)
		equal(t, "a second later", j.take(), []ProcessState{Starting})
	})
}

func TestStopAfterAStartThatWasNotReadyIsFinal(t *testing.T) {
	onPaper(t, appProcess(), func(p *Process, _ *fakeHost, j *journal) {
		p.Start()
		after(time.Minute)
		equal(t, "states", j.take(), []ProcessState{Starting, Stopping, Backoff})
		if err := p.BeginStop(); err != nil {
			t.Fatal(err)
		}
		after(time.Hour)
		equal(t, "states", j.take(), []ProcessState{Stopped})
	})
}

func TestAppThatNeverBootsIsTriedForEver(t *testing.T) {
	onPaper(t, appProcess(), func(p *Process, h *fakeHost, _ *journal) {
		h.born = func(c *fakeChild) { c.end(Exit{Code: 3}) }
		p.Start()
		after(250 * time.Second)
		var waits []time.Duration
		for i := 1; i < len(h.spawns); i++ {
			waits = append(waits, (h.spawns[i]-h.spawns[i-1])/time.Second)
		}
		equal(t, "seconds between tries", waits, []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60})
	})
}

func TestAppWithStartretriesEndsInFatal(t *testing.T) {
	spec := appProcess()
	spec.Startretries = 2
	onPaper(t, spec, func(p *Process, h *fakeHost, _ *journal) {
		h.born = func(c *fakeChild) { c.end(Exit{Code: 3}) }
		p.Start()
		after(time.Hour)
		if n, s := h.count(), p.Snapshot().State; n != 3 || s != Fatal {
			t.Errorf("%d spawns and %v, want 3 and FATAL", n, s)
		}
	})
}

func TestFirstCrashOfAStableAppRestartsAtOnceThenBacksOff(t *testing.T) {
	onPaper(t, appProcess(), func(p *Process, h *fakeHost, j *journal) {
		p.Start()
		synctest.Wait()
		p.Ready(h.child(0).pid)
		after(time.Minute)
		j.take()
		h.child(0).end(Exit{Code: -1, Signal: syscall.SIGKILL})
		synctest.Wait()
		equal(t, "states", j.take(), []ProcessState{Exited, Starting})
		h.child(1).end(Exit{Code: 3})
		synctest.Wait()
		equal(t, "states", j.take(), []ProcessState{Backoff})
		if s := p.Snapshot(); s.RetryAt.Sub(s.Since) != time.Second {
			t.Errorf("first wait: %v", s.RetryAt.Sub(s.Since))
		}
	})
}

func TestTrialIsNotTriedAgainUntilItHasRun(t *testing.T) {
	spec := appProcess()
	spec.Trial = true
	onPaper(t, spec, func(p *Process, h *fakeHost, j *journal) {
		p.Start()
		h.child(0).end(Exit{Code: 3})
		after(time.Minute)
		equal(t, "states", j.take(), []ProcessState{Starting, Backoff, Fatal})
	})
	onPaper(t, spec, func(p *Process, h *fakeHost, _ *journal) {
		p.Start()
		p.Ready(h.child(0).pid)
		for n := range 3 {
			h.child(n).end(Exit{Code: 3})
			after(5 * time.Second)
		}
		if h.count() != 4 {
			t.Errorf("%d spawns, want 4", h.count())
		}
	})
}

func TestProxyRestartsAtOnceAndSlowsDownAfterFiveDeaths(t *testing.T) {
	spec := program()
	spec.Kind, spec.Startsecs, spec.Autorestart = KindProxy, 0, RestartAlways
	onPaper(t, spec, func(p *Process, h *fakeHost, _ *journal) {
		h.born = func(c *fakeChild) { time.AfterFunc(100*time.Millisecond, func() { c.end(Exit{Code: 1}) }) }
		p.Start()
		after(4 * time.Second)
		var waits []time.Duration
		for i := 1; i < len(h.spawns); i++ {
			waits = append(waits, h.spawns[i]-h.spawns[i-1]-100*time.Millisecond)
		}
		equal(t, "waits", waits, []time.Duration{0, 0, 0, 0, time.Second, time.Second, time.Second})
	})
}

func TestSignalNeedsAProcess(t *testing.T) {
	onPaper(t, program(), func(p *Process, h *fakeHost, _ *journal) {
		if err := p.Signal(Signal(syscall.SIGHUP)); !errors.Is(err, ErrNotRunning) {
			t.Errorf("stopped: got %v, want %v", err, ErrNotRunning)
		}
		p.Start()
		if err := p.Signal(Signal(syscall.SIGHUP)); err != nil {
			t.Errorf("starting: %v", err)
		}
		equal(t, "signals", h.child(0).got(), []syscall.Signal{syscall.SIGHUP})
	})
}

func TestEventOfAnEndNamesPidAndSignal(t *testing.T) {
	onPaper(t, program(), func(p *Process, h *fakeHost, j *journal) {
		p.Start()
		after(time.Minute)
		j.take()
		h.child(0).end(Exit{Code: -1, Signal: syscall.SIGSEGV})
		synctest.Wait()
		e := j.events[0]
		if e.To != Exited || e.PID != h.child(0).pid || e.Exit.Signal != syscall.SIGSEGV || e.Expected {
			t.Errorf("event: %+v", e)
		}
	})
}

func TestUptimeReadsAsSupervisorsDoes(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0:00:00", 62 * time.Second: "0:01:02", 26 * time.Hour: "1 day, 2:00:00", 49*time.Hour + time.Second: "2 days, 1:00:01",
	} {
		if got := uptime(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}
