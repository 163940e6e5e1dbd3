package supervisor

import (
	"context"
	"fmt"
	"os"
	"syscall"
)

// Start spawns the process and returns when that was tried. The error is
// ErrAlreadyStarted, or why the command could not be started; the process is then
// in BACKOFF or FATAL. STOPPING is no error: it starts again when it has stopped.
func (p *Process) Start() error { return p.ask(request{op: opStart}) }

// BeginStop tells the process to end and does not wait. ErrNotRunning: it is down.
func (p *Process) BeginStop() error { return p.ask(request{op: opStop}) }

// Stop tells the process to end and waits until it has. When ctx ends first the
// process is killed, and Stop still waits.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.BeginStop(); err != nil {
		return err
	}
	down := func(s Snapshot) bool { return s.State.Down() }
	if _, err := p.Wait(ctx, down); err == nil {
		return nil
	}
	p.Kill()
	_, err := p.Wait(context.Background(), down)
	return err
}

// Restart stops the process if it is up, and starts it. It does not wait.
func (p *Process) Restart() error { return p.ask(request{op: opRestart}) }

// Kill ends the process, its group and what escaped from it with SIGKILL.
func (p *Process) Kill() error { return p.ask(request{op: opKill}) }

// Signal sends a signal to the process alone, not to its group: gunicorn's workers
// die of a HUP that its master takes as a reload.
func (p *Process) Signal(sig Signal) error { return p.ask(request{op: opSignal, signal: sig}) }

// Ready says that the probe of the process with that pid was answered.
func (p *Process) Ready(pid int) error { return p.ask(request{op: opReady, pid: pid}) }

// Update gives the process a new Spec. If it is up it is stopped and started; if
// it is down it is started when the new Spec has autostart (Supervisor: update).
func (p *Process) Update(spec Spec) error { return p.ask(request{op: opUpdate, spec: &spec}) }

// Close ends the goroutine of a process that is down. It is an error to close one
// that is up: Stop it, or Leave it.
func (p *Process) Close() error {
	err := p.ask(request{op: opClose})
	if err == nil {
		<-p.done
	}
	return err
}

// Leave ends the goroutine and leaves the child running. What it returns rebuilds
// the process: descriptors in State are indexes into the files. An end that is
// under way is waited for.
func (p *Process) Leave() (State, []*os.File, error) {
	if err := p.ask(request{op: opLeave}); err != nil {
		return State{}, nil, err
	}
	<-p.done
	return p.left, p.files, nil
}

// serve answers one request.
func (p *Process) serve(r request) error {
	switch r.op {
	case opStart:
		return p.startAsked()
	case opStop:
		return p.stopAsked()
	case opRestart:
		return p.restartAsked()
	case opKill:
		return p.killAsked()
	case opSignal:
		return p.signalAsked(r.signal)
	case opReady:
		return p.readyAsked(r.pid)
	case opUpdate:
		return p.updateAsked(*r.spec)
	case opLeave:
		p.leaving = true
	case opClose:
		if p.child != nil || !p.state.Down() {
			return fmt.Errorf("close %s: it is %v", p.spec.Name, p.state)
		}
		p.closed = true
	}
	return nil
}

func (p *Process) startAsked() error {
	switch {
	case p.state.Up() || p.child != nil && p.state != Stopping:
		return ErrAlreadyStarted
	case p.state == Stopping:
		p.again, p.failing = true, ""
		return nil
	}
	p.tries = tries{}
	return p.start()
}

func (p *Process) stopAsked() error {
	switch p.state {
	case Backoff:
		p.stopped()
	case Starting, Running:
		p.stop("")
	case Stopping:
		p.again, p.failing = false, ""
	case Unknown:
		return p.killAsked()
	default:
		return ErrNotRunning
	}
	return nil
}

func (p *Process) restartAsked() error {
	if err := p.stopAsked(); err == nil && p.child != nil {
		p.again = true
		return nil
	}
	return p.startAsked()
}

func (p *Process) killAsked() error {
	if p.child == nil {
		return ErrNotRunning
	}
	p.again, p.failing = false, ""
	if p.state != Stopping {
		p.set(Stopping, Event{})
	}
	p.kill()
	return nil
}

func (p *Process) signalAsked(sig Signal) error {
	if !p.state.Signallable() || p.child == nil {
		return ErrNotRunning
	}
	if err := p.child.signal(syscall.Signal(sig), false); err != nil {
		return fmt.Errorf("signal %s: %w", p.spec.Name, err)
	}
	return nil
}

func (p *Process) readyAsked(pid int) error {
	if p.state != Starting || p.child == nil || p.child.pid != pid {
		return fmt.Errorf("ready %s: process %d is not starting", p.spec.Name, pid)
	}
	p.up()
	return nil
}

func (p *Process) updateAsked(spec Spec) error {
	p.next = &spec // the present child is stopped by the rules it was started with
	if p.state.Up() || p.state == Stopping && p.again || spec.Autostart {
		return p.restartAsked()
	}
	return nil
}
