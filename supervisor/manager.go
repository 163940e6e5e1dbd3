package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"go.uber.org/zap"
)

// Manager runs a set of apps and programs. Its methods may be called by several
// goroutines.
type Manager struct {
	opts  Options
	sinks *sinks

	apply sync.Mutex         // one Apply at a time
	work  sync.WaitGroup     // what goes on after an Apply has returned
	hurry context.Context    // of the stops among it: its end kills
	kill  context.CancelFunc // ends hurry

	mu      sync.Mutex
	members map[string]*member
	leaving map[string]leaver // removed, not yet stopped
	closed  bool
}

// Options are what a Manager needs.
type Options struct {
	Front       Front            // the proxy
	Notify      func(Event)      // called for each transition; must not block
	Deployed    func(Deployment) // called at the end of each deploy; must not block; nil: nobody asks
	Changed     func()           // called when a status may have changed; must not block
	System      *System
	Logger      *zap.Logger // nil: no log
	LogDir      string      // of logs named AUTO
	SocketDir   string      // of the apps' sockets; nobody else may write there
	SocketGroup int         // may connect to them; -1: nobody but the keeper's user

	// Restore and Files take over what Leave of a former Manager returned. What the
	// first Apply does not name is stopped.
	Restore *Record
	Files   []*os.File

	host host
}

// Set is all that is to run.
type Set struct {
	Apps     map[string]AppSpec
	Programs map[string]Program // no name is in both
}

// member is one app or one program.
type member struct {
	name    string
	program Program
	app     *app // nil: a program
	appAs   AppSpec
	process *Process
	spec    Spec   // of a program
	release func() // of its sinks
}

// leaver is a member that is being removed.
type leaver struct {
	*member
	gone chan struct{} // closed when it has stopped
}

// Errors of requests by name.
var (
	ErrNoSuchName = errors.New("no such process")      // BAD_NAME
	ErrAbnormal   = errors.New("abnormal termination") // ABNORMAL_TERMINATION: it did not come up
	ErrShutdown   = errors.New("shutting down")        // SHUTDOWN_STATE
)

// New returns a Manager that runs nothing, or with Options.Restore what ran before.
func New(opts Options) *Manager {
	if opts.Logger == nil {
		opts.Logger = zap.NewNop()
	}
	if opts.host.spawn == nil {
		opts.host = opts.System.host()
	}
	m := &Manager{
		opts: opts, sinks: &sinks{dir: opts.LogDir},
		members: make(map[string]*member), leaving: make(map[string]leaver),
	}
	m.hurry, m.kill = context.WithCancel(context.Background())
	return m
}

func (m *Manager) newMember(name string, app *AppSpec, prog Program) (*member, error) {
	mb := &member{name: name, program: prog}
	if app != nil {
		mb.program, mb.appAs = app.Program, *app
		opts := appOptions{
			Front: m.opts.Front, Notify: m.opts.Notify, Deployed: m.opts.Deployed, Changed: m.opts.Changed, System: m.opts.System,
			Logger: m.opts.Logger, SocketDir: m.opts.SocketDir, SocketGroup: m.opts.SocketGroup,
			sinks: m.sinks, host: m.opts.host,
		}
		var err error
		mb.app, err = newApp(name, *app, opts, m.opts.Restore.app(name), m.opts.Files)
		return mb, err
	}
	mb.spec = Spec{Program: prog, Name: name, Kind: KindProgram}
	mb.release = m.sinks.attach(&mb.spec)
	mb.process = NewProcess(mb.spec, ProcessOptions{
		Notify: m.opts.Notify, Changed: m.opts.Changed, Logger: m.opts.Logger, System: m.opts.System,
		From: m.opts.Restore.program(name), Files: m.opts.Files, host: m.opts.host,
	})
	return mb, nil
}

func (m *Manager) setApp(mb *member, spec AppSpec) {
	m.mu.Lock()
	defer m.mu.Unlock()
	mb.program, mb.appAs = spec.Program, spec
}

// update gives a program a new specification; the old sinks are let go with the
// old child.
func (m *Manager) update(mb *member, prog Program) error {
	spec := Spec{Program: prog, Name: mb.name, Kind: KindProgram}
	release := m.sinks.attach(&spec)
	m.mu.Lock()
	mb.program, mb.spec = prog, spec
	mb.release, release = release, mb.release
	m.mu.Unlock()
	pid := mb.process.Snapshot().PID
	err := mb.process.Update(spec)
	m.work.Go(func() {
		if pid != 0 {
			mb.process.Wait(context.Background(), func(s Snapshot) bool { return s.PID != pid })
		}
		release()
	})
	return err
}

// begin starts the member without waiting for it to come up.
func (mb *member) begin() error {
	if mb.app != nil {
		return mb.app.ask(context.Background(), appRequest{op: appStart})
	}
	return mb.process.Start()
}

// stop waits until the member is down; it kills when ctx ends.
func (mb *member) stop(ctx context.Context) error {
	if mb.app == nil {
		return mb.process.Stop(ctx)
	}
	stopped := mb.app.send(appRequest{op: appStop})
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
		mb.kill()
		return <-stopped
	}
}

func (mb *member) kill() error {
	if mb.app != nil {
		return mb.app.ask(context.Background(), appRequest{op: appKill})
	}
	return mb.process.Kill()
}

// close ends the goroutines of a member that is down.
func (mb *member) close() {
	if mb.app != nil {
		if mb.app.ask(context.Background(), appRequest{op: appClose}) == nil {
			<-mb.app.done
		}
		return
	}
	mb.process.Close()
	mb.release()
}

func (mb *member) snapshot() Snapshot {
	if mb.app != nil {
		return mb.app.shown.get().Process
	}
	return mb.process.Snapshot()
}

func (mb *member) survivors() []Survivor {
	if mb.app != nil {
		return mb.app.shown.get().survivors()
	}
	if s := mb.process.Snapshot(); s.PID != 0 {
		return []Survivor{s.Survivor()}
	}
	return nil
}

// find returns a member by name.
func (m *Manager) find(name string) (*member, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrShutdown
	}
	mb, ok := m.members[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, ErrNoSuchName)
	}
	return mb, nil
}

// list returns all members in the order they are started in: ascending priority.
func (m *Manager) list() []*member {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.members), func(a, b *member) int {
		return cmp.Or(cmp.Compare(a.program.Priority, b.program.Priority), cmp.Compare(a.name, b.name))
	})
}

// listLeaving returns what is being removed, sorted by name.
func (m *Manager) listLeaving() []*member {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*member
	for _, name := range slices.Sorted(maps.Keys(m.leaving)) {
		all = append(all, m.leaving[name].member)
	}
	return all
}

// Reopen has every log file opened anew, as after a rename by logrotate.
func (m *Manager) Reopen() { m.sinks.reopen() }

// AppStates returns what the front was last told of each app: what a new proxy
// has to know.
func (m *Manager) AppStates() []AppState {
	var all []AppState
	for _, mb := range m.list() {
		if mb.app != nil {
			all = append(all, mb.app.shown.get().Front)
		}
	}
	return all
}
