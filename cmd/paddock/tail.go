package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// pastBytes bounds what is read back for the last lines of a log.
	pastBytes = 1 << 20
	// longestLine bounds a line that is still growing; more is shown in parts.
	longestLine = 64 << 10
)

// tail is one log that is read to its end and on.
type tail struct {
	source logSource
	file   *os.File // nil: not there yet
	part   []byte   // of the line that is not complete
}

func (t *tail) open() error {
	f, err := os.Open(t.source.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	t.file = f
	return err
}

func (t *tail) close() {
	if t.file != nil {
		t.file.Close()
		t.file = nil
	}
}

// last returns the last n lines and leaves the file at its end.
func (t *tail) last(n int) ([]string, error) {
	if t.file == nil {
		return nil, nil
	}
	size, err := t.file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	start := max(size-pastBytes, 0)
	text := make([]byte, size-start)
	if _, err := t.file.ReadAt(text, start); err != nil {
		return nil, err
	}
	if start > 0 { // what is left of a line whose beginning is not here
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	end := bytes.LastIndexByte(text, '\n') + 1
	t.part = append(t.part, text[end:]...)
	lines := bytes.Split(bytes.TrimSuffix(text[:end], []byte("\n")), []byte("\n"))
	if end == 0 {
		return nil, nil
	}
	var out []string
	for _, l := range lines[max(len(lines)-n, 0):] {
		out = append(out, string(l))
	}
	return out, nil
}

// more prints what has been added. A file that was emptied (copytruncate) is read
// from its beginning.
func (t *tail) more(out *logPrinter) error {
	if t.file == nil {
		return nil
	}
	at, err := t.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if info, err := t.file.Stat(); err == nil && info.Size() < at {
		if _, err := t.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := t.file.Read(buf)
		t.add(buf[:n], out)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (t *tail) add(p []byte, out *logPrinter) {
	t.part = append(t.part, p...)
	for {
		i := bytes.IndexByte(t.part, '\n')
		if i < 0 {
			break
		}
		out.fresh(t.source.name, string(t.part[:i]))
		t.part = t.part[i+1:]
	}
	if len(t.part) > longestLine {
		out.fresh(t.source.name, string(t.part))
		t.part = nil
	}
}

// renewed reads the rest of a file that was moved away and opens the new one.
func (t *tail) renewed(out *logPrinter) error {
	if t.file != nil {
		now, err := os.Stat(t.source.path)
		if err != nil {
			return t.more(out)
		}
		if info, err := t.file.Stat(); err == nil && os.SameFile(info, now) {
			return t.more(out)
		}
		if err := t.more(out); err != nil {
			return err
		}
		t.close()
	}
	if err := t.open(); err != nil {
		return err
	}
	return t.more(out)
}

// follow prints lines as they come until ctx ends. The folders are watched, so that
// a new file after a rotation is seen.
func follow(ctx context.Context, tails []*tail, out *logPrinter) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch the logs: %w", err)
	}
	defer w.Close()
	folders := map[string]bool{}
	for _, t := range tails {
		folders[filepath.Dir(t.source.path)] = true
	}
	for dir := range folders {
		if err := w.Add(dir); err != nil {
			return fmt.Errorf("watch %s: %w", dir, err)
		}
	}
	for _, t := range tails { // what came between the last lines and the watch
		if err := t.renewed(out); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-w.Errors:
			return fmt.Errorf("watch the logs: %w", err)
		case e := <-w.Events:
			for _, t := range tails {
				if t.source.path != e.Name {
					continue
				}
				if err := t.renewed(out); err != nil {
					return err
				}
			}
		}
	}
}

// logPrinter prints lines with their prefix.
type logPrinter struct {
	w          io.Writer
	colour     bool
	timestamps bool
	prefix     map[string]string
	colours    map[string]string
}

// palette is the terminal's colours that can be read on light and dark.
var palette = []string{"\x1b[36m", "\x1b[33m", "\x1b[32m", "\x1b[35m", "\x1b[34m", "\x1b[31m"}

func (p *logPrinter) past(name, line string) { fmt.Fprintf(p.w, "%s%s\n", p.begin(name), line) }

func (p *logPrinter) fresh(name, line string) {
	stamp := ""
	if p.timestamps {
		stamp = time.Now().Format("2006-01-02T15:04:05.000Z07:00 ")
	}
	fmt.Fprintf(p.w, "%s%s%s\n", p.begin(name), stamp, line)
}

// begin is the prefix of a name, always in the same colour.
func (p *logPrinter) begin(name string) string {
	text := p.prefix[name]
	if text == "" || !p.colour {
		return text
	}
	if p.colours == nil {
		p.colours = map[string]string{}
		names := make([]string, 0, len(p.prefix))
		for n := range p.prefix {
			names = append(names, n)
		}
		sort.Strings(names)
		for i, n := range names {
			p.colours[n] = palette[i%len(palette)]
		}
	}
	return p.colours[name] + text + "\x1b[0m"
}
