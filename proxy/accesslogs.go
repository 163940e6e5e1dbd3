package proxy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"paddock/accesslog"
	"paddock/internal/value"
)

// logTarget is one log that a place writes to.
type logTarget struct {
	target    accesslog.Target
	format    *accesslog.Format
	condition *accesslog.Template // nil: every request
	log       *accesslog.Log      // linked when the snapshot is made
}

// write logs the request, unless `if` says no (nginx: access_log, if).
func (t *logTarget) write(e *accesslog.Entry) {
	if t.condition != nil {
		var buf [64]byte
		if v := t.condition.Append(buf[:0], e); len(v) == 0 || string(v) == "0" {
			return
		}
	}
	t.log.Write(t.format, e)
}

func (c *compiler) compileFormats() {
	c.formats = map[string]*accesslog.Format{accesslog.OwnJSON: accesslog.NewOwnJSON()}
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Formats)) {
		key := value.Join("log_format", name)
		if name == accesslog.DefaultFormat {
			c.problems.Addf(key, "the format %q is built in; expected another name", name)
			continue
		}
		format, err := c.cfg.Formats[name].Compile()
		if err != nil {
			c.problems.Addf(key, "%v", err)
		}
		c.formats[name] = format
	}
	combined, err := accesslog.CompileFormat(accesslog.Combined, accesslog.Default)
	if err != nil {
		panic(fmt.Sprintf("proxy: the built-in log format: %v", err))
	}
	c.formats[accesslog.DefaultFormat] = combined
}

// accessLogs compiles the logs of a place. A list replaces the one that is
// inherited, as in nginx.
func (c *compiler) accessLogs(key string, list accesslog.Settings) []*logTarget {
	var out []*logTarget
	for i := range list {
		at := key
		if len(list) > 1 {
			at = value.Index(key, i)
		}
		if s := list[i]; !s.Off {
			out = append(out, c.accessLog(at, s))
		}
	}
	return out
}

func (c *compiler) accessLog(key string, s accesslog.Setting) *logTarget {
	if s.Path == "" {
		s.Path = c.cfg.AccessLog.Path
	}
	if s.Format == "" {
		s.Format = accesslog.DefaultFormat
	}
	t := &logTarget{target: s.Target()}
	if err := s.Check(); err != nil {
		c.problems.Addf(key, "%v", err)
	}
	var known bool
	if t.format, known = c.formats[s.Format]; !known {
		c.problems.Addf(key, "unknown log format %q; known are %s", s.Format, list(maps.Keys(c.formats)))
	}
	if s.If != "" {
		var err error
		if t.condition, err = accesslog.CompileTemplate(s.If); err != nil {
			c.problems.Addf(key, "if: %v", err)
		}
	}
	c.mergeTarget(key, t.target)
	return t
}

// mergeTarget collects what all places say of one log.
func (c *compiler) mergeTarget(key string, t accesslog.Target) {
	if c.out.targets == nil {
		c.out.targets = map[string]*accesslog.Target{}
	}
	old := c.out.targets[t.Path]
	if old == nil {
		c.out.targets[t.Path] = &t
		return
	}
	if err := old.Merge(t); err != nil {
		c.problems.Addf(key, "%v", err)
	}
}

// LogTargets returns every access log that the configuration writes to, each once
// and by its path: what Configure needs an open log for. A path of "" is a default
// without one.
func (c *Config) LogTargets() []accesslog.Target {
	var ignored value.Problems
	all := compile(c, &ignored)
	out := map[string]accesslog.Target{}
	for _, t := range all.logs {
		out[t.target.Path] = *all.targets[t.target.Path]
	}
	return slices.SortedFunc(maps.Values(out), func(a, b accesslog.Target) int { return strings.Compare(a.Path, b.Path) })
}
