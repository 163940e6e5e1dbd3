package keeper

import (
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"paddock/internal/config"
	"paddock/internal/inotify"
)

// followPause is the wait after a change of a certificate file: a program that renews
// writes several.
const followPause = 500 * time.Millisecond

// follower tells when the folders of certificate files change. Without inotify only a
// reload reads them anew.
type follower struct {
	notify *inotify.Watcher // nil: it could not be had
	log    *zap.Logger

	mu    sync.Mutex // guards files
	files map[string]bool
}

// mountedData is the link that Kubernetes switches when it changes the files of a volume.
const mountedData = "..data"

func newFollower(log *zap.Logger) *follower {
	notify, err := inotify.Open()
	if err != nil {
		log.Warn("certificate files are read anew at a reload only", zap.Error(err))
	}
	return &follower{notify: notify, log: log}
}

func (f *follower) close() {
	if f != nil && f.notify != nil {
		f.notify.Close()
	}
}

// watch follows the folders of a configuration's certificate files, and no others.
func (f *follower) watch(c *config.Config) {
	if f == nil || f.notify == nil {
		return
	}
	files, folders := map[string]bool{}, map[string]bool{}
	for _, path := range c.CertificateFiles() {
		files[path], folders[filepath.Dir(path)] = true, true
	}
	f.mu.Lock()
	f.files = files
	f.mu.Unlock()
	for folder, err := range f.notify.Watch(folders) {
		f.log.Warn("certificate files there are read anew at a reload only", zap.String("folder", folder), zap.Error(err))
	}
}

// concerns reports whether a change is one of a certificate file: the folder may be full
// of others.
func (f *follower) concerns(path string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return path == inotify.Lost || f.files[path] || filepath.Base(path) == mountedData
}

// followCertificates has certificate files served that another program has renewed, as
// soon as all of them match.
func (k *Keeper) followCertificates() {
	if k.follower.notify == nil {
		return
	}
	var due <-chan time.Time // a while after the first change that has not been looked at
	for {
		select {
		case <-k.ctx.Done():
			return
		case path, ok := <-k.follower.notify.Changes:
			if !ok {
				if err := k.follower.notify.Err(); err != nil {
					k.log.Error("certificate files are read anew at a reload only", zap.Error(err))
				}
				return
			}
			if due == nil && k.follower.concerns(path) {
				due = time.After(followPause)
			}
		case <-due:
			due = nil
			k.renewFiles()
		}
	}
}

// renewFiles hands the proxy the certificate files as they are now. Nothing else of the
// configuration is read.
func (k *Keeper) renewFiles() {
	k.changing.Lock()
	defer k.changing.Unlock()
	if !k.live {
		return
	}
	next, err := k.config.Renewed()
	if err != nil {
		k.log.Info("certificate files have changed and do not match yet; the old ones go on", zap.Error(err))
		return
	}
	if next.Sum == k.config.Sum {
		return
	}
	if err := k.commitFiles(next); err != nil {
		k.log.Error("certificate files have changed; the old ones go on", zap.Error(err))
		return
	}
	k.log.Info("certificate files have changed; the new ones serve")
}

func (k *Keeper) commitFiles(next *config.Config) error {
	k.serial++
	setup, err := newSetup(k.serial, next, k.sockets.all(), k.logs)
	if err != nil {
		return err
	}
	old := k.proxy.running()
	if err := k.proxy.configure(setup); err != nil {
		setup.close()
		return err
	}
	old.close()
	k.config = next
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shown = next
	return nil
}
