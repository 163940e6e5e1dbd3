package proxy

import (
	"slices"

	"paddock/internal/value"
)

// Validate reports all that is wrong with a configuration, each problem with the
// path of its key. It compiles every expression, as Configure does.
func (c *Config) Validate(problems *value.Problems) { compile(c, problems) }

// LogPaths returns the path of every access log that the configuration writes to,
// each once: what Configure needs an open log for. "" is a default without a path.
func (c *Config) LogPaths() []string {
	var ignored value.Problems
	var paths []string
	for _, t := range compile(c, &ignored).logs {
		paths = append(paths, t.path)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}
