package dev

import (
	"regexp"
	"slices"
	"strings"
)

// maxSource bounds what is read of a source, in bytes; real ones are a hundredth of it.
const maxSource = 1 << 20

// The names that hold a WSGI application, the usual one first, as Flask looks for
// them ("Application Discovery"); after them functions that make one.
var (
	objectNames  = []string{"app", "application"}
	factoryNames = []string{"create_app", "make_app"}
)

var (
	assignment = regexp.MustCompile(`^([A-Za-z_]\w*)\s*(?::[^=]+)?=([^=].*)?$`)
	chained    = regexp.MustCompile(`^\s*([A-Za-z_]\w*)\s*=([^=].*)$`)
	function   = regexp.MustCompile(`^(?:async\s+)?def\s+([A-Za-z_]\w*)\s*\(`)
	imported   = regexp.MustCompile(`^(?:from\s+\S+\s+)?import\s+(.*)$`)
)

// definitions are what a module holds at its top level.
type definitions struct {
	names     map[string]bool
	factories map[string]bool // functions that can be called without arguments
}

// wsgiObject returns what gunicorn is told after the colon, "" for nothing.
func (d definitions) wsgiObject() string {
	for _, name := range objectNames {
		if d.names[name] {
			return name
		}
	}
	for _, name := range factoryNames {
		if d.factories[name] {
			return name + "()"
		}
	}
	return ""
}

// scan finds the names that a Python source defines at its top level. It reads the
// statements that stand at the beginning of a line; what is defined in an `if` or a
// `try` is not seen.
func scan(source string) definitions {
	d := definitions{names: map[string]bool{}, factories: map[string]bool{}}
	for _, s := range statements(source) {
		if m := function.FindStringSubmatch(s); m != nil {
			d.names[m[1]] = true
			d.factories[m[1]] = callableBare(s[len(m[0]):])
		} else if m := imported.FindStringSubmatch(s); m != nil {
			d.imports(m[1])
		} else {
			d.assigns(s)
		}
	}
	return d
}

// assigns notes the targets of `a = b = value`.
func (d definitions) assigns(statement string) {
	m := assignment.FindStringSubmatch(statement)
	for m != nil {
		d.names[m[1]] = true
		m = chained.FindStringSubmatch(m[2])
	}
}

// imports notes the names of `import a as b` and `from m import (a, b as c)`.
func (d definitions) imports(list string) {
	for part := range strings.SplitSeq(strings.Trim(list, "() "), ",") {
		words := strings.Fields(part)
		if len(words) == 3 && words[1] == "as" {
			d.names[words[2]] = true
		} else if len(words) == 1 {
			d.names[words[0]] = true
		}
	}
}

// callableBare reports whether every parameter up to the closing bracket has a
// default or is *args or **kwargs.
func callableBare(parameters string) bool {
	depth, start := 0, 0
	for i := range len(parameters) {
		switch c := parameters[i]; {
		case c == '(' || c == '[' || c == '{':
			depth++
		case depth == 0 && (c == ',' || c == ')'):
			p := strings.TrimSpace(parameters[start:i])
			if p != "" && p != "/" && !strings.HasPrefix(p, "*") && !strings.Contains(p, "=") {
				return false
			}
			if c == ')' {
				return true
			}
			start = i + 1
		case c == ')' || c == ']' || c == '}':
			depth--
		}
	}
	return false
}

// statements returns the logical lines of a source that begin in its first column:
// comments are left out, strings emptied, and lines joined as Python joins them.
func statements(source string) []string {
	var all []string
	t := tokens{rest: strings.ReplaceAll(source[:min(len(source), maxSource)], "\r\n", "\n")}
	for t.rest != "" {
		line := t.logicalLine()
		if line != "" && !strings.ContainsAny(line[:1], " \t#@") {
			all = append(all, strings.TrimRight(line, " \t"))
		}
	}
	return all
}

// tokens reads a source from its beginning.
type tokens struct{ rest string }

// logicalLine takes one logical line off the source.
func (t *tokens) logicalLine() string {
	var line strings.Builder
	depth := 0
	for t.rest != "" {
		c := t.rest[0]
		switch {
		case c == '"' || c == '\'':
			t.skipString()
			line.WriteString(`""`)
			continue
		case c == '#':
			t.skipTo("\n")
			continue
		case strings.HasPrefix(t.rest, "\\\n"):
			t.rest = t.rest[2:]
			line.WriteByte(' ')
			continue
		case c == '\n' && depth == 0:
			t.rest = t.rest[1:]
			return line.String()
		case c == '\n':
			c = ' '
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			depth = max(depth-1, 0)
		}
		line.WriteByte(c)
		t.rest = t.rest[1:]
	}
	return line.String()
}

// skipTo drops what stands before the mark, or everything.
func (t *tokens) skipTo(mark string) {
	t.rest = t.rest[len(t.rest)-len(after(t.rest, mark)):]
}

// after returns s from the mark on, "" without one.
func after(s, mark string) string {
	if i := strings.Index(s, mark); i >= 0 {
		return s[i:]
	}
	return ""
}

// skipString drops a string literal. One that is not closed ends with its line, or
// with the source when it is a long one.
func (t *tokens) skipString() {
	quote := t.rest[:1]
	long := slices.Contains([]string{`"""`, `'''`}, t.rest[:min(3, len(t.rest))])
	if long {
		quote = t.rest[:3]
	}
	t.rest = t.rest[len(quote):]
	for t.rest != "" {
		switch {
		case strings.HasPrefix(t.rest, quote):
			t.rest = t.rest[len(quote):]
			return
		case t.rest[0] == '\n' && !long:
			return
		case t.rest[0] == '\\' && len(t.rest) > 1:
			t.rest = t.rest[2:]
		default:
			t.rest = t.rest[1:]
		}
	}
}
