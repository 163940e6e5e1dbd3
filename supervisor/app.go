package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sync"
	"time"

	"go.uber.org/zap"
)

// AppSpec is one app as configured.
type AppSpec struct {
	App
	HealthTimeout time.Duration // from spawn to the answer of the probe; 0: DefaultHealthTimeout
	DrainLimit    time.Duration // for requests in flight at a deploy; 0: DefaultDrainLimit
	MaxConns      int           // requests at once; 0: what is known of the app
	ShowOutput    bool          // the front is told the last lines of an app that is down
}

func (s AppSpec) drainLimit() time.Duration {
	if s.DrainLimit > 0 {
		return s.DrainLimit
	}
	return DefaultDrainLimit
}

// app is the life of one app: which generation serves, and the one operation
// (deploy, stop) that is under way. One goroutine owns it.
type app struct {
	name       string
	requests   chan appRequest
	probes     chan probeResult
	drains     chan *generation
	limits     chan told
	wake       chan struct{} // a process has a new snapshot
	done       chan struct{}
	ctx        context.Context // ends with the goroutine
	cancel     context.CancelFunc
	background sync.WaitGroup // probes and drains
	shown      published[AppSnapshot]

	// Below is owned by run.
	opts       appOptions
	log        *zap.Logger
	spec       AppSpec
	last       int         // highest number of a generation
	live       *generation // serves, or tries to; nil: stopped
	next       *generation // being deployed
	old        *generation // replaced, being drained and stopped
	deploying  []chan error
	deployment Deployment   // under way; no Name: none
	began      time.Time    // of it
	waiting    []chan error // deploys asked for meanwhile: one serves them all
	stopping   []chan error // stops asked for
	restarting bool         // live is stopped only to be started again
	leaving    *appRequest
	lastErr    string
	past       Snapshot // of the process when there is no generation
	answers    []func() // given after the snapshot shows what came of the requests
	closed     bool
}

// appOptions are what the Manager gives each App.
type appOptions struct {
	Front       Front
	Notify      func(Event)
	Deployed    func(Deployment)
	Changed     func()
	System      *System
	Logger      *zap.Logger
	SocketDir   string
	SocketGroup int
	sinks       *sinks
	host        host
}

// AppSnapshot is what an app was at one moment.
type AppSnapshot struct {
	Process    Snapshot // of the generation that serves; of the last one when stopped
	Front      AppState
	Deploying  int    // generation being deployed; 0: none
	Retiring   int    // generation being drained; 0: none
	LastErr    string // of the last deploy, "" when it went well
	Dropped    uint64 // bytes of output that were not written
	Restarting bool
	Others     []Survivor // the processes of Deploying and Retiring
}

// survivors are what to note of the app for the keeper after this one.
func (s AppSnapshot) survivors() []Survivor {
	if s.Process.PID == 0 {
		return s.Others
	}
	return append([]Survivor{s.Process.Survivor()}, s.Others...)
}

type appOperation int

const (
	appStart appOperation = iota
	appStop
	appRestart
	appDeploy
	appUpdate
	appSignal
	appKill
	appLeave
	appClose
)

type appRequest struct {
	op     appOperation
	spec   *AppSpec
	signal Signal
	reply  chan error // has room for one
	left   *leftApp
}

