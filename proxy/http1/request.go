package http1

import "bytes"

// Request is the head of a request. It is meant to be pooled: once warm, Parse
// allocates nothing.
type Request struct {
	// Line is the request line as received, without its end. Of a line that is
	// malformed or not complete it is what came, up to CR or LF (nginx: $request);
	// nil if no byte came.
	Line []byte

	// Method and Target are parts of Line; nil until the whole line was well-formed.
	// Of a path that is malformed there is no Target, and NormalPath is empty.
	Method, Target []byte
	Minor          int // HTTP/1.Minor, 0 to 9; 2 and more mean what 1 means
	Fields         Fields

	// Host is the authority that the request is for, with its port: that of an
	// absolute-form target, else the Host field; nil for HTTP/1.0 without one.
	// HostName is it in lower case, without port and trailing dot; an IPv6 address
	// keeps its brackets (nginx: $host).
	Host, HostName []byte

	// Path and Query are the parts of the target as received: what goes upstream.
	// HasQuery tells "?" alone from no query. Of "OPTIONS *" the path is "*".
	Path, Query []byte
	HasQuery    bool

	// NormalPath is Path decoded once, dot segments resolved and slashes merged:
	// what is matched and served (nginx: $uri). It may hold any byte but NUL, also
	// line ends.
	NormalPath []byte

	ContentLength int64  // -1: none
	Chunked       bool   // the body is chunked
	KeepAlive     bool   // the client would send another request
	Expect100     bool   // a 100 is waited for before the body is sent
	Upgrade       []byte // of the one Upgrade field, when Connection names it; else nil
	Cookies       int    // Cookie fields; more than one are to be joined

	section  section
	state    requestState
	err      error
	pathBuf  []byte
	hostBuf  []byte
	absolute bool // the target was in absolute-form
}

type requestState uint8

const (
	inStart requestState = iota
	inMethod
	inTarget
	inVersion
	inFields
	inBody // the head is complete
)

// Reset makes r ready for the next request. Its buffers are kept.
func (r *Request) Reset() {
	clear(r.Fields)
	*r = Request{
		Fields:        r.Fields[:0],
		ContentLength: -1,
		pathBuf:       r.pathBuf[:0],
		hostBuf:       r.hostBuf[:0],
	}
}

// Parse reads the head that buf begins with and returns its length. If it is not
// complete the error is ErrIncomplete: call again with the same bytes and more.
// What is refused returns an *Error, then and for ever until Reset; the parts of
// r that had been read stay. A call after a complete head begins with the next.
//
// One empty line before the request line is skipped and counted (RFC 9112 2.2).
func (r *Request) Parse(buf []byte, lim *Limits) (n int, err error) {
	if _, refused := r.err.(*Error); refused {
		return 0, r.err
	}
	fresh := r.section == (section{}) && r.ContentLength < 0 // after Reset
	if !r.section.resumes(buf) || r.state == inBody || r.state == inStart && !fresh {
		r.restart(buf)
	}
	limits := lim.orDefault()
	if r.err = r.parse(buf, &limits); r.err != nil {
		if r.state < inFields {
			r.Line = lineSoFar(buf[r.section.start:], limits.Line)
		}
		return 0, r.err
	}
	return r.section.pos, nil
}

func (r *Request) restart(buf []byte) {
	r.Reset()
	r.section.resumes(buf)
}

func (r *Request) parse(buf []byte, lim *Limits) error {
	if r.state < inFields {
		if err := r.parseLine(buf, lim.Line); err != nil {
			return err
		}
		if err := r.parseTarget(); err != nil {
			r.forgetTarget(err)
			return err
		}
	}
	if err := r.section.parseFields(buf, lim, &r.Fields); err != nil {
		return err
	}
	r.state = inBody
	err := r.finish()
	r.forgetRest(buf, err)
	return err
}

// forgetTarget keeps of a line with a malformed target what nginx logs of it: where
// the path alone is wrong, the method and an empty $uri; else nothing.
func (r *Request) forgetTarget(err error) {
	r.Target = nil
	switch err {
	case errEscape, errNUL, errAboveRoot:
		r.NormalPath = r.Line[:0:0]
	default:
		r.Method = nil
	}
}

