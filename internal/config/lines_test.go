package config

import (
	"maps"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"paddock/internal/value"
)

func TestLineIndexFollowsTOML(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want lineIndex
	}{
		"keys and comments": {
			"# a = 1\na = 1 # b = 2\n\n  b=2\r\nc = 'x # y'",
			lineIndex{"a": 2, "b": 4, "c": 5},
		},
		"dotted and quoted keys": {
			"a.b . \"c.d\" = 1\n'e\\' = 1\n\"\" = 1\n\"f\\u0067\" = 1",
			lineIndex{"a": 1, "a.b": 1, `a.b."c.d"`: 1, `"e\\"`: 2, `""`: 3, "fg": 4},
		},
		"tables": {
			"[a]\nx = 1\n[ b . c ] # [d]\nx = 1\n[b]\nx = 1",
			lineIndex{"a": 1, "a.x": 2, "b": 5, "b.c": 3, "b.c.x": 4, "b.x": 6},
		},
		"arrays of tables, nested": {
			"[[s]]\nx = 1\n[[s.l]]\ny = 1\n[[s.l]]\n[s.l.z]\nq = 1\n[[s]]\n[[s.l]]\ny = 1\n[s.t]\nu = 1",
			lineIndex{
				"s": 1, "s[0]": 1, "s[0].x": 2, "s[0].l": 3, "s[0].l[0]": 3, "s[0].l[0].y": 4,
				"s[0].l[1]": 5, "s[0].l[1].z": 6, "s[0].l[1].z.q": 7,
				"s[1]": 8, "s[1].l": 9, "s[1].l[0]": 9, "s[1].l[0].y": 10, "s[1].t": 11, "s[1].t.u": 12,
			},
		},
		"inline tables and arrays over several lines": {
			"a = { x = 1, y.z = [1,\n 2] }\nb = [\n  # b\n  { x = 1 },\n  { x = ']',\n    y = 2, },\n]\nc = [[1], [\n2]]",
			lineIndex{
				"a": 1, "a.x": 1, "a.y": 1, "a.y.z": 1, "a.y.z[0]": 1, "a.y.z[1]": 2,
				"b": 3, "b[0]": 5, "b[0].x": 5, "b[1]": 6, "b[1].x": 6, "b[1].y": 7,
				"c": 9, "c[0]": 9, "c[0][0]": 9, "c[1]": 9, "c[1][0]": 10,
			},
		},
		"multi-line strings": {
			"a = \"\"\"\nb = 1\n\\\"\"\"\n\\\n\"\"\"\"\"\nc = '''\n[d]\n\\'''\ne = \"\"\ng = ''''''\nf = 1979-05-27 07:32:00",
			lineIndex{"a": 1, "c": 6, "e": 9, "g": 10, "f": 11},
		},
		"byte order mark": {"\xef\xbb\xbfa = 1\n", lineIndex{"a": 1}},
	} {
		got, _, err := indexLines(c.text)
		if err != nil || !maps.Equal(got, c.want) {
			t.Errorf("%s: got %v, %v\nwant %v", name, got, err, c.want)
		}
		if _, err := toml.Decode(c.text, new(map[string]any)); err != nil {
			t.Errorf("%s: the case is no TOML: %v", name, err)
		}
	}
}

func TestLineOfMissingKeyIsThatOfItsTable(t *testing.T) {
	lines, _, _ := indexLines("[app.\"a.[b\"]\ncommand = 'x'\n[[server]]\nlisten = 1\n")
	for key, want := range map[string]int{
		value.Join(value.Join("app", "a.[b"), "command"): 2,
		value.Join(value.Join("app", "a.[b"), "user"):    1,
		"server[0].listen[3]":                            4,
		"server[0].location[1].path":                     3,
		"nothing[0].here":                                0,
	} {
		if got, _ := lines.find(key); got != want {
			t.Errorf("%s: line %d, want %d", key, got, want)
		}
	}
}

func TestKeyPathIsBounded(t *testing.T) {
	for name, text := range map[string]string{
		"deep arrays":   "ok = 1\na = " + strings.Repeat("[", maxFileSize),
		"deep tables":   "ok = 1\na = " + strings.Repeat("{a=", maxFileSize/3),
		"dotted key":    "ok = 1\n" + strings.Repeat("a.", maxFileSize/2) + "a = 1",
		"dotted header": "ok = 1\n[" + strings.Repeat("a.", maxFileSize/2) + "a]",
	} {
		lines, line, err := indexLines(text)
		if err == nil || line != 2 || len(lines) > maxKeyPath {
			t.Errorf("%s: %d keys, line %d, %v; expected an error for line 2", name, len(lines), line, err)
		}
	}
}

// FuzzLines holds the index against the library: every key that the library
// decodes has a line, and no key that has a line is lost.
func FuzzLines(f *testing.F) {
	for _, s := range []string{
		"a.b = 1\n[c]\nd = [1, {e = 2}]", "[[a]]\n[[a.b]]\nc = '''\n'''", "\"\\u0061\" = 1", "a = {b = {c = [[]]}}",
		"a = \"\"\"\\\n  x\"\"\"\"\n", "a = [ # ]\n]", "\xef\xbb\xbf[\"\"]\n'' = 1", "a = 1979-05-27 07:32:00 # x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines, _, err := indexLines(text)
		if err != nil {
			return
		}
		var tables map[string]any
		if _, err := toml.Decode(text, &tables); err != nil {
			return
		}
		decoded := map[string]bool{}
		collect(decoded, "", tables)
		for key := range decoded {
			if line := lines[key]; line < 1 || line > strings.Count(text, "\n")+1 {
				t.Fatalf("%s is in line %d", key, line)
			}
		}
		for key, line := range lines {
			if !decoded[key] {
				t.Fatalf("%s in line %d was not decoded", key, line)
			}
		}
	})
}

// collect notes the path of every key and entry in v.
func collect(paths map[string]bool, path string, v any) {
	if path != "" {
		paths[path] = true
	}
	switch v := v.(type) {
	case map[string]any:
		for key, entry := range v {
			collect(paths, value.Join(path, key), entry)
		}
	case []any:
		for i, entry := range v {
			collect(paths, value.Index(path, i), entry)
		}
	case []map[string]any:
		for i, entry := range v {
			collect(paths, value.Index(path, i), entry)
		}
	}
}
