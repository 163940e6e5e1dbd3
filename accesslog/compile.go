package accesslog

import (
	"fmt"
	"slices"
	"strings"
)

// operation is one step of a compiled text: a literal, or a variable when value
// is set.
type operation struct {
	literal string
	value   variable
	waits   bool // the value is asked of the file system
}

func wait(ops []operation) bool {
	return slices.ContainsFunc(ops, func(op operation) bool { return op.waits })
}

// compile splits text into literals and variables. Names are taken as nginx
// takes them: "$name" or "${name}" of letters, digits and "_", in any case.
func compile(text string) ([]operation, error) {
	var ops []operation
	for at := 0; at < len(text); {
		if text[at] != '$' {
			end := literalEnd(text, at)
			ops = append(ops, operation{literal: text[at:end]})
			at = end
			continue
		}
		name, end, err := scanName(text, at)
		if err != nil {
			return nil, err
		}
		lower := strings.ToLower(name)
		value, found := lookup(lower)
		if !found {
			return nil, unknown(name, at)
		}
		ops = append(ops, operation{value: value, waits: onDisk[lower]})
		at = end
	}
	return ops, nil
}

func literalEnd(text string, at int) int {
	if i := strings.IndexByte(text[at:], '$'); i >= 0 {
		return at + i
	}
	return len(text)
}

// scanName reads the variable name behind the "$" at byte at, and says where
// the text goes on. nginx has no way to write a literal "$".
func scanName(text string, at int) (name string, end int, err error) {
	begin := at + 1
	bracket := begin < len(text) && text[begin] == '{'
	if bracket {
		begin++
	}
	end = begin
	for end < len(text) && isNameByte(text[end]) {
		end++
	}
	name = text[begin:end]
	if bracket {
		if end == len(text) || text[end] != '}' {
			return "", 0, fmt.Errorf(`the closing bracket of "${%s" at byte %d is missing; expected "${name}"`, name, at+1)
		}
		end++
	}
	if name == "" {
		return "", 0, fmt.Errorf(`invalid variable name at byte %d; expected "$name" or "${name}"`, at+1)
	}
	return name, end, nil
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}
