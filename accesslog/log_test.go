package accesslog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func openLog(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func readLog(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func numbered(t *testing.T) *Format {
	t.Helper()
	f, err := CompileFormat("<$connection.$connection_requests>", Default)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func line(writer, n int) *Entry {
	return &Entry{Conn: &Conn{Serial: uint64(writer)}, ConnectionRequests: n}
}

func wantStats(t *testing.T, l *Log, lines, dropped uint64) {
	t.Helper()
	if gotLines, gotDropped := l.Stats(); gotLines != lines || gotDropped != dropped {
		t.Errorf("got %d lines, %d dropped; expected %d and %d", gotLines, gotDropped, lines, dropped)
	}
}

// wholeLines fails when a line is broken, and returns how many there are.
func wholeLines(t *testing.T, text string) int {
	t.Helper()
	n := 0
	for l := range strings.Lines(text) {
		if !strings.HasPrefix(l, "<") || !strings.HasSuffix(l, ">\n") || strings.Count(l, "<") != 1 {
			t.Fatalf("line %d is broken: %q", n+1, l)
		}
		n++
	}
	return n
}

func TestLinesAreWrittenWithinTheFlushTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "log")
		l := NewLog(openLog(t, path), Options{Flush: 2 * time.Second})
		defer l.Close()
		f := numbered(t)
		for round := 1; round <= 3; round++ {
			before := readLog(t, path)
			l.Write(f, line(round, 1))
			<-time.After(time.Second)
			l.Write(f, line(round, 2))
			<-time.After(time.Second - time.Nanosecond)
			synctest.Wait()
			if got := readLog(t, path); got != before {
				t.Fatalf("%q was written before the time", strings.TrimPrefix(got, before))
			}
			<-time.After(time.Nanosecond)
			synctest.Wait()
			want := before + fmt.Sprintf("<%d.1>\n<%d.2>\n", round, round)
			if got := readLog(t, path); got != want {
				t.Fatalf("got %q, expected %q", got, want)
			}
		}
	})
}

func TestAFullBufferIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "log")
		l := NewLog(openLog(t, path), Options{Flush: time.Hour})
		defer l.Close()
		f, size := numbered(t), 0
		for i := 0; size < flushSize; i++ {
			size += len(f.Append(nil, line(1, i))) + 1
			l.Write(f, line(1, i))
		}
		synctest.Wait()
		if got := len(readLog(t, path)); got != size {
			t.Errorf("%d bytes are written, expected all %d", got, size)
		}
	})
}

func TestTeeGetsTheSameLinesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		tee := openLog(t, filepath.Join(dir, "tee"))
		defer tee.Close()
		l := NewLog(openLog(t, filepath.Join(dir, "log")), Options{Flush: time.Hour, Tee: tee})
		f := numbered(t)
		for i := range 3 {
			l.Write(f, line(1, i))
			synctest.Wait()
			if got := wholeLines(t, readLog(t, filepath.Join(dir, "tee"))); got != i+1 {
				t.Fatalf("the tee has %d lines after %d", got, i+1)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if a, b := readLog(t, filepath.Join(dir, "log")), readLog(t, filepath.Join(dir, "tee")); a != b {
			t.Errorf("the log has %q, the tee %q", a, b)
		}
		if _, err := tee.WriteString("still open"); err != nil {
			t.Errorf("Close closed the tee: %v", err)
		}
	})
}

func TestReopenUnderWritersLosesAndSplitsNoLine(t *testing.T) {
	const writers, each, files = 8, 2000, 20
	dir := t.TempDir()
	name := func(i int) string { return filepath.Join(dir, strconv.Itoa(i)) }
	l := NewLog(openLog(t, name(0)), Options{Flush: time.Millisecond})
	f := numbered(t)
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				l.Write(f, line(w, i))
			}
		})
	}
	for i := 1; i <= files; i++ {
		l.Reopen(openLog(t, name(i)))
	}
	group.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for i := range files + 1 {
		all.WriteString(readLog(t, name(i)))
	}
	if got := wholeLines(t, all.String()); got != writers*each {
		t.Errorf("%d lines in the files, expected %d", got, writers*each)
	}
	wantStats(t, l, writers*each, 0)
	inOrder(t, all.String())
}

