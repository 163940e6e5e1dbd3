package dev

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func testPrinter(colours bool) (*printer, *bytes.Buffer) {
	out := new(bytes.Buffer)
	p := newPrinter(out, colours)
	p.now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local) }
	return p, out
}

func TestRequestLinesAreReadable(t *testing.T) {
	for line, want := range map[string]string{
		"200 0.012 GET /a?b=1":  "03:04:05 GET /a?b=1 200 12 ms\n",
		"500 61.500 POST /":     "03:04:05 POST / 500 61500 ms\n",
		"400 0.000 - -":         "03:04:05 - - 400 0 ms\n",
		"200 0.001 GET /a b":    "03:04:05 GET /a b 200 1 ms\n",
		"something else":        "something else\n",
		"204 - GET /no-time":    "03:04:05 GET /no-time 204 -\n",
		"":                      "\n",
		"200 0.0005 OPTIONS *":  "03:04:05 OPTIONS * 200 0 ms\n",
		"301 0.001 GET /\\x1b[": "03:04:05 GET /\\x1b[ 301 1 ms\n",
	} {
		p, out := testPrinter(false)
		p.request(line)
		if out.String() != want {
			t.Errorf("%q: got %q, want %q", line, out, want)
		}
	}
}

func TestStatusesHaveColours(t *testing.T) {
	for status, colour := range map[string]string{"200": green, "304": cyan, "404": yellow, "503": red} {
		p, out := testPrinter(true)
		p.request(status + " 0.001 GET /")
		if !strings.Contains(out.String(), colour+status+reset) {
			t.Errorf("%s: %q", status, out)
		}
	}
}

func TestColoursNeedATerminalThatWantsThem(t *testing.T) {
	for _, c := range []struct {
		file *os.File
		env  map[string]string
		want bool
	}{
		{os.Stdout, nil, true},
		{nil, nil, false},
		{os.Stdout, map[string]string{"NO_COLOR": "1"}, false},
		{os.Stdout, map[string]string{"NO_COLOR": ""}, true}, // no-color.org: "when present and not an empty string"
		{os.Stdout, map[string]string{"TERM": "dumb"}, false},
	} {
		if got := ColoursOn(c.file, func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%v %v: %v", c.file != nil, c.env, got)
		}
	}
}

func TestOutputIsCopiedInWholeLines(t *testing.T) {
	long := strings.Repeat("x", maxLine+10)
	text := "one\n\nthree\n" + long + "\nlast"
	var got []string
	copyLines(iotest.HalfReader(strings.NewReader(text)), func(line string) { got = append(got, line) })
	if len(got) != 6 || got[0] != "one" || got[1] != "" || got[2] != "three" || got[3]+got[4] != long || got[5] != "last" {
		t.Errorf("%d lines: %.40q", len(got), got)
	}
}

func TestNamesOfManyFilesAreCut(t *testing.T) {
	if got := names([]string{"d.py", "c.py", "b.py", "a.py"}); got != "a.py, b.py, c.py and others" {
		t.Error(got)
	}
	if got := names([]string{"b.py", "a.py"}); got != "a.py, b.py" {
		t.Error(got)
	}
}
