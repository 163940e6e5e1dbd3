package keeper

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"paddock/internal/metrics"
	"paddock/supervisor"
)

// story is a row of transitions of one app or program.
type story struct {
	l    *ledger
	kind supervisor.Kind
	last map[int]supervisor.ProcessState
}

func (s *story) to(state supervisor.ProcessState, generation, pid int, exit *supervisor.Exit) {
	e := supervisor.Event{Time: time.Now(), Name: "web", Kind: s.kind, Generation: generation, From: s.last[generation], To: state, PID: pid, Exit: exit}
	if state == supervisor.Backoff {
		e.Delay = time.Minute
	}
	s.last[generation] = state
	s.l.event(e)
}

func (s *story) account() *account { return s.l.of(s.kind, "web") }

func tell(kind supervisor.Kind) *story {
	return &story{l: newLedger(), kind: kind, last: map[int]supervisor.ProcessState{}}
}

func wantText(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestRestartIsCountedByWhatLedToIt(t *testing.T) {
	exit1, killed := &supervisor.Exit{Code: 1}, &supervisor.Exit{Code: -1, Signal: syscall.SIGKILL}
	s := tell(supervisor.KindApp)
	s.to(supervisor.Starting, 1, 0, nil) // the first start of all
	s.to(supervisor.Running, 1, 10, nil)
	s.to(supervisor.Exited, 1, 10, killed) // a crash after a stable run
	s.to(supervisor.Starting, 1, 0, nil)
	s.to(supervisor.Running, 1, 11, nil)
	s.to(supervisor.Exited, 1, 11, exit1) // another one at once
	s.to(supervisor.Backoff, 1, 11, exit1)
	if d := s.account().backoff(); d < 50*time.Second || d > time.Minute {
		t.Errorf("back-off %v", d)
	}
	s.to(supervisor.Starting, 1, 0, nil)
	wantText(t, "back-off while it starts", s.account().backoff(), time.Duration(0))
	s.to(supervisor.Backoff, 1, 12, exit1) // the start failed
	s.to(supervisor.Starting, 1, 0, nil)
	s.to(supervisor.Backoff, 1, 12, exit1) // it could not be spawned: the exit is the old one
	s.to(supervisor.Starting, 1, 0, nil)
	s.to(supervisor.Stopping, 1, 13, nil) // not ready in time
	s.to(supervisor.Backoff, 1, 13, killed)
	s.to(supervisor.Starting, 1, 0, nil)
	s.to(supervisor.Running, 1, 14, nil)
	s.to(supervisor.Starting, 2, 0, nil) // a deploy
	s.to(supervisor.Running, 2, 15, nil)
	s.to(supervisor.Stopping, 1, 14, nil)
	s.to(supervisor.Stopped, 1, 14, &supervisor.Exit{})
	s.to(supervisor.Stopping, 2, 15, nil) // restart
	s.to(supervisor.Stopped, 2, 15, &supervisor.Exit{})
	s.to(supervisor.Starting, 2, 0, nil)
	s.to(supervisor.Running, 2, 16, nil)
	wantText(t, "restarts", s.account().restarts, map[string]uint64{
		metrics.RestartExit: 2, metrics.RestartFailed: 2, metrics.RestartHealth: 1, metrics.RestartDeploy: 1, metrics.RestartRequest: 1,
	})
	wantText(t, "exits", s.account().exits, map[string]uint64{"SIGKILL": 2, "1": 2, "0": 2})
}

func TestLedgerDoesNotGrowWithDeploys(t *testing.T) {
	s := tell(supervisor.KindApp)
	const n = 1000
	for g := 1; g <= n; g++ {
		s.to(supervisor.Starting, g, 0, nil)
		s.to(supervisor.Running, g, g, nil)
		if g > 1 {
			s.to(supervisor.Stopped, g-1, g-1, &supervisor.Exit{})
		}
	}
	a := s.account()
	if len(a.up) > 2 || len(a.counted) > 3 || len(a.reason) > 2 || len(a.retryAt) > 2 {
		t.Errorf("after %d deploys: %d, %d, %d, %d entries", n, len(a.up), len(a.counted), len(a.reason), len(a.retryAt))
	}
	wantText(t, "restarts", a.restarts, map[string]uint64{metrics.RestartDeploy: n - 1})
	s.l.keep(func(supervisor.Owner) bool { return false })
	wantText(t, "owners left", len(s.l.owners), 0)
}

func TestResultsOfDeploysAndReloadsAreCounted(t *testing.T) {
	l := newLedger()
	for _, err := range []error{nil, nil, errors.New("no"), fmt.Errorf("x: %w", supervisor.ErrCancelled)} {
		l.deployed(supervisor.Deployment{Name: "web", Took: 2 * time.Second, Err: err})
	}
	for _, err := range []error{nil, errors.New("no"), errors.New("no")} {
		l.reloaded(err)
	}
	var out metrics.Keeper
	out.Deploys = map[string]metrics.Deploys{}
	status := supervisor.Status{Name: "web", Kind: supervisor.KindApp, StateName: "RUNNING", PID: 7, Started: time.Unix(5, 0)}
	usage := map[supervisor.Owner]supervisor.Usage{{Kind: supervisor.KindApp, Name: "web"}: {Processes: 3, RSS: 9}}
	l.fill(&out, []supervisor.Status{status}, usage)
	wantText(t, "deploys", out.Deploys["web"].Results, map[string]uint64{"success": 2, "failure": 1, "cancelled": 1})
	wantText(t, "seconds", out.Deploys["web"].Seconds.Sum, 4)
	wantText(t, "reloads", []any{out.ReloadsOK, out.ReloadsFailed, out.ReloadOK}, []any{1, 2, false})
	p := out.Processes[0]
	wantText(t, "process", []any{p.Name, p.State, p.Processes, p.RSS, p.Started.Unix()}, []any{"web", "RUNNING", 3, 9, 5})
}
