package config

import (
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing wrong, or doubtful, in a configuration file.
type Problem struct {
	File string // as named on the command line, or found by include
	Line int    // counted from 1; 0 when no line can be named
	Key  string // "server[1].location[0].path", indices from 0 within the file; "" when no key can be named
	Text string // what was found and what was expected, on one line
}

// String prints "FILE:LINE: key: text", without the parts that are not known.
func (p Problem) String() string {
	if p.Key == "" {
		return p.place() + ": " + p.Text
	}
	return p.place() + ": " + p.Key + ": " + p.Text
}

// place prints "FILE:LINE".
func (p Problem) place() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// Error is all that is wrong with a configuration. [Load] returns it for
// everything that the files themselves hold.
type Error struct {
	problems []Problem
}

// Error prints one problem a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.problems))
	for i, p := range e.problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Problems returns what is wrong, in the order of the files and of their lines.
func (e *Error) Problems() []Problem { return slices.Clone(e.problems) }
