package accesslog

import (
	"fmt"
	"strings"
	"time"
)

// Kind is what a log's path stands for.
type Kind int

// The kinds of logs.
const (
	KindFile   Kind = iota // a file, or a standard descriptor: the keeper opens it
	KindFolder             // a file for each value of the $variables in the path: the proxy opens it
	KindSyslog             // "syslog:server=…"
)

// KindOf tells the kind of a log by its path.
func KindOf(path string) Kind {
	switch {
	case strings.HasPrefix(path, syslogPrefix):
		return KindSyslog
	case strings.Contains(path, "$"):
		return KindFolder
	}
	return KindFile
}

// Target is one log that a configuration writes to. Targets that are equal are
// the same log before and after a reload.
type Target struct {
	Path   string
	Buffer int           // bytes that are written at once; 0: flushSize
	Flush  time.Duration // 0: DefaultFlush
	Gzip   int           // level of gzip members; 0: text
	Rotation
}

// Target returns the log of a setting whose path is known.
func (s *Setting) Target() Target {
	t := Target{Path: s.Path, Buffer: int(s.Buffer), Flush: s.Flush.D(), Gzip: s.Gzip, Rotation: s.Rotation}
	if t.Gzip > 0 && t.Buffer == 0 {
		t.Buffer = defaultGzipBuffer
	}
	return t
}

// Waits is [Template.Waits] of a path with $variables.
func (t *Target) Waits() bool {
	if KindOf(t.Path) != KindFolder {
		return false
	}
	p, err := parseFolderPath(t.Path)
	return err == nil && p.name.Waits()
}

// Merge makes one log of two settings of the same path. What one of them leaves
// out, the other decides; what both say must be the same, as in nginx.
func (t *Target) Merge(o Target) error {
	ok := mergeOne(&t.Buffer, o.Buffer) && mergeOne(&t.Flush, o.Flush) && mergeOne(&t.Gzip, o.Gzip) &&
		mergeOne(&t.Maxbytes, o.Maxbytes) && mergeOne(&t.Every, o.Every) && mergeOne(&t.Backups, o.Backups) &&
		mergeOne(&t.Compress, o.Compress) && mergeOne(&t.Owner, o.Owner) && mergeOne(&t.Mode, o.Mode)
	if !ok {
		return fmt.Errorf("the log %q stands in another place with other parameters; expected the same, or none", t.Path)
	}
	return nil
}

func mergeOne[T comparable](a *T, b T) bool {
	var zero T
	if *a == zero {
		*a = b
	}
	return b == zero || *a == b
}
