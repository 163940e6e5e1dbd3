package keeper

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"paddock/internal/config"
	"paddock/internal/control"
	"paddock/internal/logfile"
	"paddock/supervisor"
)

// startTimeout is how long the first proxy process may take to serve.
const startTimeout = 30 * time.Second

// Options are what `paddock run` was started with.
type Options struct {
	Version  string
	Terminal *os.File  // gets the access lines too; nil: there is none
	Out      io.Writer // the start summary
	Session  *Session  // of `paddock dev`; nil: this is a daemon
}

// Keeper is the running daemon.
type Keeper struct {
	opts    Options
	log     *zap.Logger
	started time.Time

	ctx        context.Context // ends with the keeper
	cancel     context.CancelFunc
	background sync.WaitGroup
	poke       chan struct{} // what runs may have changed

	logFile *os.File // of the daemon's own log; nil: standard error
	// proxyLog takes the proxy's lines to the same file; nil: they go to standard error.
	// They come through a pipe, so that a reopen needs nothing of the proxy, and the
	// trace of one that panics is there too.
	proxyLog *supervisor.Sink
	record   *recordFile
	folders  *folders
	reaper   *supervisor.Reaper
	system   *supervisor.System
	front    *front
	control  *control.Server
	notify   *notifier
	pidFile  pidFile
	follower *follower // of certificate files

	changing sync.Mutex // one start, reload, reopen or stop at a time; guards what follows
	live     bool       // between the end of start and the begin of stop
	config   *config.Config
	sockets  *listenerSet
	logs     *accessLogs
	// rotations say when logs are rotated next, by path.
	rotations map[string]rotation
	// tendFailure is why the last look after the logs failed; "": it did not.
	tendFailure string
	serial      int

	packing sync.Mutex // held while old logs are packed

	ledger *ledger // what events have told, for metrics
	gauge  gauge

	mu      sync.Mutex          // guards what follows
	proxy   *proxyProcess       // nil until it is started; written by start alone, which needs no lock to read it
	manager *supervisor.Manager // nil until the proxy serves
	shown   *config.Config      // what runs, for status
	reload  control.LastReload
}

