package http1

import "bytes"

// Response is the head of an upstream's answer, final or interim. It is meant to
// be pooled: once warm, Parse allocates nothing.
type Response struct {
	Minor  int    // HTTP/1.Minor, 0 to 9
	Status int    // 100 to 599
	Reason []byte // as received, may be empty
	Fields Fields

	ContentLength int64  // -1: none
	Chunked       bool   // the body, if there is one, is chunked
	KeepAlive     bool   // the upstream would take another request
	Upgrade       []byte // of the one Upgrade field, when Connection names it; else nil

	section section
	state   requestState // inStart, inFields, inBody
	err     error
}

// Body says how a message body is delimited (RFC 9112 6.3).
type Body uint8

const (
	None       Body = iota // no body: the next byte is of the next message
	Length                 // so many bytes
	Chunked                // ChunkReader tells
	UntilClose             // all that comes; the connection carries nothing after it
)

// Reset makes r ready for the next head. Its buffers are kept.
func (r *Response) Reset() {
	clear(r.Fields)
	*r = Response{Fields: r.Fields[:0], ContentLength: -1}
}

// Parse reads the head that buf begins with and returns its length. If it is not
// complete the error is ErrIncomplete: call again with the same bytes and more.
// What is refused returns an *Error with status 502, then and for ever until
// Reset. A call after a complete head (an interim one, say) begins with the next.
//
// There is no HTTP/0.9: an answer without a status line is refused.
func (r *Response) Parse(buf []byte, lim *Limits) (n int, err error) {
	if _, refused := r.err.(*Error); refused {
		return 0, r.err
	}
	if !r.section.resumes(buf) || r.state == inBody {
		r.Reset()
		r.section.resumes(buf)
	}
	limits := lim.orDefault()
	if err := r.parse(buf, &limits); err != nil {
		r.err = gatewayError(err)
		return 0, r.err
	}
	return r.section.pos, nil
}

func (r *Response) parse(buf []byte, lim *Limits) error {
	if r.state == inStart {
		if err := r.parseLine(buf, lim.Line); err != nil {
			return err
		}
		r.state = inFields
	}
	if err := r.section.parseFields(buf, lim, &r.Fields); err != nil {
		return err
	}
	r.state = inBody
	return r.finish()
}

// statusLength is the length of "HTTP/1.1 200", the part of a status line that is
// always there.
const statusLength = len("HTTP/1.1 200")

func (r *Response) parseLine(buf []byte, limit int) error {
	s := &r.section
	head := buf[:min(len(buf), statusLength)]
	for i := min(s.scan, len(head)); i < len(head); i++ {
		if !statusByte(head[i], i) {
			return errStatusLine
		}
	}
	end := bytes.IndexByte(buf[s.scan:], '\n')
	if end < 0 {
		return r.partialLine(buf, limit)
	}
	end += s.scan
	if end+1 > limit {
		return errHeadTooLong
	}
	line, crlf := cutCR(buf[:end])
	if !crlf {
		return errBareLF
	}
	s.pos, s.scan = end+1, end+1
	return r.splitLine(line)
}

// statusByte checks byte i of "HTTP/1.1 200".
func statusByte(c byte, i int) bool {
	const form = "HTTP/1.d ddd"
	if form[i] == 'd' {
		return class[c]&isDigit != 0
	}
	return c == form[i]
}

func (r *Response) partialLine(buf []byte, limit int) error {
	r.section.scan = max(len(buf)-1, 0) // a CR at the end is looked at again
	if len(buf) >= limit {
		return errHeadTooLong
	}
	return ErrIncomplete
}

// splitLine reads a status line. The blank behind the status may be missing when
// there is no reason: many servers leave it out, and nothing else can be meant.
func (r *Response) splitLine(line []byte) error {
	if len(line) < statusLength {
		return errStatusLine
	}
	reason := line[statusLength:]
	if len(reason) > 0 && reason[0] != ' ' || firstBad(reason) >= 0 {
		return errStatusLine
	}
	r.Reason = reason[min(1, len(reason)):]
	r.Minor = int(line[7] - '0')
	r.Status = int(line[9]-'0')*100 + int(line[10]-'0')*10 + int(line[11]-'0')
	if r.Status < 100 || r.Status > 599 {
		return errStatusCode
	}
	return nil
}

func (r *Response) finish() error {
	m := framing{length: -1}
	for i := range r.Fields {
		f := &r.Fields[i]
		switch f.id {
		case idHopByHop, idUpgrade, idTransferEncoding, idContentLength:
			f.Drop = true
		case idConnection:
			f.Drop = true
			if err := m.takeOptions(f.Value, r.Fields); err != nil {
				return err
			}
		}
		if err := m.take(f); err != nil {
			return err
		}
	}
	if err := m.check(r.Minor); err != nil {
		return err
	}
	r.ContentLength, r.Chunked = m.length, m.chunked
	r.KeepAlive = m.persists(r.Minor)
	r.Upgrade = m.onlyUpgrade(r.Minor, r.Fields)
	return nil
}

func (r *Response) isInterimOr204() bool { return r.Status < 200 || r.Status == 204 }

// Body returns how the body of the answer to a request with that method is
// delimited, and for Length its length in bytes; -1 else.
func (r *Response) Body(method []byte) (kind Body, length int64) {
	switch {
	case r.isInterimOr204() || r.Status == 304 || string(method) == "HEAD":
		return None, -1
	case r.Chunked:
		return Chunked, -1
	case r.ContentLength >= 0:
		return Length, r.ContentLength
	}
	return UntilClose, -1
}

// AppendValues appends the values of the fields of that name; see Fields.
func (r *Response) AppendValues(dst []byte, lower string) (out []byte, found bool) {
	return r.Fields.AppendValues(dst, lower)
}

// Get returns the value of the first field of that name; see Fields.
func (r *Response) Get(lower string) ([]byte, bool) { return r.Fields.Get(lower) }
