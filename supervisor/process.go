package supervisor

import (
	"context"
	"errors"
	"os"
	"time"

	"go.uber.org/zap"
)

// Process is the life of one process: spawned, watched, restarted, stopped. One
// goroutine owns its state; everybody else sends it requests or reads snapshots.
type Process struct {
	requests chan request
	done     chan struct{} // closed when run has returned
	shown    published[Snapshot]

	// Below is owned by run.
	spec    Spec
	next    *Spec // takes the place of spec at the next start
	host    host
	notify  func(Event)
	changed func()
	log     *zap.Logger

	state   ProcessState
	child   *child // nil when there is none
	lastPID int
	exited  <-chan Exit // the child's; nil when there is none
	timer   *time.Timer // runs in STARTING, BACKOFF and STOPPING
	since   time.Time   // of the state
	started time.Time   // last spawn
	ended   time.Time   // last end of a child
	retryAt time.Time   // in BACKOFF
	tries   tries
	exit    *Exit  // of the last child
	err     string // why it is not up (Supervisor: spawnerr)
	failing string // STOPPING: why the start failed; "" when the stop was asked for
	again   bool   // STOPPING: start again when it is gone
	trial   bool   // a failed start is final
	lines   func(n int) []string
	leaving bool // run returns as soon as it can let go of the child
	closed  bool // run returns
	left    State
	files   []*os.File
}

// ProcessOptions are what a Process needs beside its Spec.
type ProcessOptions struct {
	Notify  func(Event) // called for each transition by the process's goroutine; must not block
	Changed func()      // called after each new snapshot; must not block
	Logger  *zap.Logger // nil: no log

	// From and Files take over a running process instead of waiting for Start:
	// what Leave of a former Process returned.
	From  *State
	Files []*os.File

	System *System // starts the children

	host host // of a test; else System's
}

// NewProcess returns a process that rests in STOPPED, or one rebuilt from a State.
// It lives until Close or Leave.
func NewProcess(spec Spec, opts ProcessOptions) *Process {
	p := &Process{
		requests: make(chan request), done: make(chan struct{}),
		spec: spec, host: opts.host, notify: opts.Notify, changed: opts.Changed, log: opts.Logger,
		timer: time.NewTimer(0), since: time.Now(), trial: spec.Trial,
		lines: func(int) []string { return nil },
	}
	p.timer.Stop()
	if p.host.spawn == nil {
		p.host = opts.System.host()
	}
	if p.log == nil {
		p.log = zap.NewNop()
	}
	if opts.From != nil {
		p.takeOver(*opts.From, opts.Files)
	}
	p.publish()
	go p.run()
	return p
}

// run is the life of a process. Every wait of a state is the one timer.
func (p *Process) run() {
	defer close(p.done)
	for !p.closed {
		select {
		case r := <-p.requests:
			p.answer(r, p.serve(r))
		case exit := <-p.exited:
			p.ends(exit)
		case <-p.timer.C:
			p.due()
		}
		p.publish()
		p.letGo()
	}
}

// due is what a state does when its time is over.
func (p *Process) due() {
	switch p.state {
	case Starting:
		if p.spec.probed() {
			p.notReady()
		} else {
			p.up()
		}
	case Backoff:
		p.start()
	case Stopping:
		p.kill()
	}
}

// ends is what a state does when the child has ended.
func (p *Process) ends(exit Exit) {
	p.lastPID = p.child.pid
	p.child, p.exited, p.exit = nil, nil, &exit
	p.ended = time.Now()
	p.timer.Stop()
	if p.state == Starting && !p.spec.probed() && p.ended.Sub(p.started) >= p.spec.settle() {
		p.up() // the timer fires at this very moment
	}
	switch p.state {
	case Starting:
		p.startFailed(p.tooQuick(exit))
	case Running:
		p.endedRunning(exit)
	case Stopping, Unknown:
		p.stopped()
	}
}

// The errors of requests. Supervisor's faults stand behind them.
var (
	ErrAlreadyStarted = errors.New("already started")                // ALREADY_STARTED
	ErrNotRunning     = errors.New("not running")                    // NOT_RUNNING
	ErrClosed         = errors.New("the process is no longer there") // its Process was closed
)

type operation int

const (
	opStart operation = iota
	opStop
	opRestart
	opKill
	opSignal
	opReady
	opUpdate
	opLeave
	opClose
)

type request struct {
	op     operation
	signal Signal
	pid    int
	spec   *Spec
	reply  chan error
}

// answer comes after the snapshot, so that who asked sees what came of it.
func (p *Process) answer(r request, err error) {
	p.publish()
	r.reply <- err
}

// ask sends a request and waits for the answer.
func (p *Process) ask(r request) error {
	r.reply = make(chan error, 1)
	select {
	case p.requests <- r:
		return <-r.reply
	case <-p.done:
		return ErrClosed
	}
}

// Snapshot returns what the process is now.
func (p *Process) Snapshot() Snapshot { return p.shown.get() }

// Wait returns the first snapshot, from the present one on, that accept takes.
func (p *Process) Wait(ctx context.Context, accept func(Snapshot) bool) (Snapshot, error) {
	return p.shown.wait(ctx, accept)
}