// Run is the life of the keeper: it returns when the daemon was told to stop, or
// could not start.
func Run(c *config.Config, o Options) error {
	k := &Keeper{opts: o, config: c, shown: c, started: time.Now(), ledger: newLedger(), rotations: map[string]rotation{}, poke: make(chan struct{}, 1)}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	// A reader that went away is an error of that write, not the keeper's end.
	signal.Ignore(syscall.SIGPIPE)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	told, heard := signal.NotifyContext(k.ctx, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	err := k.start(told)
	heard() // serve finds a signal that came just now in signals
	switch {
	case errors.Is(err, errToldToStop):
		k.log.Info("stopping", zap.Error(err))
		k.notify.stopping()
		return k.close()
	case err != nil:
		return errors.Join(err, k.close())
	}
	k.summary()
	stopSession := k.startSession()
	k.serve(signals)
	stopSession()
	return k.close()
}

// serve obeys signals until one of them says stop, and then stops.
func (k *Keeper) serve(signals <-chan os.Signal) {
	reloads := make(chan struct{}, 1) // a reload that is asked for while one waits is the same
	var work sync.WaitGroup
	defer work.Wait()
	defer close(reloads)
	work.Go(func() {
		for range reloads {
			_ = k.Reload() // logged there
		}
	})
	for s := range signals {
		switch s = k.opts.Session.meaning(s); s {
		case syscall.SIGHUP:
			select {
			case reloads <- struct{}{}:
			default:
			}
		case syscall.SIGUSR1:
			work.Go(func() { _ = k.Reopen() })
		case syscall.SIGUSR2:
			k.log.Error("SIGUSR2: this version cannot replace itself while it runs; stop it and start the new one")
		default:
			k.stop(s, signals)
			return
		}
	}
}

// stop lets the proxy finish what it holds, then stops every process. A second
// signal cuts it short.
func (k *Keeper) stop(s os.Signal, signals <-chan os.Signal) {
	k.log.Info("stopping", zap.Stringer("signal", s))
	k.notify.stopping()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopped := make(chan struct{})
	var again sync.WaitGroup
	defer again.Wait()
	defer close(stopped)
	again.Go(func() {
		for {
			select {
			case s := <-signals:
				if s == syscall.SIGTERM || s == syscall.SIGINT || s == syscall.SIGQUIT {
					k.log.Warn("stopping at once", zap.Stringer("signal", s))
					cancel()
				}
			case <-stopped:
				return
			}
		}
	})
	k.changing.Lock()
	defer k.changing.Unlock()
	k.live = false
	// The proxy's copies go with its first step: what comes later is refused, instead
	// of waiting in a queue that nobody accepts from any more.
	k.sockets.close()
	k.stopAll(ctx)
	k.log.Info("stopped")
}

// stopAll ends every process: first the proxy, which finishes what it holds as long
// as the apps are there. When ctx ends they are killed. The second time it does nothing.
func (k *Keeper) stopAll(ctx context.Context) {
	if k.proxy != nil {
		k.proxy.stop(ctx)
	}
	k.mu.Lock()
	manager := k.manager
	k.mu.Unlock()
	if manager == nil {
		return
	}
	if err := manager.Shutdown(ctx); err != nil {
		k.log.Error("stopping the processes", zap.Error(err))
	}
}

// errNotLive refuses a change while the daemon starts or stops.
var errNotLive = &control.Error{Status: http.StatusServiceUnavailable, Text: "paddock is starting or stopping; try again when it serves"}

// Deploy starts a new generation of an app and returns when it serves, or why it does not.
func (k *Keeper) Deploy(ctx context.Context, name string) error {
	k.mu.Lock()
	manager := k.manager
	k.mu.Unlock()
	if manager == nil {
		return errNotLive
	}
	err := manager.Deploy(ctx, name)
	if err != nil {
		k.log.Error("deploy failed", zap.String("app", name), zap.Error(err))
	}
	return err
}

// Reopen opens every log anew, so that a log that was moved away is let go.
func (k *Keeper) Reopen() error {
	k.changing.Lock()
	defer k.changing.Unlock()
	if !k.live {
		return errNotLive
	}
	k.manager.Reopen()
	if err := errors.Join(k.reopenOwn(), k.reopenAccess()); err != nil {
		k.log.Error("reopening the logs failed; the old ones are written on", zap.Error(err))
		return err
	}
	k.log.Info("reopened the logs")
	return nil
}

// reopenAccess hands the proxy its logs anew: all of them, or none.
func (k *Keeper) reopenAccess() error {
	logs, err := openLogs(k.logs.targets)
	if err != nil {
		return err
	}
	err = k.proxy.reopen(logs)
	k.logs.close()
	k.logs = logs
	return err
}

// reopenOwn puts a new file in the place of the daemon's own log, under the same
// descriptor: nobody who logs has to be told.
func (k *Keeper) reopenOwn() error {
	if k.logFile == nil {
		return nil
	}
	k.proxyLog.Reopen()
	f, err := logfile.OpenFile(k.config.Log.Path, logfile.Options{Mode: logMode})
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Dup3(int(f.Fd()), int(k.logFile.Fd()), unix.O_CLOEXEC)
}

// note keeps the result of a reload for status.
func (k *Keeper) note(err error) {
	r := control.LastReload{At: time.Now(), OK: err == nil}
	if err != nil {
		r.Error = err.Error()
	}
	k.ledger.reloaded(err)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reload = r
}

// processes is what the manager runs of a configuration.
func processes(c *config.Config) supervisor.Set {
	set := supervisor.Set{Apps: map[string]supervisor.AppSpec{}, Programs: c.Programs}
	for name, a := range c.Apps {
		set.Apps[name] = supervisor.AppSpec{App: a.Supervised, HealthTimeout: a.HealthTimeout.D(), MaxConns: a.MaxConns, ShowOutput: a.Dev}
	}
	return set
}

// drain is how long requests in flight may take when the daemon stops.
func (o Options) drain() time.Duration {
	if o.Session != nil {
		return sessionDrain
	}
	return supervisor.DefaultDrainLimit
}
