package keeper

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"paddock/accesslog"
	"paddock/internal/config"
	"paddock/internal/link"
	"paddock/internal/logfile"
	"paddock/supervisor"
)

// logMode lets the group of the log folder read, as Debian's nginx package does.
const logMode = 0o640

// accessLogs are the access logs that the proxy writes to, opened here: the proxy's
// user needs no right on them.
type accessLogs struct {
	targets []accesslog.Target
	files   []*os.File
}

// openLogs opens every access log, or none.
func openLogs(targets []accesslog.Target) (*accessLogs, error) {
	l := &accessLogs{}
	for _, t := range targets {
		f, err := openAccessLog(t)
		if err != nil {
			l.close()
			return nil, fmt.Errorf("access log: %w", err)
		}
		l.targets = append(l.targets, t)
		l.files = append(l.files, f)
	}
	return l, nil
}

func openAccessLog(t accesslog.Target) (*os.File, error) {
	o, err := logOptions(t)
	if err != nil {
		return nil, err
	}
	return logfile.OpenFile(t.Path, o)
}

// logOptions says whose a new file is.
func logOptions(t accesslog.Target) (logfile.Options, error) {
	o := logfile.Options{Mode: cmp.Or(t.Perm(), logMode)}
	if t.Owner == "" {
		return o, nil
	}
	name, group, _ := strings.Cut(t.Owner, ":")
	var err error
	if o.UID, o.GID, _, err = supervisor.AccountIDs(name); err != nil {
		return o, fmt.Errorf("owner of %s: %w", t.Path, err)
	}
	if group != "" {
		if o.GID, err = supervisor.GroupID(group); err != nil {
			return o, fmt.Errorf("owner of %s: %w", t.Path, err)
		}
	}
	return o, nil
}

func (l *accessLogs) close() { link.CloseAll(l.files) }

func (l *accessLogs) names() []link.LogFile {
	out := make([]link.LogFile, len(l.targets))
	for i, t := range l.targets {
		out[i] = link.LogFile{Path: t.Path}
	}
	return out
}

// logTargets are the access logs of a configuration that are opened here, each once.
func logTargets(c *config.Config) []accesslog.Target {
	p := c.ProxyConfig()
	return slices.DeleteFunc(p.LogTargets(), func(t accesslog.Target) bool {
		return accesslog.KindOf(t.Path) != accesslog.KindFile
	})
}
