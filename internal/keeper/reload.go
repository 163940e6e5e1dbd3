package keeper

import (
	"fmt"

	"go.uber.org/zap"

	"paddock/internal/config"
)

// Reload reads the configuration anew. Everything is prepared before anything is
// committed: when it fails the running configuration is untouched, and the error
// says why.
func (k *Keeper) Reload() error {
	k.changing.Lock()
	defer k.changing.Unlock()
	if !k.live {
		return errNotLive
	}
	k.notify.reloading()
	defer k.notify.ready()
	changed, err := k.reloadLocked()
	k.note(err)
	switch {
	case err != nil:
		k.log.Error("reload failed; the old configuration goes on", zap.Error(err))
	case changed:
		k.log.Info("reloaded", zap.String("config", k.config.File))
	default:
		k.log.Info("unchanged", zap.String("config", k.config.File))
	}
	return err
}

func (k *Keeper) reloadLocked() (changed bool, err error) {
	next, err := config.Load(k.config.File)
	if err != nil {
		return false, err
	}
	if next.Sum == k.config.Sum {
		return false, nil
	}
	if err := k.fixed(next); err != nil {
		return false, err
	}
	sockets, err := k.sockets.prepare(addresses(next))
	if err != nil {
		return false, err
	}
	logs, err := openLogs(logTargets(next))
	if err != nil {
		sockets.rollback()
		return false, err
	}
	if err := k.commit(next, sockets, logs); err != nil {
		sockets.rollback()
		logs.close()
		return false, err
	}
	return true, k.apply(next)
}

// fixed refuses a change of what is decided when the daemon starts.
func (k *Keeper) fixed(next *config.Config) error {
	if next.Paddock != k.config.Paddock {
		return fmt.Errorf("%s: a key of [paddock] has changed, which takes a restart", next.File)
	}
	if next.Log != k.config.Log {
		return fmt.Errorf("%s: a key of [log] has changed, which takes a restart", next.File)
	}
	return nil
}

// commit makes the prepared configuration the running one. The proxy goes first:
// it is the only one that can still refuse.
func (k *Keeper) commit(next *config.Config, sockets *preparedListeners, logs *accessLogs) error {
	k.serial++
	setup, err := newSetup(k.serial, next, sockets.all(), logs)
	if err != nil {
		return err
	}
	old := k.proxy.running()
	if err := k.proxy.configure(setup); err != nil {
		setup.close()
		return err
	}
	sockets.commit()
	k.logs.close()
	old.close()
	k.logs, k.config = logs, next
	k.follower.watch(next)
	k.mu.Lock()
	k.shown = next
	k.mu.Unlock()
	for _, w := range next.Warnings() {
		k.log.Warn(w.String())
	}
	return nil
}

// apply hands the processes to the manager and does not wait for deploys. What
// fails then is the failure of one process, which its state shows.
func (k *Keeper) apply(c *config.Config) error {
	applied, err := k.manager.Apply(processes(c))
	if err != nil {
		return err
	}
	for _, name := range applied.Removed {
		k.front.forget(name)
	}
	k.background.Go(func() {
		if err := applied.Wait(k.ctx); err != nil && k.ctx.Err() == nil {
			k.log.Error("applying the configuration", zap.Error(err))
		}
	})
	return nil
}
