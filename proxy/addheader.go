package proxy

import (
	"strings"

	"paddock/accesslog"
	"paddock/internal/value"
	"paddock/proxy/http1"
)

// addedField is a compiled entry of add_header.
type addedField struct {
	name   string
	value  *accesslog.Template
	always bool
	kind   addedKind
}

// addedKind tells fields that take the place of the answer's own (nginx:
// ngx_http_set_headers).
type addedKind uint8

const (
	addsField addedKind = iota
	setsLastModified
	setsETag
)

// addedFields compiles add_header.
func (c *compiler) addedFields(key string, table AddedHeaders) []addedField {
	fields := []addedField{}
	for _, h := range table {
		at := value.Join(key, h.Name)
		f := addedField{name: h.Name, always: h.Always, value: c.template(at, h.Value)}
		switch strings.ToLower(h.Name) {
		case "connection", "content-length", "transfer-encoding", "upgrade", "keep-alive", "trailer", "te":
			c.problems.Addf(at, "%s is written by Paddock; expected another field", h.Name)
		case "last-modified":
			f.kind = setsLastModified
		case "etag":
			f.kind = setsETag
		}
		if !http1.IsToken(h.Name) {
			c.problems.Addf(at, "%q is no field name", h.Name)
		}
		fields = append(fields, f)
	}
	return fields
}

// isSafeStatus reports whether expires and add_header apply to a status without
// always (nginx: add_header).
func isSafeStatus(status int) bool {
	switch status {
	case 200, 201, 204, 206, 301, 302, 303, 304, 307, 308:
		return true
	}
	return false
}

// validator is a Last-Modified or ETag that add_header sets.
type validator struct {
	text []byte
	set  bool
}

// added is what expires and add_header make of an answer.
type added struct {
	expires      bool   // Expires and Cache-Control of others go
	lines        []byte // field lines
	lastModified validator
	etag         validator
}

func (a *added) reset() {
	a.expires = false
	a.lines = a.lines[:0]
	a.lastModified = validator{text: a.lastModified.text[:0]}
	a.etag = validator{text: a.etag.text[:0]}
}

// add runs expires and add_header of the place for an answer of x.Status.
func (x *exchange) add(file *fileAnswer) {
	a, rules := &x.added, &x.rules().site
	a.reset()
	safe := isSafeStatus(x.Status)
	if rules.expires.kind != expiresOff && safe {
		a.expires = true
		a.lines = rules.expires.append(a.lines, x.conn.proxy.now(), file.modifiedTime())
	}
	for i := range rules.added {
		if f := &rules.added[i]; safe || f.always {
			x.addField(f)
		}
	}
}

// addField adds one field; an empty value adds none, but takes away a validator.
func (x *exchange) addField(f *addedField) {
	a := &x.added
	x.scratch = f.value.Append(x.scratch[:0], &x.Entry)
	switch {
	case f.kind == setsLastModified:
		a.lastModified = validator{append(a.lastModified.text[:0], x.scratch...), true}
	case f.kind == setsETag:
		a.etag = validator{append(a.etag.text[:0], x.scratch...), true}
	case len(x.scratch) > 0:
		a.lines = http1.AppendField(a.lines, f.name, x.scratch)
	}
}
