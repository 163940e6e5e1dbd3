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

// added is what expires and add_header make of an answer.
type added struct {
	expires      bool   // Expires and Cache-Control of others go
	lines        []byte // field lines
	lastModified bool   // Last-Modified of others goes
	etag         bool   // so does ETag; this takes its place, unless it is empty
	etagText     []byte
	tagged       bool // the answer is a file's, which has an ETag of its own
	value        []byte
}

func (a *added) reset() {
	*a = added{lines: a.lines[:0], etagText: a.etagText[:0], value: a.value[:0]}
}

// add runs expires and add_header of the place for an answer of x.Status.
func (x *exchange) add(file *fileAnswer) {
	a, rules := &x.added, &x.rules().site
	a.reset()
	a.tagged = file != nil
	safe := isSafeStatus(x.Status)
	if x.server.hsts != nil && x.ForwardedProto == "https" { // RFC 6797 7.2: never over plain HTTP
		a.lines = append(a.lines, x.server.hsts...)
	}
	if rules.expires.kind != expiresOff && safe {
		a.expires = true
		a.lines = rules.expires.append(a.lines, x.conn.proxy.when(x.clock()), file.modifiedTime())
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
	a.value = f.value.Append(a.value[:0], &x.Entry)
	switch f.kind {
	case setsETag:
		a.etag, a.etagText = true, append(a.etagText[:0], a.value...)
		return
	case setsLastModified:
		a.lastModified = true
	}
	if len(a.value) > 0 {
		a.lines = http1.AppendField(a.lines, f.name, a.value)
	}
}
