package value

import (
	"slices"
	"strings"
	"testing"
)

// What Python's shlex.split answers.
func TestCommandIsSplitAsShlexSplits(t *testing.T) {
	for text, want := range map[string][]string{
		`gunicorn hello:app`:        {"gunicorn", "hello:app"},
		"  a\t b\nc ":               {"a", "b", "c"},
		`a 'b c' "d e"`:             {"a", "b c", "d e"},
		`a "" ''`:                   {"a", "", ""},
		`a"b"'c'd`:                  {"abcd"},
		`a\ b \"c`:                  {"a b", `"c`},
		`"a\"b\\c\d"`:               {`a"b\c\d`},
		`'a\'b`:                     {`a\b`},
		`--x="$HOME" # no comment`:  {"--x=$HOME", "#", "no", "comment"},
		`sh -c 'echo "hi" && exit'`: {"sh", "-c", `echo "hi" && exit`},
		"":                          nil,
		" ":                         nil,
	} {
		got, err := SplitCommand(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestCommandThatCannotBeSplitIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		`a "b`:   `" quote`,
		`a 'b`:   `' quote`,
		`a\`:     "backslash",
		"a\x00b": "NUL",
		`"a\`:    "backslash",
		"'\x00'": "NUL",
	} {
		if got, err := SplitCommand(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %q, %v; want an error about %s", text, got, err, want)
		}
	}
}

func TestEmptyCommandInTheFileIsRefused(t *testing.T) {
	var c Command
	if err := c.UnmarshalTOML("  "); err == nil {
		t.Errorf("read as %q", c.Args)
	}
}

func FuzzSplitCommand(f *testing.F) {
	for _, s := range []string{`a 'b c' "d\"e"`, `\`, `"`, "a\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words, err := SplitCommand(s)
		if err != nil {
			return
		}
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		again, err := SplitCommand(strings.Join(quoted, " "))
		if err != nil || !slices.Equal(again, words) {
			t.Fatalf("%q splits to %q; quoted and split again %q, %v", s, words, again, err)
		}
	})
}
