package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"
)

// generation is one start of an app's code, with its own listening socket. A crash
// restart keeps the generation, and with it what waits in the socket's queue.
type generation struct {
	number  int
	spec    Spec // with sinks
	path    string
	socket  *os.File
	process *Process
	limit   capacity
	told    *gunicornOptions   // what gunicorn said of its configuration file; nil: nothing yet
	unask   context.CancelFunc // ends asking
	release func()             // of the sinks

	probing   int                // pid that is being probed; 0: none
	unprobe   context.CancelFunc // ends that
	probeErr  error              // what the last probe said
	draining  bool
	cancelled bool // a deploy that a stop overtook
}

// probeResult is the answer to the probe of one process.
type probeResult struct {
	gen *generation
	pid int
	err error
}

// newGeneration makes the socket and a process that rests in STOPPED, or with from
// the one that runs already.
func (a *app) newGeneration(spec AppSpec, number int, trial bool, from *GenerationState, files []*os.File) (*generation, error) {
	g := &generation{number: number, path: filepath.Join(a.opts.SocketDir, SocketName(a.name, number))}
	g.spec = Spec{
		Program: spec.Program, Name: a.name, Kind: KindApp, Generation: number,
		Workers: spec.Workers, HealthTimeout: spec.HealthTimeout, Trial: trial, ListenFDs: 1,
	}
	g.spec.ExtraFiles = func() ([]*os.File, error) { return []*os.File{g.socket}, nil }
	opts := ProcessOptions{
		Notify: a.opts.Notify, Changed: a.poke, Logger: a.opts.Logger, System: a.opts.System, host: a.opts.host,
	}
	if from != nil {
		if from.Socket < 0 || from.Socket >= len(files) {
			return nil, fmt.Errorf("restore app %s: no descriptor %d for its socket", a.name, from.Socket)
		}
		g.socket, opts.From, opts.Files = files[from.Socket], &from.Process, files
	} else {
		var err error
		if g.socket, err = a.opts.host.listen(g.path, a.opts.SocketGroup); err != nil {
			return nil, err
		}
	}
	g.release = a.opts.sinks.attach(&g.spec)
	g.limit = a.capacity(g)
	a.askLimit(g)
	g.process = NewProcess(g.spec, opts)
	return g, nil
}

func (a *app) capacity(g *generation) capacity {
	acct, err := lookupAccount(g.spec.User)
	if err != nil {
		acct = account{}
	}
	env, err := environment(g.spec, acct, os.Environ(), markerName+"=")
	if err != nil {
		env = variables{} // the start will say what is wrong
	}
	c := capacityOf(g.spec, env, g.told)
	if a.spec.MaxConns > 0 {
		c.requests = a.spec.MaxConns
	}
	return c
}

// follow has a process that is starting probed, once.
func (a *app) follow(g *generation) {
	s := g.process.Snapshot()
	if s.State != Starting || s.PID != g.probing {
		g.stopProbe()
	}
	if s.State != Starting || s.PID == 0 || g.probing != 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	g.probing, g.unprobe, g.probeErr = s.PID, cancel, nil
	a.background.Go(func() {
		a.probe(ctx, g, s.PID)
	})
}

func (g *generation) stopProbe() {
	if g.unprobe != nil {
		g.unprobe()
	}
	g.probing, g.unprobe = 0, nil
}

// probeInterval is the time between two probes that failed. One is sent again
// because the proxy may be restarting, or the app not have warmed up; the end of
// health_timeout ends it.
const probeInterval = time.Second

// probe asks until the answer is good, and tells the App each answer.
func (a *app) probe(ctx context.Context, g *generation, pid int) {
	for {
		err := a.opts.Front.Probe(ctx, a.name, g.number)
		select {
		case a.probes <- probeResult{g, pid, err}:
		case <-ctx.Done():
			return
		}
		if err == nil {
			return
		}
		select {
		case <-time.After(probeInterval):
		case <-ctx.Done():
			return
		}
	}
}

func (a *app) probed(r probeResult) {
	r.gen.probeErr = r.err
	if r.err == nil {
		r.gen.process.Ready(r.pid) // an error: it has just ended, and says so itself
	}
}

// drain waits until nothing is in flight, for limit at most, and tells the App.
func (a *app) drain(g *generation, limit time.Duration) {
	g.draining = true
	a.background.Go(func() {
		ctx, cancel := context.WithTimeout(a.ctx, limit)
		defer cancel()
		err := a.opts.Front.Drain(ctx, a.name, g.number)
		if err != nil && !errors.Is(err, context.Canceled) {
			a.log.Warn("stopping with requests in flight", zap.String("app", a.name), zap.Int("generation", g.number), zap.Error(err))
		}
		select {
		case a.drains <- g:
		case <-a.ctx.Done():
		}
	})
}

// dispose removes a generation whose process is down.
func (a *app) dispose(g *generation) {
	g.stopProbe()
	if g.unask != nil {
		g.unask()
	}
	g.process.Close()
	g.release()
	g.socket.Close()
	a.opts.host.unlink(g.path)
}

// why says what is wrong with a generation, for people.
func (g *generation) why() string {
	s := g.process.Snapshot()
	if g.probeErr != nil && strings.HasPrefix(s.Err, notReadyText) {
		return fmt.Sprintf("%s (probe: %v)", s.Err, g.probeErr)
	}
	return s.Err
}
