package config

import (
	"strings"

	"paddock/internal/value"
)

// value reads a value and notes what it holds.
func (s *scanner) value(path string) {
	switch c := s.peek(); c {
	case '"', '\'':
		triple := strings.Repeat(string(c), 3)
		if s.take(triple) {
			s.multiline(triple)
		} else {
			s.quoted(c)
		}
	case '[':
		s.array(path)
	case '{':
		s.inlineTable(path)
	default:
		bare := until(s.text[s.pos:], ",]}\r\n#")
		s.pos += len(bare)
		if bare == "" {
			s.fail(errScan)
		}
	}
}

func (s *scanner) array(path string) {
	s.pos++
	for i := 0; s.err == nil; i++ {
		s.skipBlank()
		if s.take("]") {
			return
		}
		entry := value.Index(path, i)
		s.checkLength(entry)
		s.mark(entry)
		s.value(entry)
		s.separator(']')
	}
}

// inlineTable reads { … }, over several lines too (TOML 1.1).
func (s *scanner) inlineTable(path string) {
	s.pos++
	for s.err == nil {
		s.skipBlank()
		if s.take("}") {
			return
		}
		s.keyValue(path)
		s.separator('}')
	}
}

// separator reads the comma after an entry, unless the closing bracket follows.
func (s *scanner) separator(closing byte) {
	s.skipBlank()
	if !s.take(",") && s.peek() != closing {
		s.fail(errScan)
	}
}

// quoted skips a string of one line.
func (s *scanner) quoted(quote byte) {
	for s.pos++; s.pos < len(s.text) && s.text[s.pos] != '\n'; s.pos++ {
		switch c := s.text[s.pos]; {
		case c == quote:
			s.pos++
			return
		case c == '\\' && quote == '"':
			s.pos++
		}
	}
	s.fail(errScan)
}

// multiline skips the rest of a string that three quotes opened. One or two quotes
// may stand before the three that close it.
func (s *scanner) multiline(triple string) {
	for s.pos < len(s.text) {
		if s.take(triple) {
			for range 2 {
				s.take(triple[:1])
			}
			return
		}
		if s.text[s.pos] == '\\' && triple[0] == '"' {
			s.pos++
		}
		if s.peek() == '\n' {
			s.line++
		}
		s.pos++
	}
	s.fail(errScan)
}