// forgetRest drops the fields from the one on that is refused for what stands before
// it: nginx reads no further.
func (r *Request) forgetRest(buf []byte, err error) {
	id := idHost
	switch err {
	case errTwoLengths:
		id = idContentLength
	case errTwoHosts, errHost:
	default:
		return
	}
	keep := -1
	for i := range r.Fields {
		if r.Fields[i].id == id {
			if keep++; keep == 1 || err == errHost {
				value := r.Fields[i].Value
				end := cap(buf) - cap(value) + len(value) // where it lies in buf
				r.section.pos = end + bytes.IndexByte(buf[end:], '\n') + 1
				if keep == 1 {
					r.Fields = r.Fields[:i]
				}
				return
			}
		}
	}
}

// Length is how many bytes of whole lines were taken, also of a head that was refused
// or is not complete (nginx: $request_length).
func (r *Request) Length() int {
	if r.Method == nil {
		return 0
	}
	return r.section.pos - r.section.start
}

// BadVersion reports whether the line was refused in its version.
func (r *Request) BadVersion() bool { return r.state == inVersion && r.err != ErrIncomplete }

// finish reads what the fields mean, once all of them are there.
func (r *Request) finish() error {
	m := framing{length: -1}
	if err := r.readFields(&m); err != nil {
		return err
	}
	if err := m.check(r.Minor); err != nil {
		return err
	}
	r.ContentLength, r.Chunked = m.length, m.chunked
	r.KeepAlive = m.persists(r.Minor)
	r.Upgrade = m.onlyUpgrade(r.Minor, r.Fields)
	// RFC 9110 10.1.1: not for HTTP/1.0; without a body there is nothing to wait for.
	r.Expect100 = r.Expect100 && r.Minor > 0 && (r.Chunked || r.ContentLength > 0)
	return r.checkMethod()
}

func (r *Request) readFields(m *framing) error {
	var host *Field
	var hosts, expects, authorizations int
	for i := range r.Fields {
		f := &r.Fields[i]
		switch f.id {
		case idOther:
			continue
		case idHost:
			host = f
			hosts++
		case idConnection:
			if err := m.takeOptions(f.Value, r.Fields); err != nil {
				return err
			}
		case idExpect:
			expects++
			r.Expect100 = isContinue(f.Value)
		case idAuthorization:
			authorizations++
		case idCookie:
			r.Cookies++
		case idForwarded:
			f.Forwarded = true
		default:
			if err := m.take(f); err != nil {
				return err
			}
		}
		f.Drop = f.Drop || f.id.dropsFromRequest()
	}
	if expects > 1 || authorizations > 1 {
		return errTwice // as nginx: each reader might believe another one
	}
	return r.setHost(host, hosts)
}

// isContinue reports whether an Expect field asks for 100. Any other expectation
// is ignored, as nginx does.
func isContinue(value []byte) bool {
	n, _ := nameLength(value)
	return n == len(value) && lowerIs(value, "100-continue")
}

// dropsFromRequest reports whether a field is never forwarded as received.
func (id nameID) dropsFromRequest() bool {
	switch id {
	case idOther, idCookie, idAuthorization, idForwarded:
		return false
	}
	return true
}

func (r *Request) setHost(f *Field, count int) error {
	switch {
	case count > 1:
		return errTwoHosts
	case count == 0 && r.Minor > 0:
		return errNoHost
	case count == 0:
		return nil
	}
	name, _, ok := ParseHost(f.Value)
	if !ok {
		return errHost
	}
	if !r.absolute { // RFC 9112 3.2.2: the target wins
		r.Host = f.Value
		r.HostName = r.lowerHost(name)
	}
	return nil
}

// checkMethod comes last, so that the refusal is logged with its fields, as
// nginx does.
func (r *Request) checkMethod() error {
	switch string(r.Method) {
	case "CONNECT":
		return errConnect
	case "TRACE": // shows a script the fields that it may not see
		return errTrace
	}
	return nil
}

// AppendValues appends the values of the fields of that name; see Fields.
func (r *Request) AppendValues(dst []byte, lower string) (out []byte, found bool) {
	return r.Fields.AppendValues(dst, lower)
}

// Get returns the value of the first field of that name; see Fields.
func (r *Request) Get(lower string) ([]byte, bool) { return r.Fields.Get(lower) }

// AppendTarget appends the target in origin-form, as received: what goes upstream.
func (r *Request) AppendTarget(dst []byte) []byte {
	dst = append(dst, r.Path...)
	if r.HasQuery {
		dst = append(append(dst, '?'), r.Query...)
	}
	return dst
}

// HasBody reports whether body bytes or chunks follow the head.
func (r *Request) HasBody() bool { return r.Chunked || r.ContentLength > 0 }
