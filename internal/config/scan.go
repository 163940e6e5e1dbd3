package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"

	"paddock/internal/value"
)

// maxKeyPath bounds the length of a key path in bytes, and with it the depth of
// nested values: a hostile file can cost neither a deep stack nor the square of
// its size in memory.
const maxKeyPath = 1024

// errScan stops a scan at what is no TOML. The library says what it is.
var errScan = errors.New("not TOML")

// scanner notes the line of every key, array entry and table of a TOML text. It
// follows the grammar only as far as it takes to find these, and stays failed
// once it has failed.
type scanner struct {
	text   string
	pos    int
	line   int
	index  lineIndex
	arrays map[string]int // entries so far of each [[array]]
	table  string         // path of the table that key = value lines belong to
	err    error
}

// indexLines scans a file. The index is complete when the text is TOML; the error,
// and the line with it, is for a key that is too long or set twice.
func indexLines(text string) (lineIndex, int, error) {
	for _, bom := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} { // those the library skips
		if rest, found := strings.CutPrefix(text, bom); found {
			text = rest
			break
		}
	}
	s := scanner{text: text, line: 1, index: lineIndex{}, arrays: map[string]int{}}
	for s.skipBlank(); s.err == nil && s.pos < len(s.text); s.skipBlank() {
		if s.peek() == '[' {
			s.header()
		} else {
			s.keyValue(s.table)
		}
	}
	if s.err == errScan {
		s.err = nil
	}
	return s.index, s.line, s.err
}

// header reads [a.b] or [[a.b]].
func (s *scanner) header() {
	s.pos++
	isArray := s.take("[")
	keys := s.keys()
	path := ""
	for i, key := range keys {
		path = s.join(path, key)
		n := s.arrays[path]
		switch last := i == len(keys)-1; {
		case last && isArray:
			s.mark(path)
			s.arrays[path] = n + 1
			path = value.Index(path, n)
		case !last && n > 0: // a table of the array's latest entry
			path = value.Index(path, n-1)
		case !last:
			s.mark(path)
		}
	}
	if s.err != nil {
		return
	}
	s.index[path] = s.line
	s.table = path
	if !s.take("]") || isArray && !s.take("]") {
		s.fail(errScan)
	}
}

// keyValue reads key = value, or a.b = value, in the table at path.
func (s *scanner) keyValue(path string) {
	keys := s.keys()
	for i, key := range keys {
		path = s.join(path, key)
		if first, set := s.index[path]; set && i == len(keys)-1 {
			// The library keeps silent on "a.b = 1" before "a = 2", and drops the latter.
			s.fail(fmt.Errorf("%s is set twice; first set in line %d", path, first))
		}
		s.mark(path)
	}
	if !s.take("=") {
		s.fail(errScan)
		return
	}
	s.skipSpace()
	s.value(path)
}

// keys reads a dotted key.
func (s *scanner) keys() []string {
	var keys []string
	for s.err == nil {
		s.skipSpace()
		keys = append(keys, s.key())
		s.skipSpace()
		if !s.take(".") {
			break
		}
	}
	return keys
}

func (s *scanner) key() string {
	start := s.pos
	if c := s.peek(); c == '"' || c == '\'' {
		s.quoted(c)
		if s.err != nil || s.pos-start < 2 {
			s.fail(errScan)
			return ""
		}
		return s.unquote(s.text[start:s.pos])
	}
	s.pos += len(until(s.text[s.pos:], " \t\r\n.=[]{},#\"'"))
	if s.pos == start {
		s.fail(errScan)
	}
	return s.text[start:s.pos]
}

// unquote has the library read a quoted key, so that both agree on every escape.
func (s *scanner) unquote(raw string) string {
	if !strings.Contains(raw, `\`) || raw[0] == '\'' {
		return raw[1 : len(raw)-1]
	}
	var v struct{ K string }
	if _, err := toml.Decode("K = "+raw, &v); err != nil {
		s.fail(errScan)
	}
	return v.K
}

// skipSpace skips spaces and tabs; skipBlank line ends and comments too.
func (s *scanner) skipSpace() {
	for c := s.peek(); c == ' ' || c == '\t'; c = s.peek() {
		s.pos++
	}
}

func (s *scanner) skipBlank() {
	for s.err == nil {
		switch s.skipSpace(); s.peek() {
		case '\n':
			s.line++
			s.pos++
		case '\r':
			s.pos++
		case '#':
			s.pos += len(until(s.text[s.pos:], "\n"))
		default:
			return
		}
	}
}

func (s *scanner) take(token string) bool {
	if s.pos > len(s.text) || !strings.HasPrefix(s.text[s.pos:], token) {
		return false
	}
	s.pos += len(token)
	return true
}

func (s *scanner) peek() byte {
	if s.pos >= len(s.text) {
		return 0
	}
	return s.text[s.pos]
}

func (s *scanner) join(path, key string) string {
	if s.checkLength(path + key); s.err != nil {
		return path
	}
	return value.Join(path, key)
}

func (s *scanner) checkLength(path string) {
	if len(path) > maxKeyPath {
		s.fail(fmt.Errorf("the key, with the tables around it, is longer than %d bytes", maxKeyPath))
	}
}

// fail ends the scan; the first error stays.
func (s *scanner) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// mark notes where a key first stands.
func (s *scanner) mark(path string) {
	if _, found := s.index[path]; !found {
		s.index[path] = s.line
	}
}

// until returns s up to the first of stops.
func until(s, stops string) string {
	if i := strings.IndexAny(s, stops); i >= 0 {
		return s[:i]
	}
	return s
}
