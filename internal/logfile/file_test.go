package logfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func openFile(t *testing.T, path string, opts Options) *File {
	t.Helper()
	f, err := Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func write(t *testing.T, f *File, text string) {
	t.Helper()
	if n, err := f.Write([]byte(text)); err != nil || n != len(text) {
		t.Fatalf("write %q: %d, %v", text, n, err)
	}
}

// wantFiles fails unless dir holds exactly these files with these contents.
func wantFiles(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		got, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := want[e.Name()]; !ok || text != string(got) {
			t.Errorf("%s holds %q, expected %q (there: %v)", e.Name(), got, text, ok)
		}
	}
	if len(entries) != len(want) {
		t.Errorf("%d files, expected %d", len(entries), len(want))
	}
}

func TestRotationFollowsSupervisor(t *testing.T) {
	tests := []struct {
		name   string
		opts   Options
		before map[string]string
		writes []string
		want   map[string]string
	}{
		{
			"below the limit nothing happens",
			Options{Maxbytes: 5, Backups: 2},
			nil,
			[]string{"ab", "cd"},
			map[string]string{"log": "abcd"},
		},
		{
			"reaching it rotates, and the write stays whole",
			Options{Maxbytes: 4, Backups: 2},
			nil,
			[]string{"ab", "cdefgh", "x"},
			map[string]string{"log": "x", "log.1": "abcdefgh"},
		},
		{
			"the oldest is lost",
			Options{Maxbytes: 1, Backups: 2},
			nil,
			[]string{"1", "2", "3"},
			map[string]string{"log": "", "log.1": "3", "log.2": "2"},
		},
		{
			"without backups the file is emptied",
			Options{Maxbytes: 3},
			nil,
			[]string{"abc", "d"},
			map[string]string{"log": "d"},
		},
		{
			"a limit of 0 never rotates",
			Options{Backups: 2},
			nil,
			[]string{strings.Repeat("a", 1000), "b"},
			map[string]string{"log": strings.Repeat("a", 1000) + "b"},
		},
		{
			"what was there counts",
			Options{Maxbytes: 4, Backups: 1},
			map[string]string{"log": "old", "log.7": "not ours"},
			[]string{"!"},
			map[string]string{"log": "", "log.1": "old!", "log.7": "not ours"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range test.before {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			f := openFile(t, filepath.Join(dir, "log"), test.opts)
			for _, text := range test.writes {
				write(t, f, text)
			}
			wantFiles(t, dir, test.want)
			if n := f.Dropped(); n != 0 {
				t.Errorf("%d bytes dropped, expected none", n)
			}
		})
	}
}

func TestEmptiedFileIsNotRotatedEarly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	f := openFile(t, path, Options{Maxbytes: 6, Backups: 1})
	write(t, f, "12345")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	write(t, f, "67")
	wantFiles(t, dir, map[string]string{"log": "67"})
}

func TestFailedRotationKeepsTheLogWritable(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "log.1", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	f := openFile(t, filepath.Join(dir, "log"), Options{Maxbytes: 3, Backups: 1})
	n, err := f.Write([]byte("abc"))
	if n != 3 || err == nil || !strings.Contains(err.Error(), "rotate log "+dir) {
		t.Errorf("got %d, %v; expected 3 bytes and why it was not rotated", n, err)
	}
	write(t, f, "d")
	if got, _ := os.ReadFile(filepath.Join(dir, "log")); string(got) != "abcd" {
		t.Errorf("got %q, expected all that was written", got)
	}
	if n := f.Dropped(); n != 0 {
		t.Errorf("%d bytes dropped, expected none", n)
	}
}

func TestReopenGoesOnInANewFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	f := openFile(t, path, Options{})
	write(t, f, "1")
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	write(t, f, "2")
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(t, f, "3")
	wantFiles(t, dir, map[string]string{"log.old": "12", "log": "3"})
}

func TestFailedReopenGoesOnInTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "log")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	f := openFile(t, path, Options{})
	moved := filepath.Join(dir, "moved")
	if err := os.Rename(filepath.Dir(path), moved); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, expected that %s is missing", err, path)
	}
	write(t, f, "x")
	wantFiles(t, moved, map[string]string{"log": "x"})
}

func TestWritersAndReopenersDoNotMixBytes(t *testing.T) {
	dir := t.TempDir()
	f := openFile(t, filepath.Join(dir, "log"), Options{Maxbytes: 10_000, Backups: 100})
	const text = "one line of an app\n"
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 1000 {
				f.Write([]byte(text))
			}
		})
	}
	for range 50 {
		if err := f.Reopen(); err != nil {
			t.Error(err)
		}
	}
	group.Wait()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, name := range names {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		n := bytes.Count(got, []byte(text))
		if n*len(text) != len(got) {
			t.Errorf("%s holds broken lines", name)
		}
		lines += n
	}
	if lines != 4000 || len(names) < 5 {
		t.Errorf("%d lines in %d files, expected 4000 in several", lines, len(names))
	}
}

func TestFullDiskDropsBytesAndCountsThem(t *testing.T) {
	f := openFile(t, "/dev/full", Options{Maxbytes: 1, Backups: 1})
	for range 2 {
		if n, err := f.Write([]byte("12345")); n != 0 || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("got %d, %v; expected %v", n, err, syscall.ENOSPC)
		}
	}
	if n := f.Dropped(); n != 10 {
		t.Errorf("%d bytes dropped, expected 10", n)
	}
}

func TestUnreadPipeDropsBytesAndResumesWhenRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f := openFile(t, path, Options{Maxbytes: 1, Backups: 1})
	big := bytes.Repeat([]byte("x"), 1<<20)
	n, err := f.Write(big)
	if !errors.Is(err, ErrStalled) || n == 0 || n == len(big) {
		t.Fatalf("got %d, %v; expected a part and %v", n, err, ErrStalled)
	}
	if got := f.Dropped(); got != uint64(len(big)-n) {
		t.Errorf("%d bytes dropped, expected %d", got, len(big)-n)
	}
	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Read(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	write(t, f, "again")
}

func TestClosedFileDropsAndCounts(t *testing.T) {
	f := openFile(t, filepath.Join(t.TempDir(), "log"), Options{})
	for range 2 {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Write([]byte("abc")); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Write: got %v, expected %v", err, fs.ErrClosed)
	}
	if err := f.Reopen(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Reopen: got %v, expected %v", err, fs.ErrClosed)
	}
	if n := f.Dropped(); n != 3 {
		t.Errorf("%d bytes dropped, expected 3", n)
	}
}
