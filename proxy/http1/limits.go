package http1

// Limits of nginx's large_client_header_buffers 4 8k, and the field count of
// security practice (nginx: max_headers 1000, gunicorn: 100).
const (
	DefaultLine   = 8 << 10
	DefaultField  = 8 << 10
	DefaultTotal  = 4 * 8 << 10
	DefaultFields = 100
)

// Limits bound a head, in bytes with line ends and as received. A zero value
// means the default beside it.
type Limits struct {
	Line   int // request or status line: 8 KiB, else 414 (502 for a response)
	Field  int // one field line: 8 KiB, else 400
	Total  int // the head with its last empty line: 32 KiB, else 400
	Fields int // field lines: 100, else 400
}

// orDefault returns l with its zero values replaced; l may be nil.
func (l *Limits) orDefault() Limits {
	d := Limits{DefaultLine, DefaultField, DefaultTotal, DefaultFields}
	if l == nil {
		return d
	}
	return Limits{
		Line:   positive(l.Line, d.Line),
		Field:  positive(l.Field, d.Field),
		Total:  positive(l.Total, d.Total),
		Fields: positive(l.Fields, d.Fields),
	}
}

func positive(v, otherwise int) int {
	if v > 0 {
		return v
	}
	return otherwise
}
