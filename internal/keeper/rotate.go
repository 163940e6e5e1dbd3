package keeper

import (
	"cmp"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"paddock/accesslog"
	"paddock/internal/logfile"
)

// tendEvery is how late a log is rotated, or opened again after somebody moved or
// removed it without a word, at most.
const tendEvery = time.Second

// packFrom is the newest backup that is packed: the one before it may still get lines
// that were on their way (logrotate: delaycompress).
const packFrom = 2

// tendLogs looks after the access logs as long as the keeper lives.
func (k *Keeper) tendLogs() {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		select {
		case <-k.ctx.Done():
			return
		case now := <-tick.C:
			k.tend(now)
		}
	}
}

// tend rotates what is due, and opens the logs anew when one of them was rotated or
// is no longer the file of its name.
func (k *Keeper) tend(now time.Time) {
	k.changing.Lock()
	defer k.changing.Unlock()
	if !k.live {
		return
	}
	reopen := false
	var rotated []accesslog.Target
	for i, t := range k.logs.targets {
		file := k.logs.files[i]
		if k.due(t, file, now) && k.rotate(t, file) {
			rotated, reopen = append(rotated, t), true
		} else if isGone(t.Path, file) {
			reopen = true
		}
	}
	if !reopen {
		return
	}
	if err := k.reopenAccess(); err != nil {
		k.complainOnce(err)
		return
	}
	k.tendFailure = ""
	k.pack(rotated)
}

// complainOnce tells of a failure that comes again at every look only once.
func (k *Keeper) complainOnce(err error) {
	if text := err.Error(); text != k.tendFailure {
		k.tendFailure = text
		k.log.Error("the access logs cannot be rotated or opened again; the old ones are written on", zap.Error(err))
	}
}

// due reports whether a log is to be rotated now. The time of the next rotation is
// reckoned from the last line in the file, so that none is forgotten while the
// daemon is down.
func (k *Keeper) due(t accesslog.Target, file *os.File, now time.Time) bool {
	if !t.Rotates() {
		delete(k.rotations, t.Path)
		return false
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		delete(k.rotations, t.Path) // the time runs from the first line
		return false
	}
	if t.Maxbytes > 0 && info.Size() >= int64(t.Maxbytes) {
		return true
	}
	next, known := k.rotations[t.Path]
	if !known || next.every != t.Every {
		next = rotation{t.Every, t.Next(info.ModTime())}
		k.rotations[t.Path] = next
	}
	return !next.at.IsZero() && !now.Before(next.at)
}

// rotation is when a log is rotated next.
type rotation struct {
	every string
	at    time.Time
}

// rotate renames a log and its backups. A symbolic link stays, the file that it
// leads to is renamed.
func (k *Keeper) rotate(t accesslog.Target, file *os.File) bool {
	path, err := filepath.EvalSymlinks(t.Path)
	if err != nil || isGone(path, file) {
		return false // somebody else has moved it
	}
	if err := logfile.RotatePacked(path, cmp.Or(t.Backups, accesslog.DefaultBackups)); err != nil {
		k.complainOnce(err)
		return false
	}
	delete(k.rotations, t.Path)
	k.log.Info("rotated an access log", zap.String("log", t.Path))
	return true
}

// pack packs the backups of logs that were rotated.
func (k *Keeper) pack(rotated []accesslog.Target) {
	k.background.Go(func() {
		k.packing.Lock() // one at a time, in the order of the names
		defer k.packing.Unlock()
		for _, t := range rotated {
			path, err := filepath.EvalSymlinks(t.Path)
			if err == nil && t.Compress && cmp.Or(t.Backups, accesslog.DefaultBackups) >= packFrom {
				err = logfile.Pack(path, packFrom)
			}
			if err != nil {
				k.log.Error("an old access log cannot be packed", zap.Error(err))
			}
		}
	})
}

// isGone reports whether a path is no longer that of the regular file that is open.
func isGone(path string, file *os.File) bool {
	if _, standard := logfile.Standard(path); standard {
		return false
	}
	open, err := file.Stat()
	if err != nil || !open.Mode().IsRegular() {
		return false
	}
	named, err := os.Stat(path)
	if err != nil {
		return os.IsNotExist(err)
	}
	return !os.SameFile(open, named)
}
