package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, path string, lines int, out *logPrinter) []*tail {
	t.Helper()
	tails, err := openTails([]logSource{{"web", path}}, lines, out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeTails(tails) })
	return tails
}

func TestLogsShowsTheLastLinesAndGoesOnAcrossRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.log")
	var shown bytes.Buffer
	out := &logPrinter{w: &shown, prefix: map[string]string{"web": ""}}
	write(t, path, "one\ntwo\nthree\nbegin")
	tails := open(t, path, 2, out)
	steps := []struct {
		do   func()
		want string
	}{
		{func() {}, "two\nthree\n"},
		{func() { write(t, path, "ning\nfour\n") }, "beginning\nfour\n"},
		{func() {
			write(t, path, "last of the old\n")
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
			write(t, path, "first of the new\n")
		}, "last of the old\nfirst of the new\n"},
		{func() {
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
			write(t, path, "after\n")
		}, "after\n"},
		{func() { os.Remove(path) }, ""},
	}
	for i, s := range steps {
		s.do()
		if i > 0 {
			if err := tails[0].renewed(out); err != nil {
				t.Fatal(err)
			}
		}
		if got := shown.String(); got != s.want {
			t.Errorf("step %d: %q, want %q", i, got, s.want)
		}
		shown.Reset()
	}
}

func TestLogsOfAFileThatIsNotThereYet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.log")
	var shown bytes.Buffer
	out := &logPrinter{w: &shown, prefix: map[string]string{"web": ""}}
	tails := open(t, path, 10, out)
	write(t, path, "hello\n")
	if err := tails[0].renewed(out); err != nil || shown.String() != "hello\n" {
		t.Errorf("%v, %q", err, shown.String())
	}
}

func TestLogsBoundsALineWithoutEnd(t *testing.T) {
	var shown bytes.Buffer
	tl := &tail{source: logSource{name: "web"}}
	out := &logPrinter{w: &shown, prefix: map[string]string{"web": ""}}
	for range 100 {
		tl.add(bytes.Repeat([]byte("x"), 10000), out)
		if len(tl.part) > longestLine+10000 {
			t.Fatalf("%d bytes are held", len(tl.part))
		}
	}
	if n := strings.Count(shown.String(), "x"); n < 900_000 {
		t.Errorf("%d bytes were shown", n)
	}
}

func TestFollowShowsNewLinesAndEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.log")
	write(t, path, "old\n")
	r, w := io.Pipe()
	out := &logPrinter{w: w, prefix: map[string]string{"web": "web | "}, colour: true}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	tails := open(t, path, 0, out)
	go func() { ended <- follow(ctx, tails, out) }()
	write(t, path, "new\n")
	buf := make([]byte, 100)
	n, err := r.Read(buf)
	if got, want := string(buf[:n]), "\x1b[36mweb | \x1b[0mnew\n"; err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
