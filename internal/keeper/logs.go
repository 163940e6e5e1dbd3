package keeper

import (
	"fmt"
	"os"

	"paddock/internal/config"
	"paddock/internal/link"
	"paddock/internal/logfile"
)

// logMode lets the group of the log folder read, as Debian's nginx package does.
const logMode = 0o640

// accessLogs are the access logs that the proxy writes to, opened here: the proxy's
// user needs no right on them.
type accessLogs struct {
	paths []string
	files []*os.File
}

// openLogs opens every access log, or none.
func openLogs(paths []string) (*accessLogs, error) {
	l := &accessLogs{}
	for _, path := range paths {
		f, err := logfile.OpenFile(path, logfile.Options{Mode: logMode})
		if err != nil {
			l.close()
			return nil, fmt.Errorf("access log: %w", err)
		}
		l.paths = append(l.paths, path)
		l.files = append(l.files, f)
	}
	return l, nil
}

func (l *accessLogs) close() { link.CloseAll(l.files) }

func (l *accessLogs) names() []link.LogFile {
	out := make([]link.LogFile, len(l.paths))
	for i, p := range l.paths {
		out[i] = link.LogFile{Path: p}
	}
	return out
}

// logPaths are the access logs of a configuration, each once.
func logPaths(c *config.Config) []string {
	p := c.ProxyConfig()
	return p.LogPaths()
}
