package worker

import (
	"errors"
	"fmt"
	"os"

	"go.uber.org/zap"

	"paddock/accesslog"
)

// logs are the access logs by path. They outlive reloads: a log that a new
// configuration still writes to in the same way goes on, so that no buffered line is
// lost.
type logs struct {
	console *os.File // gets every line too; nil: none
	logger  *zap.Logger
	open    openLogs
}

type openLogs map[string]openLog

type openLog struct {
	target accesslog.Target
	log    *accesslog.Log
}

// byPath is what the proxy takes.
func (o openLogs) byPath() map[string]*accesslog.Log {
	out := make(map[string]*accesslog.Log, len(o))
	for path, l := range o {
		out[path] = l.log
	}
	return out
}

func newLogs(console *os.File, logger *zap.Logger) *logs {
	return &logs{console: console, logger: logger, open: openLogs{}}
}

// prepare returns the logs of a new configuration; files, which the keeper opened,
// one for each path, are taken over. Logs that are gone stay open until commit.
func (l *logs) prepare(targets []accesslog.Target, paths []string, files []*os.File) (openLogs, error) {
	given := make(map[string]*os.File, len(paths))
	for i, path := range paths {
		given[path] = files[i]
	}
	next := openLogs{}
	var errs []error
	for _, t := range targets {
		one, err := l.prepareOne(t, given[t.Path])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		delete(given, t.Path)
		next[t.Path] = one
	}
	for _, f := range given {
		f.Close()
	}
	if len(errs) > 0 {
		return nil, errors.Join(append(errs, l.rollback(next))...)
	}
	return next, nil
}

func (l *logs) prepareOne(t accesslog.Target, file *os.File) (openLog, error) {
	if old, ok := l.open[t.Path]; ok && old.target == t {
		if file != nil {
			file.Close()
		}
		return old, nil
	}
	o := accesslog.Options{
		Flush: t.Flush, Size: t.Buffer, Gzip: t.Gzip, Tee: l.console, Logger: l.logger.With(zap.String("log", t.Path)),
	}
	if accesslog.KindOf(t.Path) != accesslog.KindFile {
		log, err := accesslog.OpenLog(t, o)
		return openLog{t, log}, err
	}
	if file == nil {
		return openLog{}, fmt.Errorf("the keeper sent no file for the access log %q", t.Path)
	}
	return openLog{t, accesslog.NewLog(file, o)}, nil
}

// commit makes next the logs there are and closes those that are gone.
func (l *logs) commit(next openLogs) error {
	old := l.open
	l.open = next
	return closeOthers(old, next)
}

// rollback closes what prepare opened.
func (l *logs) rollback(next openLogs) error { return closeOthers(next, l.open) }

// reopen hands the logs new descriptors, one for each path, which are taken over.
func (l *logs) reopen(paths []string, files []*os.File) {
	for i, path := range paths {
		if o, ok := l.open[path]; ok {
			o.log.Reopen(files[i])
		} else {
			files[i].Close()
		}
	}
}

func (l *logs) close() error {
	return closeOthers(l.open, nil)
}

// closeOthers flushes and closes the logs of all that are not in keep.
func closeOthers(all, keep openLogs) error {
	var errs []error
	for path, o := range all {
		if keep[path].log == o.log {
			continue
		}
		if err := o.log.Close(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
	}
	return errors.Join(errs...)
}