// newApp returns an app that is stopped, or one rebuilt from a record.
func newApp(name string, spec AppSpec, opts appOptions, from *AppRecord, files []*os.File) (*app, error) {
	a := &app{
		name: name, spec: spec, opts: opts, log: opts.Logger, past: Snapshot{Name: name, Kind: KindApp},
		requests: make(chan appRequest), probes: make(chan probeResult), drains: make(chan *generation), limits: make(chan told),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	if from != nil {
		if err := a.takeOver(*from, files); err != nil {
			return nil, err
		}
	}
	a.publish()
	go a.run()
	return a, nil
}

// run is the life of an app.
func (a *app) run() {
	defer close(a.done)
	for !a.closed {
		select {
		case r := <-a.requests:
			a.serve(r)
		case r := <-a.probes:
			a.probed(r)
		case g := <-a.drains:
			a.drained(g)
		case t := <-a.limits:
			t.gen.told = t.opt
			t.gen.limit = a.capacity(t.gen)
		case <-a.wake:
		}
		a.advance()
		a.publish()
		a.reply()
	}
	a.cancel()
	a.background.Wait()
}

func (a *app) serve(r appRequest) {
	switch r.op {
	case appStart:
		a.answer(r.reply, a.startAsked())
	case appStop:
		a.stopAsked(r.reply)
	case appRestart:
		a.answer(r.reply, a.restartAsked())
	case appDeploy:
		a.deployAsked(r.reply)
	case appUpdate:
		a.updateAsked(*r.spec, r.reply)
	case appSignal:
		a.answer(r.reply, a.onLive(func(p *Process) error { return p.Signal(r.signal) }))
	case appKill:
		a.answer(r.reply, a.killAsked())
	case appLeave:
		a.leaving = &r
	case appClose:
		a.answer(r.reply, a.closeAsked())
	}
}

// send sends a request and returns where its answer will be.
func (a *app) send(r appRequest) <-chan error {
	r.reply = make(chan error, 1)
	select {
	case a.requests <- r:
	case <-a.done:
		r.reply <- ErrClosed
	}
	return r.reply
}

// ask sends a request and waits for the answer, or for the end of ctx; what was
// asked for goes on then.
func (a *app) ask(ctx context.Context, r appRequest) error {
	select {
	case err := <-a.send(r):
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *app) poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *app) startAsked() error {
	a.cancelStop("started")
	switch {
	case a.live == nil:
		return a.startGeneration()
	case a.live.process.Snapshot().State.Down() && !a.busy():
		a.dispose(a.live) // what is configured may be newer
		return a.startGeneration()
	}
	return a.live.process.Start()
}

// cancelStop gives up a stop under way: the last word counts.
func (a *app) cancelStop(word string) {
	a.answerAll(a.stopping, fmt.Errorf("stop %s: cancelled: the app was %s", a.name, word))
	a.stopping = nil
}

// startGeneration starts the code that is configured now, with nothing to replace.
func (a *app) startGeneration() error {
	g, err := a.newGeneration(a.spec, a.last+1, false, nil, nil)
	if err != nil {
		a.lastErr = err.Error()
		return err
	}
	a.last, a.live, a.lastErr = g.number, g, ""
	return g.process.Start()
}

func (a *app) restartAsked() error {
	a.cancelStop("restarted")
	if a.live == nil {
		return a.startGeneration()
	}
	a.restarting = true
	return a.live.process.Restart()
}

// updateAsked takes a new specification. A change of the code or how it is run is
// deployed; what only the front needs to know is told to it.
func (a *app) updateAsked(spec AppSpec, reply chan error) {
	old := a.spec
	a.spec = spec
	switch {
	case reflect.DeepEqual(old.App, spec.App):
		for _, g := range a.generations() {
			g.limit = a.capacity(g)
		}
		a.answer(reply, nil)
	case a.live == nil && !spec.Autostart:
		a.answer(reply, nil)
	default:
		a.deployAsked(reply)
	}
}

func (a *app) onLive(do func(*Process) error) error {
	if a.live == nil {
		return ErrNotRunning
	}
	return do(a.live.process)
}

func (a *app) killAsked() error {
	err := ErrNotRunning
	for _, g := range a.generations() {
		g.draining = false
		if g.process.Kill() == nil {
			err = nil
		}
	}
	return err
}

func (a *app) closeAsked() error {
	if len(a.generations()) > 0 {
		return errors.New("close " + a.name + ": it is not stopped")
	}
	a.closed = true
	return nil
}

// generations are those there are, the one that serves first.
func (a *app) generations() []*generation {
	var all []*generation
	for _, g := range []*generation{a.live, a.next, a.old} {
		if g != nil {
			all = append(all, g)
		}
	}
	return all
}

// answerAll answers those who asked for one thing.
func (a *app) answerAll(replies []chan error, err error) {
	for _, reply := range replies {
		a.answer(reply, err)
	}
}

// answer answers a request at the end of this round of run.
func (a *app) answer(reply chan error, err error) {
	a.answers = append(a.answers, func() { reply <- err })
}

func (a *app) reply() {
	for _, answer := range a.answers {
		answer()
	}
	a.answers = nil
}
