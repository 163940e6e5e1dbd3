package keeper

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"paddock/internal/metrics"
	"paddock/supervisor"
)

// ledger adds up, for metrics, what events tell. Its methods may be called by
// several goroutines and do not block.
type ledger struct {
	mu      sync.Mutex
	owners  map[supervisor.Owner]*account
	reloads struct {
		ok, failed uint64
		last       bool // the last one was good
		goodAt     time.Time
	}
}

// account is what one app or program has been through.
type account struct {
	restarts map[string]uint64
	exits    map[string]uint64
	retryAt  map[int]time.Time // of generations in BACKOFF
	reason   map[int]string    // of the next start of a generation
	up       map[int]bool      // generations that run, or are tried
	counted  map[int]int       // pid of the last end of a generation
	started  bool
	deploys  metrics.Deploys
}

func newLedger() *ledger {
	l := &ledger{owners: map[supervisor.Owner]*account{}}
	l.reloads.last, l.reloads.goodAt = true, time.Now()
	return l
}

// of returns the account of an owner; mu is held.
func (l *ledger) of(kind supervisor.Kind, name string) *account {
	o := supervisor.Owner{Kind: kind, Name: name}
	a := l.owners[o]
	if a == nil {
		a = &account{
			restarts: map[string]uint64{}, exits: map[string]uint64{}, retryAt: map[int]time.Time{}, reason: map[int]string{},
			up: map[int]bool{}, counted: map[int]int{}, deploys: metrics.Deploys{Results: map[string]uint64{}},
		}
		l.owners[o] = a
	}
	return a
}

// event notes a transition.
func (l *ledger) event(e supervisor.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.of(e.Kind, e.Name)
	a.countExit(e)
	delete(a.retryAt, e.Generation)
	switch e.To {
	case supervisor.Starting:
		a.starts(e)
	case supervisor.Backoff:
		a.retryAt[e.Generation] = e.Time.Add(e.Delay)
		a.reason[e.Generation] = backoffReason(e.From)
	case supervisor.Stopped, supervisor.Fatal:
		delete(a.up, e.Generation)
		delete(a.reason, e.Generation)
	}
}

// starts counts a start, but for the first one of all.
func (a *account) starts(e supervisor.Event) {
	reason := a.reason[e.Generation]
	switch {
	case e.From == supervisor.Exited:
		reason = metrics.RestartExit
	case e.From == supervisor.Backoff:
	case a.started && !a.up[e.Generation] && len(a.up) > 0:
		reason = metrics.RestartDeploy
	default:
		reason = metrics.RestartRequest
	}
	if a.started {
		a.restarts[reason]++
	}
	a.started = true
	a.up[e.Generation] = true
	for g := range a.counted {
		if g < e.Generation-1 { // long gone
			delete(a.counted, g)
		}
	}
}

// backoffReason tells what led into BACKOFF by the state before it.
func backoffReason(from supervisor.ProcessState) string {
	switch from {
	case supervisor.Exited:
		return metrics.RestartExit
	case supervisor.Stopping: // only what was not ready in time goes this way
		return metrics.RestartHealth
	}
	return metrics.RestartFailed
}

// countExit counts an end once: later events of the same process tell of it too.
func (a *account) countExit(e supervisor.Event) {
	if e.To == supervisor.Running {
		delete(a.counted, e.Generation) // a new process, whose pid may be that of the last
		return
	}
	if e.Exit == nil || e.PID == 0 || a.counted[e.Generation] == e.PID {
		return
	}
	a.counted[e.Generation] = e.PID
	a.exits[exitLabel(*e.Exit)]++
}

// exitLabel is "0" to "255", the name of a signal, or "unknown".
func exitLabel(e supervisor.Exit) string {
	switch {
	case e.Unknown:
		return "unknown"
	case e.Signal != 0:
		return "SIG" + supervisor.Signal(e.Signal).String()
	}
	return strconv.Itoa(e.Code)
}

// deployed notes the end of a deploy.
func (l *ledger) deployed(d supervisor.Deployment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.of(supervisor.KindApp, d.Name)
	switch {
	case d.Err == nil:
		a.deploys.Results[metrics.DeploySucceeded]++
		a.deploys.Seconds.Observe(d.Took)
	case errors.Is(d.Err, supervisor.ErrCancelled):
		a.deploys.Results[metrics.DeployCancelled]++
	default:
		a.deploys.Results[metrics.DeployFailed]++
	}
}

// reloaded notes the result of a reload.
func (l *ledger) reloaded(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.reloads
	if r.last = err == nil; r.last {
		r.ok++
		r.goodAt = time.Now()
	} else {
		r.failed++
	}
}

// keep drops the accounts that keep refuses: their owners are no longer configured.
func (l *ledger) keep(keep func(supervisor.Owner) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for o := range l.owners {
		if !keep(o) {
			delete(l.owners, o)
		}
	}
}
