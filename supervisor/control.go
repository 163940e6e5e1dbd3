package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Start starts an app or a program and waits until it is RUNNING. ErrAlreadyStarted;
// ErrNoFile and ErrNotExecutable when the command cannot be run; ErrAbnormal when
// it did not come up: it may be tried again all the same.
func (m *Manager) Start(ctx context.Context, name string) error {
	mb, err := m.find(name)
	if err != nil {
		return err
	}
	if err := mb.begin(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	return mb.awaitUp(ctx)
}

// Stop stops an app or a program and waits until it is down. When ctx ends it is
// killed. ErrNotRunning.
func (m *Manager) Stop(ctx context.Context, name string) error {
	mb, err := m.find(name)
	if err != nil {
		return err
	}
	if err := mb.stop(ctx); err != nil {
		return fmt.Errorf("stop %s: %w", name, err)
	}
	return nil
}

// Restart stops and starts, and waits until it is RUNNING again. An app keeps its
// socket, and requests wait. For new code without a gap there is Deploy.
func (m *Manager) Restart(ctx context.Context, name string) error {
	mb, err := m.find(name)
	if err != nil {
		return err
	}
	if mb.app != nil {
		err = mb.app.ask(ctx, appRequest{op: appRestart})
	} else {
		err = mb.process.Restart()
	}
	if err != nil {
		return fmt.Errorf("restart %s: %w", name, err)
	}
	return mb.awaitUp(ctx)
}

// Signal sends a signal to the process of that name, not to its group.
func (m *Manager) Signal(name string, sig Signal) error {
	mb, err := m.find(name)
	if err != nil {
		return err
	}
	if mb.app != nil {
		err = mb.app.ask(context.Background(), appRequest{op: appSignal, signal: sig})
	} else {
		err = mb.process.Signal(sig)
	}
	if err != nil {
		return fmt.Errorf("signal %s: %w", name, err)
	}
	return nil
}

// Deploy starts a new generation of an app and returns when it serves and the old
// one is gone. A *DeployError means that it failed and the old one serves on; the
// end of ctx ends the wait, not the deploy.
func (m *Manager) Deploy(ctx context.Context, name string) error {
	mb, err := m.find(name)
	if err != nil {
		return err
	}
	if mb.app == nil {
		return fmt.Errorf("deploy %s: it is a program, not an app; restart it instead", name)
	}
	return mb.app.ask(ctx, appRequest{op: appDeploy})
}

// awaitUp waits for the end of STARTING.
func (mb *member) awaitUp(ctx context.Context) error {
	settled := func(s Snapshot) bool {
		return s.State != Starting && !(s.State == Stopping && s.Again)
	}
	s, err := mb.awaitSnapshot(ctx, settled)
	if err == nil && s.State != Running && !(s.State == Exited && s.Err == "") {
		return fmt.Errorf("start %s: %w: %s", mb.name, ErrAbnormal, s.Err)
	}
	return err
}

func (mb *member) awaitSnapshot(ctx context.Context, accept func(Snapshot) bool) (Snapshot, error) {
	if mb.app == nil {
		return mb.process.Wait(ctx, accept)
	}
	s, err := mb.app.shown.wait(ctx, func(s AppSnapshot) bool { return !s.Restarting && accept(s.Process) })
	return s.Process, err
}

// Shutdown stops everything, in descending priority, and waits: the next priority
// begins when the one before is down. When ctx ends what is left is killed. The
// Manager is of no use afterwards.
func (m *Manager) Shutdown(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	defer context.AfterFunc(ctx, m.kill)() // what an Apply has removed too
	m.apply.Lock()                         // an Apply under way has started what it was to start
	defer m.apply.Unlock()
	order := m.list()
	slices.Reverse(order)
	var (
		mu   sync.Mutex
		errs []error
	)
	for len(order) > 0 {
		n := 1
		for n < len(order) && order[n].program.Priority == order[0].program.Priority {
			n++
		}
		var group sync.WaitGroup
		for _, mb := range order[:n] {
			group.Go(func() {
				err := mb.stop(ctx)
				mb.close()
				if err != nil && !errors.Is(err, ErrNotRunning) {
					mu.Lock()
					errs = append(errs, fmt.Errorf("stop %s: %w", mb.name, err))
					mu.Unlock()
				}
			})
		}
		group.Wait()
		order = order[n:]
	}
	m.work.Wait()
	m.mu.Lock()
	clear(m.members)
	m.mu.Unlock()
	return errors.Join(errs...)
}

// Status is one line of `status`.
type Status struct {
	Name        string
	Kind        Kind
	State       ProcessState
	StateName   string
	Description string // as Supervisor's
	PID         int
	Generation  int           // of an app; 0: none
	Deploying   int           // the generation being deployed; 0: none
	Uptime      time.Duration // 0 when it is down
	Started     time.Time     // last start; zero: never
	Ended       time.Time     // last end; zero: never
	Exit        *Exit         // of the last process that ended
	SpawnErr    string        // why it is not up
	LastErr     string        // of an app: why the last deploy failed
	Workers     int           // of an app, as configured; 0: not set
	Limit       int           // of an app: requests at once
	Socket      string        // of an app: its name in the folder of sockets
	Stdout      string        // path of the log; "": none
	Stderr      string
	Dropped     uint64 // bytes of output that were not written to the logs
}

// Status returns the state of all apps and programs, sorted by name.
func (m *Manager) Status() []Status {
	var all []Status
	for _, mb := range m.list() {
		all = append(all, m.status(mb))
	}
	slices.SortFunc(all, func(a, b Status) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}

func (m *Manager) status(mb *member) Status {
	s := mb.snapshot()
	m.mu.Lock()
	prog, spec, workers := mb.program, mb.spec, mb.appAs.Workers
	m.mu.Unlock()
	st := Status{
		Name: mb.name, Kind: s.Kind, State: s.State, StateName: s.State.String(),
		Description: s.Description(), PID: s.PID, Generation: s.Generation, Uptime: s.Uptime(),
		Started: s.Started, Ended: s.Ended, Exit: s.Exit, SpawnErr: s.Err,
		Stdout: logPath(m.opts.LogDir, prog.StdoutLogfile, mb.name, "out"),
	}
	if !prog.RedirectStderr {
		st.Stderr = logPath(m.opts.LogDir, prog.StderrLogfile, mb.name, "err")
	}
	if mb.app == nil {
		st.Dropped = dropped(&spec)
		return st
	}
	a := mb.app.shown.get()
	st.Deploying, st.LastErr, st.Dropped = a.Deploying, a.LastErr, a.Dropped
	st.Limit, st.Socket, st.Workers = a.Front.Limit, a.Front.Socket, workers
	return st
}

// Survivors returns what to note for the keeper after this one; note it again when
// Options.Changed is called. All generations are in it: the marker of a process that
// sets its title (setproctitle) may be overwritten.
func (m *Manager) Survivors() Survivors {
	s := Survivors{Instance: m.opts.System.Instance}
	for _, mb := range append(m.list(), m.listLeaving()...) {
		s.Processes = append(s.Processes, mb.survivors()...)
	}
	return s
}
