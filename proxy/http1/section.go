package http1

import "bytes"

// section reads the lines of a head as they arrive. It remembers where it
// stopped, so that a head that comes byte by byte costs no more than one that
// comes at once.
type section struct {
	base  *byte // first byte of the buffer: when that moves, reading starts anew
	seen  int   // length of the buffer at the last call
	start int   // of the head: behind a skipped empty line
	pos   int   // of the first line that is not complete
	scan  int   // first byte of that line that was not looked at
	colon bool  // of that line, when it is a field line, was seen
}

// resumes reports whether buf goes on from what was seen before.
func (s *section) resumes(buf []byte) bool {
	if len(buf) == 0 {
		return s.seen == 0
	}
	same := s.base == nil || s.base == &buf[0] && len(buf) >= s.seen
	s.base, s.seen = &buf[0], len(buf)
	return same
}

// parseFields appends the field lines of buf to fields. It returns nil when the
// empty line that ends them was read; s.pos then is the length of the head.
func (s *section) parseFields(buf []byte, lim *Limits, fields *Fields) error {
	for {
		i := bytes.IndexByte(buf[s.scan:], '\n')
		if i < 0 {
			return s.partialField(buf, lim, len(*fields))
		}
		line := buf[s.pos : s.scan+i]
		if len(line)+1 > lim.Field {
			return errFieldTooLong
		}
		next := s.scan + i + 1
		if next-s.start > lim.Total {
			return errHeadTooLong
		}
		if len(line) == 1 && line[0] == '\r' {
			s.pos, s.scan, s.colon = next, next, false
			return nil
		}
		if err := appendField(fields, line, lim); err != nil {
			return err
		}
		s.pos, s.scan, s.colon = next, next, false
	}
}

// appendField appends the field of a line that was cut before its LF.
func appendField(fields *Fields, line []byte, lim *Limits) error {
	if len(line) == 0 {
		return errBareLF
	}
	if len(*fields) >= lim.Fields {
		return errTooMany
	}
	// Parsed in its place: to return and append it would copy it twice.
	*fields = append(*fields, Field{})
	last := len(*fields) - 1
	if err := (*fields)[last].parse(line); err != nil {
		*fields = (*fields)[:last]
		return err
	}
	return nil
}

func (f *Field) parse(line []byte) error {
	text, crlf := cutCR(line)
	n, plain := nameLength(text)
	if n == len(text) || text[n] != ':' || n == 0 {
		return nameError(text, n)
	}
	value := text[n+1:]
	if firstBad(value) >= 0 {
		return errValue
	}
	if !crlf {
		return errBareLF
	}
	f.Name, f.Value = text[:n], trimOWS(value)
	f.asWritten = len(f.Value) == len(value)-1 && value[0] == ' '
	if plain {
		f.id = identify(f.Name)
	} else {
		// WSGI folds '-' and '_', and what gunicorn makes of other bytes is not
		// what we would route by (gunicorn 22 hardening, CVE-2026-88011).
		f.id = idDropped
	}
	return nil
}

// cutCR is bytes.CutSuffix for one byte.
func cutCR(line []byte) (text []byte, crlf bool) {
	if last := len(line) - 1; last >= 0 && line[last] == '\r' {
		return line[:last], true
	}
	return line, false
}

var carriageReturn = []byte{'\r'}

// nameLength returns how many bytes of line are a token, and whether all of them
// are plain.
func nameLength(line []byte) (n int, plain bool) {
	for n < len(line) && class[line[n]]&isPlain != 0 {
		n++
	}
	plain = n > 0
	for n < len(line) && class[line[n]]&isToken != 0 {
		n, plain = n+1, false
	}
	return n, plain
}

// nameError says what is wrong with a line whose token of n bytes no colon
// follows.
func nameError(line []byte, n int) error {
	switch {
	case n == len(line):
		return errNoColon
	case n == 0 && isBlank(line[0]):
		return errFold
	case n == 0 && line[0] == ':':
		return errEmptyName
	case isBlank(line[n]):
		return errBlankColon
	}
	return errName
}

// partialField checks what there is of a field line whose end has not come.
func (s *section) partialField(buf []byte, lim *Limits, fields int) error {
	line := buf[s.pos:]
	if len(line) == 0 {
		return s.needMore(buf, lim)
	}
	if line[0] == '\r' {
		if len(line) > 1 { // CR, then something that is no LF
			return errName
		}
		return s.needMore(buf, lim)
	}
	if fields >= lim.Fields {
		return errTooMany
	}
	if err := s.partialText(line); err != nil {
		return err
	}
	// A CR may yet turn out to be the line's end, so it is looked at again.
	s.scan = s.pos + len(bytes.TrimSuffix(line, carriageReturn))
	if len(line) >= lim.Field {
		return errFieldTooLong
	}
	return s.needMore(buf, lim)
}

func (s *section) partialText(line []byte) error {
	text := bytes.TrimSuffix(line, carriageReturn)
	from := min(s.scan-s.pos, len(text))
	if !s.colon {
		n, _ := nameLength(text[from:])
		n += from
		if n == len(text) {
			if len(text) < len(line) {
				return errNoColon
			}
			return nil
		}
		if text[n] != ':' || n == 0 {
			return nameError(text, n)
		}
		s.colon, from = true, n+1
	}
	if firstBad(text[from:]) >= 0 {
		return errValue
	}
	return nil
}

func (s *section) needMore(buf []byte, lim *Limits) error {
	if len(buf)-s.start >= lim.Total {
		return errHeadTooLong
	}
	return ErrIncomplete
}
