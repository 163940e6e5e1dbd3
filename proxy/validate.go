package proxy

import "paddock/internal/value"

// Validate reports all that is wrong with a configuration, each problem with the
// path of its key. It compiles every expression, as Configure does.
func (c *Config) Validate(problems *value.Problems) { compile(c, problems) }
