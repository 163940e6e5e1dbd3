package supervisor

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// set writes the state and emits the event: nothing else does either.
func (p *Process) set(to ProcessState, e Event) {
	e.Time, e.Name, e.Kind, e.Generation = time.Now(), p.spec.Name, p.spec.Kind, p.spec.Generation
	e.From, e.To, e.Tries = p.state, to, p.tries.Failed
	if p.child != nil {
		e.PID = p.child.pid
	} else if e.Exit != nil {
		e.PID = p.lastPID
	}
	p.state, p.since = to, e.Time
	if p.notify != nil {
		p.notify(e)
	}
}

// start spawns a child: STARTING, and BACKOFF at once when that failed.
func (p *Process) start() error {
	p.again, p.failing, p.err = false, "", ""
	if p.next != nil {
		p.spec, p.trial, p.next = *p.next, p.next.Trial, nil
	}
	p.started = time.Now()
	p.set(Starting, Event{})
	c, err := p.host.spawn(p.spec)
	if err != nil {
		p.startFailed(err.Error())
		return err
	}
	p.child, p.exited, p.lines = c, c.exited, c.lines
	settle := p.spec.settle()
	if settle == 0 {
		p.up() // startsecs = 0: any start counts
		return nil
	}
	p.timer.Reset(settle)
	return nil
}

// up is STARTING → RUNNING.
func (p *Process) up() {
	p.timer.Stop()
	p.tries.running()
	p.trial, p.err = false, ""
	p.set(Running, Event{})
}

// startFailed is STARTING → BACKOFF, and FATAL when there are no tries left.
func (p *Process) startFailed(why string) {
	delay := p.tries.failed(p.spec.Kind)
	p.err = why
	p.wait(delay)
	if p.trial || p.tries.exhausted(p.spec.Kind, p.spec.Startretries) {
		p.fatal()
	}
}

// wait is the way into BACKOFF.
func (p *Process) wait(delay time.Duration) {
	p.set(Backoff, Event{Delay: delay, Exit: p.exit, Err: p.err})
	p.retryAt = p.since.Add(delay)
	p.timer.Reset(delay)
}

func (p *Process) fatal() {
	p.timer.Stop()
	p.tries = tries{}
	p.set(Fatal, Event{Exit: p.exit, Err: p.err})
}

// endedRunning is RUNNING → EXITED, and what follows from autorestart.
func (p *Process) endedRunning(exit Exit) {
	up := p.ended.Sub(p.since)
	expected := p.spec.expects(exit)
	if !expected {
		p.err = "ended unexpectedly: " + exit.String()
	}
	p.set(Exited, Event{Exit: p.exit, Expected: expected, Err: p.err})
	if !p.spec.restarts(exit) {
		return
	}
	delay := p.tries.crashed(p.spec.Kind, up, p.ended)
	switch {
	case delay == 0:
		p.start()
	case p.spec.Kind == KindApp && p.tries.exhausted(KindApp, p.spec.Startretries):
		p.fatal()
	default:
		p.wait(delay)
	}
}

// notReadyText begins the error of an app that ran and did not become ready.
const notReadyText = "not ready within"

// notReady ends an app whose probe was not answered in time. It counts as a failed
// start when it is gone.
func (p *Process) notReady() {
	p.stop(fmt.Sprintf("%s %v", notReadyText, p.spec.settle()))
}

// stop is STARTING or RUNNING → STOPPING.
func (p *Process) stop(failing string) {
	p.again, p.failing = false, failing
	p.set(Stopping, Event{Err: failing})
	p.timer.Reset(p.spec.Stopwaitsecs.D())
	p.signalled(p.child.end(syscall.Signal(p.spec.Stopsignal), p.spec.Stopasgroup))
}

// kill ends what did not obey the stop signal. It is repeated every stopwaitsecs
// until the child is reaped.
func (p *Process) kill() {
	p.log.Warn("killing", zap.String("name", p.spec.Name), zap.Int("pid", p.child.pid))
	p.timer.Reset(max(p.spec.Stopwaitsecs.D(), time.Second))
	p.signalled(p.child.kill())
}

// signalled notes that a signal could not be sent. A process that is gone is no
// fault: its end is about to be told.
func (p *Process) signalled(err error) {
	if err == nil || errors.Is(err, syscall.ESRCH) {
		return
	}
	p.timer.Stop()
	p.err = "cannot signal it: " + err.Error()
	p.set(Unknown, Event{Err: p.err})
}

// stopped is STOPPING → STOPPED once the child is gone, or BACKOFF → STOPPED at
// once; then whatever was to follow.
func (p *Process) stopped() {
	p.timer.Stop()
	if why := p.failing; why != "" {
		p.failing = "" // BACKOFF follows, and a stop of that is no failed start
		p.startFailed(why)
		return
	}
	again := p.again
	p.again, p.err = false, ""
	p.set(Stopped, Event{Exit: p.exit})
	if again {
		p.tries = tries{}
		p.start()
	}
}

// tooQuick says why an end in STARTING is a failed start, in Supervisor's words.
func (p *Process) tooQuick(exit Exit) string {
	if p.spec.probed() {
		return "ended before it was ready: " + exit.String() + " (process log may have details)"
	}
	return "Exited too quickly (process log may have details)"
}
