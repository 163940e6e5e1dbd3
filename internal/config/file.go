package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"paddock/internal/value"
)

// Bounds of a configuration. Real ones are a hundredth of it; the bounds are there
// for an include that catches the wrong folder.
const (
	maxFileSize = 1 << 20 // bytes a file
	maxFiles    = 100
)

// readFile reads a file of the configuration.
func readFile(f *file) (string, *Problem) {
	if f.memory != nil {
		return *f.memory, nil
	}
	text, err := readRegular(f.path)
	if err != nil {
		return "", &Problem{File: f.name, Text: "cannot be read: " + withoutPath(err).Error()}
	}
	return text, nil
}

// withoutPath is for messages that name the path already.
func withoutPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func readRegular(path string) (string, error) {
	// A named pipe would block in open: look first.
	if info, err := os.Stat(path); err != nil {
		return "", err
	} else if !info.Mode().IsRegular() {
		return "", errors.New("it is no regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxFileSize {
		return "", fmt.Errorf("it is larger than %d bytes", maxFileSize)
	}
	return string(text), nil
}

// parseFile finds the lines of a file's keys and has the library parse it.
func parseFile(f *file, text string) (map[string]any, *Problem) {
	lines, line, err := indexLines(text)
	if err != nil {
		return nil, &Problem{File: f.name, Line: line, Text: err.Error()}
	}
	f.lines = lines
	var tables map[string]any
	_, err = toml.Decode(text, &tables)
	var syntax toml.ParseError
	if errors.As(err, &syntax) {
		return nil, &Problem{File: f.name, Line: syntaxLine(text, syntax.Position), Text: oneLine(syntax.Message)}
	}
	if err != nil {
		return nil, &Problem{File: f.name, Text: oneLine(err.Error())}
	}
	return tables, nil
}

// syntaxLine is the line of a syntax error. The library names the next one when
// the error is a line's end, but knows the byte.
func syntaxLine(text string, at toml.Position) int {
	start := max(0, min(at.Start, len(text)))
	return min(at.Line, strings.Count(text[:start], "\n")+1)
}

// oneLine keeps a message that quotes the file on its line.
func oneLine(s string) string {
	return strings.NewReplacer("\n", `\n`, "\r", `\r`).Replace(s)
}

// included lists the files that the main file includes: pattern by pattern, each
// pattern's files sorted by name.
func (l *loader) included(main *file) []*file {
	var files []*file
	for i, pattern := range l.config.Include {
		at := value.Index("include", i)
		for _, path := range l.glob(main, at, pattern) {
			files = append(files, &file{name: main.neighbour(path), path: path})
		}
		if len(files) >= maxFiles {
			l.refuseInclude(main, at, fmt.Sprintf("more than %d files; expected a pattern that matches fewer", maxFiles))
			return nil
		}
	}
	return files
}

// glob lists what a pattern matches. Hidden files are matched only by a pattern
// that says so, as in a shell: an editor leaves its own beside the real ones.
func (l *loader) glob(main *file, at, pattern string) []string {
	full := pattern
	if !filepath.IsAbs(pattern) {
		full = filepath.Join(quoteGlob(filepath.Dir(main.path)), pattern)
	}
	matches, err := filepath.Glob(full)
	if err != nil {
		l.refuseInclude(main, at, fmt.Sprintf(`%q is no pattern; expected one such as "conf.d/*.toml"`, pattern))
	}
	var visible []string
	for _, path := range matches {
		hidden := strings.HasPrefix(filepath.Base(path), ".")
		if !hidden || strings.HasPrefix(filepath.Base(pattern), ".") {
			visible = append(visible, path)
		}
	}
	if err == nil && len(matches) == 0 && !strings.ContainsAny(pattern, "*?[") {
		l.refuseInclude(main, at, fmt.Sprintf("%q does not exist; expected a file, or a pattern, which may match none", pattern))
	}
	return visible
}

func (l *loader) refuseInclude(main *file, at, text string) {
	l.report(main, value.Problem{Key: at, Text: text})
	l.broken = true
}

// quoteGlob keeps the characters of a folder's name from being a pattern.
func quoteGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// neighbour names another file as this one was named: relative to the working
// folder when this one is.
func (f *file) neighbour(path string) string {
	rel, err := filepath.Rel(filepath.Dir(f.path), path)
	if err != nil || strings.HasPrefix(rel, "..") {
		return path
	}
	return filepath.Join(filepath.Dir(f.name), rel)
}

// serverIndex splits "server[3].rest".
func serverIndex(key string) (i int, rest string, ok bool) {
	number, rest, found := strings.Cut(strings.TrimPrefix(key, "server["), "]")
	if !found || !strings.HasPrefix(key, "server[") {
		return 0, "", false
	}
	i, err := strconv.Atoi(number)
	return i, rest, err == nil
}
