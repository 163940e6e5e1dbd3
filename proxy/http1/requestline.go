package http1

import "bytes"

// versionLength is the length of "HTTP/1.1" with the CRLF behind it.
const versionLength = len("HTTP/1.1\r\n")

// parseLine reads the request line; limit is its greatest length. It goes on
// where the last call stopped.
func (r *Request) parseLine(buf []byte, limit int) error {
	s := &r.section
	if r.state == inStart {
		if err := r.skipEmptyLine(buf); err != nil {
			return err
		}
		r.state = inMethod
	}
	end := min(len(buf), s.start+limit)
	if r.state == inMethod {
		if err := r.scanPart(buf[:end], isMethod, errMethod); err != nil {
			return tooLong(err, end-s.start, limit)
		}
		r.state = inTarget
	}
	if r.state == inTarget {
		if err := r.scanPart(buf[:end], isTarget, errTargetByte); err != nil {
			return tooLong(err, end-s.start, limit)
		}
		r.state = inVersion
	}
	version := buf[s.scan:end]
	minor, err := requestVersion(version)
	if err != nil {
		return tooLong(err, end-s.start, limit)
	}
	r.Minor = minor
	r.splitLine(buf[s.start : s.scan+versionLength-len("\r\n")])
	s.scan += versionLength
	s.pos = s.scan
	r.state = inFields
	return nil
}

// tooLong turns a line that needs more bytes than it may have into 414.
func tooLong(err error, have, limit int) error {
	if err == ErrIncomplete && have >= limit {
		return errLineTooLong
	}
	return err
}

// skipEmptyLine skips one CRLF (RFC 9112 2.2: left by clients after a body).
func (r *Request) skipEmptyLine(buf []byte) error {
	s := &r.section
	if len(buf) == 0 {
		return ErrIncomplete
	}
	if buf[0] == '\n' {
		return errBareLF
	}
	if buf[0] != '\r' {
		return nil
	}
	if len(buf) == 1 {
		return ErrIncomplete
	}
	if buf[1] != '\n' {
		return errMethod
	}
	s.start, s.pos, s.scan = 2, 2, 2
	if len(buf) == 2 {
		return ErrIncomplete
	}
	return nil
}

// scanPart reads bytes of one class up to the one blank behind them.
func (r *Request) scanPart(buf []byte, allowed uint8, wrong error) error {
	s := &r.section
	i := s.scan
	for i < len(buf) && class[buf[i]]&allowed != 0 {
		i++
	}
	begin := s.pos
	s.scan = i
	if i == len(buf) {
		return ErrIncomplete
	}
	if buf[i] != ' ' || i == begin {
		return wrong
	}
	s.scan = i + 1
	s.pos = s.scan
	return nil
}

// requestVersion reads "HTTP/1.x" CRLF, as far as it has come.
func requestVersion(v []byte) (minor int, err error) {
	const name = "HTTP/"
	if n := min(len(v), len(name)); string(v[:n]) != name[:n] {
		return 0, errVersion
	}
	for i := len(name); i < min(len(v), versionLength); i++ {
		if err := versionByte(v, i); err != nil {
			return 0, err
		}
	}
	if len(v) < versionLength {
		return 0, ErrIncomplete
	}
	return int(v[7] - '0'), nil
}

// versionByte checks byte i of "HTTP/1.1" CRLF. "HTTP/2.0" is 505, and so is the
// preface of HTTP/2, which is no request to forward (RFC 9113 3.4).
func versionByte(v []byte, i int) error {
	c := v[i]
	switch i {
	case 5:
		if c < '1' || c > '9' {
			return errVersion
		}
	case 6:
		if c != '.' {
			return errVersion
		}
	case 7:
		if class[c]&isDigit == 0 {
			return errVersion
		}
		if v[5] != '1' {
			return errMajorVersion
		}
	case 8:
		if c == '\n' {
			return errBareLF
		}
		if c != '\r' {
			return errVersion
		}
	case 9:
		if c != '\n' {
			return errVersion
		}
	}
	return nil
}

func (r *Request) splitLine(line []byte) {
	r.Line = line
	i := bytes.IndexByte(line, ' ')
	j := len(line) - len(" HTTP/1.1")
	r.Method, r.Target = line[:i], line[i+1:j]
}

// lineSoFar returns what came of a line, at most limit bytes, up to CR or LF.
func lineSoFar(b []byte, limit int) []byte {
	b = b[:min(len(b), limit)]
	for _, end := range []byte("\n\r") {
		if i := bytes.IndexByte(b, end); i >= 0 {
			b = b[:i]
		}
	}
	if len(b) == 0 {
		return nil
	}
	return b
}
