package supervisor

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// deployLines is how much of its output a generation that failed is shown with: the
// app's traceback, and the one that gunicorn adds to it.
const deployLines = 100

// ErrCancelled is the answer to a deploy that a stop overtook.
var ErrCancelled = errors.New("cancelled: the app was stopped")

// DeployError says why a new generation does not serve. The old one still does.
type DeployError struct {
	App        string
	Generation int
	Reason     string
	Lines      []string // the last lines of its output, oldest first
}

// Error is one line, followed by the output if there was any.
func (e *DeployError) Error() string {
	text := e.headline()
	if len(e.Lines) > 0 {
		text += "; its last lines of output:\n  " + strings.Join(e.Lines, "\n  ")
	}
	return text
}

func (e *DeployError) headline() string {
	return fmt.Sprintf("deploy %s: generation %d failed: %s", e.App, e.Generation, e.Reason)
}

// deployAsked starts a deploy, or joins the one that follows the present one: a
// deploy under way may have read the code before it was changed.
func (a *app) deployAsked(reply chan error) {
	a.cancelStop("deployed")
	if a.busy() {
		a.waiting = append(a.waiting, reply)
		return
	}
	a.beginDeploy([]chan error{reply})
}

// busy reports whether an operation is under way.
func (a *app) busy() bool { return a.next != nil || a.old != nil || len(a.stopping) > 0 }

func (a *app) beginDeploy(replies []chan error) {
	a.deployment, a.began = Deployment{Name: a.name, Generation: a.last + 1}, time.Now()
	g, err := a.newGeneration(a.spec, a.last+1, true, nil, nil)
	if err != nil {
		a.lastErr = err.Error()
		a.deploying = replies
		a.deployed(fmt.Errorf("deploy %s: %w", a.name, err))
		return
	}
	a.last, a.next, a.deploying = g.number, g, replies
	g.process.Start() // a command that cannot be run shows as FATAL
}

// advance takes every operation as far as it goes now.
func (a *app) advance() {
	for _, g := range a.generations() {
		a.follow(g)
	}
	if a.live == nil || a.live.process.Snapshot().State != Stopping {
		a.restarting = false
	}
	a.advanceNext()
	a.advanceOld()
	a.advanceStop()
	if !a.busy() && len(a.waiting) > 0 {
		replies := a.waiting
		a.waiting = nil
		a.beginDeploy(replies)
	}
	a.letGo()
}

// advanceNext switches to the new generation when it is ready, and gives it up when
// it failed.
func (a *app) advanceNext() {
	if a.next == nil {
		return
	}
	switch s := a.next.process.Snapshot(); {
	case s.State.Down() && a.next.cancelled:
		a.dispose(a.next)
		a.next = nil
	case s.State == Running && !a.next.cancelled:
		a.switchOver()
	case s.State.Down():
		err := &DeployError{App: a.name, Generation: a.next.number, Reason: a.next.why(), Lines: s.Lines(deployLines)}
		a.giveUp(err)
	}
}

// switchOver sends requests to the new generation and retires the one before.
func (a *app) switchOver() {
	a.old, a.live, a.next = a.live, a.next, nil
	a.lastErr, a.restarting = "", false
	a.publish() // before the drain: nothing new must reach the old one
	if a.old == nil {
		a.deployed(nil)
		return
	}
	a.drain(a.old, a.spec.drainLimit())
}

// giveUp removes a new generation that is down; the old one never noticed.
func (a *app) giveUp(err *DeployError) {
	a.dispose(a.next)
	a.next, a.lastErr = nil, err.headline()
	a.deployed(err)
}

func (a *app) deployed(err error) {
	a.answerAll(a.deploying, err)
	a.deploying = nil
	if d := a.deployment; d.Name != "" && a.opts.Deployed != nil {
		d.Took, d.Err = time.Since(a.began), err
		a.opts.Deployed(d)
	}
	a.deployment = Deployment{}
}

// drained stops a generation with nothing in flight, or with no time left for it.
func (a *app) drained(g *generation) {
	g.draining = false
	if g == a.live && len(a.stopping) == 0 {
		return // the stop was cancelled
	}
	g.process.BeginStop() // an error: it is down already
}

// advanceOld removes the old generation when it has stopped.
func (a *app) advanceOld() {
	if a.old == nil || a.old.draining || !a.old.process.Snapshot().State.Down() {
		return
	}
	a.dispose(a.old)
	a.old = nil
	a.deployed(nil)
}

// stopAsked begins a stop. It cancels a deploy: what is new goes at once, what
// serves finishes what is in flight.
func (a *app) stopAsked(reply chan error) {
	if len(a.generations()) == 0 {
		a.answer(reply, ErrNotRunning)
		return
	}
	a.answerAll(a.waiting, ErrCancelled)
	a.waiting, a.restarting = nil, false
	first := len(a.stopping) == 0
	a.stopping = append(a.stopping, reply)
	if !first {
		return
	}
	a.deployed(ErrCancelled)
	if a.next != nil {
		a.next.cancelled = true
		a.next.stopProbe()
		a.next.process.BeginStop()
	}
	if a.old != nil {
		a.old.process.BeginStop()
	}
	if a.live != nil {
		a.publish()
		a.drain(a.live, min(a.spec.drainLimit(), a.spec.Stopwaitsecs.D()))
	}
}

// advanceStop removes the generations that have stopped, and answers when none is left.
func (a *app) advanceStop() {
	if len(a.stopping) == 0 {
		return
	}
	if a.live != nil && !a.live.draining && a.live.process.Snapshot().State.Down() {
		a.past = a.live.process.Snapshot()
		a.dispose(a.live)
		a.live = nil
	}
	if len(a.generations()) == 0 {
		a.answerAll(a.stopping, nil)
		a.stopping = nil
	}
}
