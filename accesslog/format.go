package accesslog

// Combined is the format that nginx has built in under the name "combined".
const Combined = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"`

// Format is a compiled log format. It may be used by any number of goroutines.
// Source: nginx, log_format.
type Format struct {
	own     bool // Paddock's JSON
	ops     []operation
	escapes *escapes
	missing string
}

// CompileFormat compiles the text of a log_format. It fails on a variable that
// is not known and on a "$" without a name, and says at which byte, counted
// from 1. Literals are never escaped; values are, as escape says.
func CompileFormat(text string, escape Escape) (*Format, error) {
	ops, err := compile(text)
	if err != nil {
		return nil, err
	}
	return &Format{ops: ops, escapes: escape.table(), missing: escape.missing()}, nil
}

// Waits is [Template.Waits] of the line.
func (f *Format) Waits() bool { return wait(f.ops) }

// Append appends one line, without the newline. A value that is missing is "-"
// with [Default] and nothing otherwise; one that is there but empty is empty.
// Nothing is allocated but the room that dst lacks.
func (f *Format) Append(dst []byte, e *Entry) []byte {
	if f.own {
		return appendJSON(dst, e)
	}
	for i := range f.ops {
		op := &f.ops[i]
		if op.value == nil {
			dst = append(dst, op.literal...)
			continue
		}
		start := len(dst)
		out, found := op.value(dst, e)
		if !found {
			dst = append(out[:start], f.missing...)
			continue
		}
		dst = f.escapes.apply(out, start)
	}
	return dst
}
