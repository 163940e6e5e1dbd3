package worker

import (
	"errors"
	"fmt"
	"os"

	"go.uber.org/zap"

	"paddock/accesslog"
)

// logs are the access logs by path. They outlive reloads: a log that a new
// configuration still names goes on, so that no buffered line is lost.
type logs struct {
	console *os.File // gets every line too; nil: none
	logger  *zap.Logger
	open    map[string]*accesslog.Log
}

func newLogs(console *os.File, logger *zap.Logger) *logs {
	return &logs{console: console, logger: logger, open: map[string]*accesslog.Log{}}
}

// prepare returns the logs of a new configuration; files, one for each path, are
// taken over. Logs that are gone stay open until commit.
func (l *logs) prepare(paths []string, files []*os.File) map[string]*accesslog.Log {
	out := make(map[string]*accesslog.Log, len(paths))
	for i, path := range paths {
		if log, ok := l.open[path]; ok {
			files[i].Close()
			out[path] = log
			continue
		}
		out[path] = accesslog.NewLog(files[i], accesslog.Options{Tee: l.console, Logger: l.logger.With(zap.String("log", path))})
	}
	return out
}

// commit makes next the logs there are and closes those that are gone.
func (l *logs) commit(next map[string]*accesslog.Log) error {
	old := l.open
	l.open = next
	return closeOthers(old, next)
}

// rollback closes what prepare opened.
func (l *logs) rollback(next map[string]*accesslog.Log) error { return closeOthers(next, l.open) }

// reopen hands the logs new descriptors, one for each path, which are taken over.
func (l *logs) reopen(paths []string, files []*os.File) {
	for i, path := range paths {
		if log, ok := l.open[path]; ok {
			log.Reopen(files[i])
		} else {
			files[i].Close()
		}
	}
}

func (l *logs) close() error {
	return closeOthers(l.open, nil)
}

// closeOthers flushes and closes the logs of all that are not in keep.
func closeOthers(all, keep map[string]*accesslog.Log) error {
	var errs []error
	for path, log := range all {
		if keep[path] == log {
			continue
		}
		if err := log.Close(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
	}
	return errors.Join(errs...)
}
