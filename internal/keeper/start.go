package keeper

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"paddock/internal/config"
	"paddock/internal/control"
	"paddock/internal/logfile"
	"paddock/internal/value"
	"paddock/supervisor"
)

// errToldToStop ends a start that a signal overtook.
var errToldToStop = errors.New("told to stop before the start was done")

// start brings everything up in the order in which one needs the other, until told
// ends. What it opened before a failure is closed by close.
func (k *Keeper) start(told context.Context) error {
	k.changing.Lock() // calls on the control socket that come meanwhile
	defer k.changing.Unlock()
	if err := k.openLog(); err != nil {
		return err
	}
	for _, w := range k.config.Warnings() {
		k.log.Warn(w.String())
	}
	proxy, err := proxyIdentity(k.config.Paddock.User)
	if err != nil {
		return err
	}
	if err := k.takeOver(proxy); err != nil {
		return err
	}
	if err := k.listen(); err != nil {
		return err
	}
	if err := k.answer(); err != nil {
		return err
	}
	if err := k.startProxy(told); err != nil {
		return err
	}
	if err := k.startManager(proxy); err != nil {
		return err
	}
	k.pidFile, err = writePidFile(k.config.Paddock.PidFile)
	if err != nil {
		return err
	}
	k.background.Go(func() { k.notify.watchdog(k.ctx, k.healthy) })
	k.follower = newFollower(k.log)
	k.follower.watch(k.config)
	k.background.Go(k.followCertificates)
	k.background.Go(k.tendLogs)
	k.notify.ready()
	k.live = true
	return nil
}

// openLog opens the daemon's own log.
func (k *Keeper) openLog() error {
	c := k.config.Log
	out := os.Stderr
	if c.Path != "" {
		if dir := k.config.Paddock.LogDir; filepath.Dir(c.Path) == dir {
			if err := makeFolder(dir, logDirMode, nil); err != nil {
				return fmt.Errorf("log: %w", err)
			}
		}
		f, err := logfile.OpenFile(c.Path, logfile.Options{Mode: logMode})
		if err != nil {
			return fmt.Errorf("log: %w", err)
		}
		k.logFile, out = f, f
		k.proxyLog = supervisor.NewSink(c.Path, logfile.Options{Mode: logMode})
	}
	log, err := NewLog(out, c.Level, c.Format)
	if err != nil {
		return err
	}
	k.log = log.Named("keeper")
	k.notify = newNotifier(k.log)
	k.front = newFront(k.log)
	return nil
}

// takeOver makes the folders ours, keeps a second keeper out, and ends what a
// killed one has left running.
func (k *Keeper) takeOver(proxy identity) error {
	var err error
	var survivors supervisor.Survivors
	if k.record, survivors, err = openRecordFile(filepath.Join(k.config.Paddock.StateDir, "keeper"), k.log); err != nil {
		return err
	}
	if k.folders, err = makeFolders(k.config.Paddock, proxy); err != nil {
		return fmt.Errorf("folders: %w", err)
	}
	if err := supervisor.BecomeSubreaper(); err != nil {
		return err
	}
	if n := supervisor.EndSurvivors(survivors, k.log); n > 0 {
		k.log.Warn("ended processes of a keeper that was killed", zap.Int("processes", n))
	}
	k.reaper = supervisor.NewReaper()
	k.system = &supervisor.System{Instance: rand.Text(), Reaper: k.reaper, Logger: k.log}
	// Before anything is spawned: what is spawned can be found by this.
	k.record.set(supervisor.Survivors{Instance: k.system.Instance})
	return nil
}

// listen opens the listening sockets, those of systemd among them, and the logs.
func (k *Keeper) listen() error {
	handed, err := systemdSockets(k.log)
	if err != nil {
		return err
	}
	k.sockets = newListenerSet(k.log, handed)
	prepared, err := k.sockets.prepare(addresses(k.config))
	if err != nil {
		return err
	}
	prepared.commit()
	k.logs, err = openLogs(logTargets(k.config))
	return err
}

// answer opens the control socket.
func (k *Keeper) answer() error {
	calls := control.Calls{
		Status: k.Status,
		Version: func(context.Context) (control.Version, error) {
			return control.Version{Version: k.opts.Version, Pid: os.Getpid()}, nil
		},
		Reload:  func(context.Context) error { return refusal(k.Reload()) },
		Reopen:  func(context.Context) error { return k.Reopen() },
		Deploy:  k.Deploy,
		Process: k.Process,

		Certificates: k.Certificates,
		Renew:        k.Renew,
	}
	var err error
	k.control, err = control.New(k.config.ControlSocket(), calls, k.log)
	return err
}

