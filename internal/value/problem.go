package value

import (
	"fmt"
	"strconv"
	"strings"
)

// Problem is one thing wrong with a configuration. Key is the path of the key from
// the top of the file, as [Join] and [Index] build it ("server[1].location[0].path");
// Text says what was found and what was expected, on one line.
type Problem struct {
	Key  string
	Text string
}

// Problems collects what is wrong, so that all of it can be reported at once.
type Problems []Problem

// Addf appends one problem.
func (p *Problems) Addf(key, format string, args ...any) {
	*p = append(*p, Problem{Key: key, Text: fmt.Sprintf(format, args...)})
}

// Join appends a key to a path, quoted where TOML would have it quoted.
func Join(path, key string) string {
	if !bareKey(key) {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// Index appends an array index, counted from 0, to a path.
func Index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func bareKey(key string) bool {
	return key != "" && strings.Trim(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}