// inOrder fails when the lines of one writer are not in the order of writing.
func inOrder(t *testing.T, text string) {
	t.Helper()
	next := map[int]int{}
	for l := range strings.Lines(text) {
		var w, i int
		if _, err := fmt.Sscanf(l, "<%d.%d>\n", &w, &i); err != nil || next[w] != i {
			t.Fatalf("%q: expected line %d of that writer (%v)", l, next[w], err)
		}
		next[w]++
	}
}

func TestReopenPutsWhatWasWrittenBeforeInTheOldFile(t *testing.T) {
	dir := t.TempDir()
	l := NewLog(openLog(t, filepath.Join(dir, "old")), Options{Flush: time.Hour})
	f := numbered(t)
	l.Write(f, line(1, 1))
	l.Reopen(openLog(t, filepath.Join(dir, "between")))
	l.Reopen(openLog(t, filepath.Join(dir, "new")))
	l.Write(f, line(1, 2))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"old": "<1.1>\n", "between": "", "new": "<1.2>\n"} {
		if got := readLog(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s: got %q, expected %q", name, got, want)
		}
	}
}

func TestReopenWhileTheDiskHangsHoldsFewDescriptorsAndLosesNoLine(t *testing.T) {
	const n = 50
	dir := t.TempDir()
	w := makeWriter(openLog(t, filepath.Join(dir, "0")), Options{}.withDefaults()) // its goroutine is at no work
	var files []*os.File
	for i := range n {
		w.append(fmt.Appendf(nil, "<1.%d>\n", i))
		f := openLog(t, filepath.Join(dir, strconv.Itoa(i+1)))
		files = append(files, f)
		w.reopen(f)
	}
	w.append(fmt.Appendf(nil, "<1.%d>\n", n))
	open := 0
	for _, f := range files {
		if _, err := f.Stat(); err == nil {
			open++
		}
	}
	if _, err := files[n-1].Stat(); open > maxTurns || err != nil {
		t.Errorf("%d files are held; the last: %v", open, err)
	}
	go w.run()
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for i := range n + 1 {
		all.WriteString(readLog(t, filepath.Join(dir, strconv.Itoa(i))))
	}
	if got := wholeLines(t, all.String()); got != n+1 {
		t.Errorf("%d lines in the files, expected %d", got, n+1)
	}
	inOrder(t, all.String())
	if last := readLog(t, filepath.Join(dir, strconv.Itoa(n))); !strings.HasSuffix(last, fmt.Sprintf("<1.%d>\n", n)) {
		t.Errorf("the last file holds %q", last)
	}
	for i, f := range files {
		if _, err := f.Stat(); err == nil {
			t.Errorf("file %d is still open", i+1)
		}
	}
}

func TestLinesAfterCloseAreDroppedAndCounted(t *testing.T) {
	dir := t.TempDir()
	l := NewLog(openLog(t, filepath.Join(dir, "log")), Options{})
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l.Write(numbered(t), line(1, 1))
	wantStats(t, l, 0, 1)
	late := openLog(t, filepath.Join(dir, "late"))
	l.Reopen(late)
	if _, err := late.WriteString("x"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a file given after Close: got %v, expected it to be closed", err)
	}
}

func TestWriteAllocatesNothing(t *testing.T) {
	l := NewLog(openLog(t, os.DevNull), Options{Flush: time.Hour})
	defer l.Close()
	f, e := numbered(t), line(1, 1)
	for range flushSize / 4 {
		l.Write(f, e) // the buffers grow to their size
	}
	if n := testing.AllocsPerRun(1000, func() { l.Write(f, e) }); n >= 1 {
		t.Errorf("%v allocations a line, expected none", n)
	}
}

func TestAPipeGetsEachLineAtOnce(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l := NewLog(w, Options{Flush: time.Hour})
	defer l.Close()
	l.Write(numbered(t), line(1, 2))
	if err := r.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if n, err := r.Read(buf); err != nil || string(buf[:n]) != "<1.2>\n" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
}