// refusal marks an error that the configuration's owner has to mend.
func refusal(err error) error {
	var wrong *config.Error
	if errors.As(err, &wrong) {
		return &control.Error{Status: http.StatusUnprocessableEntity, Text: err.Error()}
	}
	return err
}

// startProxy starts the proxy and waits until it serves. The manager is not there
// yet: requests that come first wait for their app.
func (k *Keeper) startProxy(told context.Context) error {
	k.serial++
	first, err := newSetup(k.serial, k.config, k.sockets.all(), k.logs)
	if err != nil {
		return err
	}
	p := &proxyProcess{log: k.log, front: k.front, build: k.opts.Version, stats: k.answerStats, folders: k.folders, setup: first, serving: make(chan struct{})}
	p.process = supervisor.NewProcess(p.spec(k.opts, k.config, k.proxyLog), supervisor.ProcessOptions{
		Notify: k.event, Changed: k.changed, Logger: k.log, System: k.system,
	})
	k.mu.Lock()
	k.proxy = p
	k.mu.Unlock()
	if err := p.process.Start(); err != nil {
		return fmt.Errorf("start the proxy: %w", err)
	}
	select {
	case <-p.serving:
		return nil
	case <-told.Done():
		return errToldToStop
	case <-time.After(startTimeout):
		return fmt.Errorf("the proxy did not serve within %v; its log says why", startTimeout)
	}
}

// startManager starts the apps and programs.
func (k *Keeper) startManager(proxy identity) error {
	k.mu.Lock()
	k.manager = supervisor.New(supervisor.Options{
		Front: k.front, Notify: k.event, Deployed: k.ledger.deployed, Changed: k.changed, System: k.system, Logger: k.log,
		LogDir: k.config.Paddock.LogDir, SocketDir: filepath.Join(k.config.Paddock.RunDir, "app"), SocketGroup: proxy.gid,
	})
	k.mu.Unlock()
	k.background.Go(k.recordChanges)
	return k.apply(k.config)
}

// recordChanges writes down what runs whenever that may have changed.
func (k *Keeper) recordChanges() {
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-k.poke:
			k.record.set(k.survivors())
		}
	}
}

// survivors is what the next keeper would have to end.
func (k *Keeper) survivors() supervisor.Survivors {
	s := k.manager.Survivors()
	if p := k.proxy.process.Snapshot(); p.PID != 0 {
		s.Processes = append(s.Processes, p.Survivor())
	}
	return s
}

// changed tells recordChanges to look. It is called by processes and must not block.
func (k *Keeper) changed() {
	select {
	case k.poke <- struct{}{}:
	default:
	}
}

// healthy is what the watchdog asks: the proxy answers, or is being started again.
func (k *Keeper) healthy(ctx context.Context) bool {
	conn, _ := k.front.current()
	if conn == nil {
		return k.proxy.process.Snapshot().State.Up()
	}
	_, err := k.proxyStats(ctx)
	return err == nil
}

// close lets go of everything that start opened, the last first.
func (k *Keeper) close() error {
	k.cancel()
	var errs []error
	if k.control != nil {
		errs = append(errs, k.control.Close())
	}
	k.stopAll(k.ctx)
	k.background.Wait()
	k.follower.close()
	k.pidFile.remove()
	if k.sockets != nil {
		k.sockets.close()
	}
	if k.logs != nil {
		k.logs.close()
	}
	if k.folders != nil {
		k.folders.close()
	}
	if k.reaper != nil {
		k.reaper.Close()
		k.record.set(supervisor.Survivors{}) // without a reaper those of a former keeper may still be there
	}
	if k.record != nil {
		errs = append(errs, k.record.Close())
	}
	if k.logFile != nil {
		k.proxyLog.Close()
		errs = append(errs, k.logFile.Close())
	}
	return errors.Join(errs...)
}

// addresses are the listen addresses of all servers, and that of the metrics.
func addresses(c *config.Config) []value.Listen {
	var all []value.Listen
	for _, s := range c.Servers {
		all = append(all, s.Listen...)
	}
	if l := c.Metrics.Listen; l.On() {
		all = append(all, l.Listen)
	}
	return all
}
