package accesslog

import "strings"

// Template is a compiled text with $variables, as proxy_set_header and return
// take it. It may be used by any number of goroutines.
type Template struct {
	ops []operation
}

// CompileTemplate compiles a text with the same variables, and fails on the same
// mistakes, as [CompileFormat].
func CompileTemplate(text string) (*Template, error) {
	ops, err := compile(text)
	if err != nil {
		return nil, err
	}
	return &Template{ops: ops}, nil
}

// Static returns the text of a template without any variable.
func (t *Template) Static() (text string, ok bool) {
	var b strings.Builder
	for _, op := range t.ops {
		if op.value != nil {
			return "", false
		}
		b.WriteString(op.literal)
	}
	return b.String(), true
}

// Waits reports whether a value is asked of the file system, which may hang: whoever must
// not wait does not expand such a template.
func (t *Template) Waits() bool { return wait(t.ops) }

// Append appends the text with the values as they are: nothing is escaped, and
// a value that is missing is nothing. The caller keeps line breaks and other
// bytes out of places where they do harm.
func (t *Template) Append(dst []byte, e *Entry) []byte {
	for i := range t.ops {
		op := &t.ops[i]
		if op.value == nil {
			dst = append(dst, op.literal...)
			continue
		}
		start := len(dst)
		out, found := op.value(dst, e)
		if !found {
			out = out[:start]
		}
		dst = out
	}
	return dst
}
