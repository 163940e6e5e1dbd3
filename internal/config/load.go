package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"paddock/internal/value"
)

// Load reads the file at path and what it includes, and checks all of it. What the
// files hold wrong is returned as an [*Error] that lists every problem.
func Load(path string) (*Config, error) { return load(path, thisHost()) }

func load(path string, h *host) (*Config, error) {
	return check(&file{name: path}, nil, h)
}

// check reads a main file and what it includes, and checks all of it. add says what
// no key can, before the checks; nil: nothing.
func check(main *file, add func(*Config), h *host) (*Config, error) {
	l := loader{host: h, config: &Config{}, sum: sha256.New(), seen: map[string]bool{}}
	if err := l.readAll(main); err != nil {
		return nil, err
	}
	if add != nil {
		add(l.config)
	}
	l.check()
	if len(l.problems) > 0 {
		return nil, &Error{l.sorted()}
	}
	l.sum.Sum(l.config.Sum[:0])
	l.warn()
	return l.config, nil
}

// loader puts the files together.
type loader struct {
	host     *host
	config   *Config
	sum      hash.Hash
	files    []*file
	seen     map[string]bool // absolute paths of files
	problems []Problem
	broken   bool // a file is missing from config: what refers to it cannot be checked
}

// file is one file of a configuration.
type file struct {
	name    string // as problems print it
	path    string // absolute
	lines   lineIndex
	servers int     // [[server]] entries in the files before this one
	memory  *string // its text when it is no file on disk
}

// readAll reads the main file and its includes.
func (l *loader) readAll(main *file) error {
	path, err := filepath.Abs(main.name)
	if err != nil {
		return err
	}
	l.config.File, main.path = path, path
	l.read(main)
	for _, f := range l.included(main) {
		l.read(f)
	}
	return nil
}

// read parses one file and adds its sections.
func (l *loader) read(f *file) {
	if l.seen[f.path] {
		return
	}
	l.seen[f.path] = true
	l.files = append(l.files, f)
	l.config.Files = append(l.config.Files, f.path)
	text, problem := readFile(f)
	if problem == nil {
		l.fingerprint(f.path, text)
		var tables map[string]any
		if tables, problem = parseFile(f, text); problem == nil {
			l.add(f, tables)
			return
		}
	}
	l.problems = append(l.problems, *problem)
	l.broken = true
}

// fingerprint adds to the sum; lengths keep two files from passing for others.
func (l *loader) fingerprint(path, text string) { fingerprint(l.sum, path, text) }

func fingerprint(sum hash.Hash, path, text string) {
	for _, s := range []string{path, text} {
		sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		sum.Write([]byte(s))
	}
}

// add decodes the sections of one file and merges them into the configuration.
func (l *loader) add(f *file, tables map[string]any) {
	part := Config{Paddock: l.config.Paddock, Log: l.config.Log, Metrics: l.config.Metrics, TLS: l.config.TLS}
	var d decoder
	d.table("", tables, reflect.ValueOf(&part).Elem())
	l.addOnce(f, tables, &d.problems)
	part.resolve(filepath.Dir(f.path))
	l.config.Paddock, l.config.Log, l.config.Metrics, l.config.TLS = part.Paddock, part.Log, part.Metrics, part.TLS
	merge(l, f, "app", &l.config.Apps, part.Apps)
	merge(l, f, "program", &l.config.Programs, part.Programs)
	merge(l, f, "upstream", &l.config.Upstreams, part.Upstreams)
	merge(l, f, "log_format", &l.config.Formats, part.Formats)
	merge(l, f, "limit_req_zone", &l.config.ReqZones, part.ReqZones)
	f.servers = len(l.config.Servers)
	l.config.Servers = append(l.config.Servers, part.Servers...)
	if f == l.files[0] {
		l.config.Include = part.Include
	} else if _, has := tables["include"]; has {
		d.problems.Addf("include", "only the main file may include others")
	}
	for _, p := range d.problems {
		l.report(f, p)
	}
}

// addOnce refuses a key of [paddock], [log], [metrics] or [tls] that an earlier file has set.
func (l *loader) addOnce(f *file, tables map[string]any, problems *value.Problems) {
	for _, section := range []string{"paddock", "log", "metrics", "tls"} {
		table, _ := tables[section].(map[string]any)
		for _, key := range sortedKeys(table) {
			at := value.Join(section, key)
			if place := l.earlier(f, at); place != "" {
				problems.Addf(at, "set twice; first set in %s", place)
			}
		}
	}
}

// merge adds the tables of a section, each name once.
func merge[T any](l *loader, f *file, section string, into *map[string]T, from map[string]T) {
	if *into == nil {
		*into = map[string]T{}
	}
	for _, name := range sortedKeys(from) {
		at := value.Join(section, name)
		if place := l.earlier(f, at); place != "" {
			l.report(f, value.Problem{Key: at, Text: "defined twice; first defined in " + place})
			continue
		}
		(*into)[name] = from[name]
	}
}

// earlier returns FILE:LINE of a key in a file before f, "" when none has it.
func (l *loader) earlier(f *file, key string) string {
	for _, other := range l.files {
		if line, has := other.lines[key]; has && other != f {
			return Problem{File: other.name, Line: line}.place()
		}
	}
	return ""
}

// check runs every check on what was read, unless a part of it is missing.
func (l *loader) check() {
	var problems value.Problems
	l.config.Log.setDefaults()
	l.config.Paddock.setDefaults(l.host, &problems)
	if l.broken {
		return
	}
	l.imply()
	l.readUserFiles(&problems) // in front of the checks, which read them
	l.config.check(l.host, &problems)
	l.readCertificates(&problems)
	decoded := l.problems
	for _, p := range problems {
		f, key := l.locate(p.Key)
		if !covered(decoded, f.name, key) {
			l.report(f, value.Problem{Key: key, Text: p.Text})
		}
	}
}

// covered reports whether a key did not get the value that is complained about:
// the key, an entry of it, or what is around it was reported before.
func covered(problems []Problem, file, key string) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool {
		return p.File == file && (p.Key == key || within(p.Key, key) || strings.HasPrefix(p.Key, key+"["))
	})
}

// within reports whether key lies inside path.
func within(path, key string) bool {
	rest, found := strings.CutPrefix(key, path)
	return found && path != "" && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

// report notes a problem with a key of one file.
func (l *loader) report(f *file, p value.Problem) {
	line, _ := f.lines.find(p.Key)
	l.problems = append(l.problems, Problem{File: f.name, Line: line, Key: p.Key, Text: p.Text})
}

// locate finds the file that holds a key of the whole configuration, or most of
// the way to it, and the key's path within that file.
func (l *loader) locate(key string) (*file, string) {
	if i, rest, ok := serverIndex(key); ok {
		for _, f := range slices.Backward(l.files) {
			if i >= f.servers {
				return f, value.Index("server", i-f.servers) + rest
			}
		}
	}
	best, bestFound := l.files[0], ""
	for _, f := range l.files {
		if _, found := f.lines.find(key); len(found) > len(bestFound) {
			best, bestFound = f, found
		}
	}
	return best, key
}

// sorted returns the problems in the order of the files and their lines, each once.
func (l *loader) sorted() []Problem {
	order := map[string]int{}
	for i, f := range l.files {
		order[f.name] = i
	}
	slices.SortStableFunc(l.problems, func(a, b Problem) int {
		return cmp.Or(order[a.File]-order[b.File], a.Line-b.Line, strings.Compare(a.Key, b.Key))
	})
	return slices.Compact(l.problems)
}
