package main

import (
	"fmt"
	"slices"
	"strings"
)

// options are the flags.
type options struct {
	rounds, secs       int
	workloads, paddock string
}

// choice is what is to be measured.
type choice struct {
	loads           []load
	firstByte, idle bool
}

// choose checks the flags and says what they ask for.
func (o options) choose() (choice, error) {
	if o.rounds < 1 || o.rounds > 100 {
		return choice{}, fmt.Errorf("-rounds is %d, not 1 to 100", o.rounds)
	}
	if o.secs < 1 || o.secs > 60 {
		return choice{}, fmt.Errorf("-secs is %d, not 1 to 60", o.secs)
	}
	if o.workloads == "" {
		return choice{loads(), true, true}, nil
	}
	var c choice
	for name := range strings.SplitSeq(o.workloads, ",") {
		if err := c.add(name); err != nil {
			return choice{}, err
		}
	}
	return c, nil
}

func (c *choice) add(name string) error {
	switch name {
	case "idle":
		c.idle = true
	case "firstbyte":
		c.firstByte = true
	default:
		all := loads()
		i := slices.IndexFunc(all, func(w load) bool { return w.name == name })
		if i < 0 {
			return fmt.Errorf("-workloads: there is no %q, but %s, firstbyte, idle", name, names(all))
		}
		c.loads = append(c.loads, all[i])
	}
	return nil
}

func names(all []load) string {
	var out []string
	for _, w := range all {
		out = append(out, w.name)
	}
	return strings.Join(out, ", ")
}
