package proxy

import (
	"errors"
	"strconv"
	"strings"

	"paddock/accesslog"
	"paddock/internal/value"
)

// tryFiles is a compiled `try_files`.
type tryFiles struct {
	tries  []tryFile
	status int    // of the last argument: "=CODE",
	named  string // "@name",
	target *accesslog.Template
}

type tryFile struct {
	name   *accesslog.Template
	folder bool // "…/": a folder is looked for
}

const tryFilesForm = `expected files and what to do without them, as in "$uri $uri/ =404" or "$uri @app"`

// tryFiles compiles try_files.
func (c *compiler) tryFiles(key, text string) *tryFiles {
	t, err := parseTryFiles(text)
	if err != nil {
		c.problems.Addf(key, "%q: %v", text, err)
		return nil
	}
	return t
}

func parseTryFiles(text string) (*tryFiles, error) {
	words := strings.Fields(text)
	if len(words) < 2 {
		return nil, errors.New(tryFilesForm)
	}
	t := &tryFiles{}
	for _, word := range words[:len(words)-1] {
		bare := strings.TrimSuffix(word, "/")
		name, err := accesslog.CompileTemplate(bare)
		if err != nil {
			return nil, err
		}
		t.tries = append(t.tries, tryFile{name: name, folder: bare != word})
	}
	return t, t.setLast(words[len(words)-1])
}

func (t *tryFiles) setLast(word string) (err error) {
	if code, ok := strings.CutPrefix(word, "="); ok {
		t.status, err = strconv.Atoi(code)
		if err != nil || t.status < 300 || t.status > 599 {
			return errors.New(`expected a status from 300 to 599 behind "="`)
		}
		return nil
	}
	if word == "@" {
		return errors.New(tryFilesForm)
	}
	if name, ok := strings.CutPrefix(word, "@"); ok {
		t.named = name
		return nil
	}
	t.target, err = accesslog.CompileTemplate(word)
	return err
}

// tryFiles looks for the first of the files. What is found becomes the path, in
// the same location; without any the request goes where the last argument says.
func (x *exchange) tryFiles() error {
	t := x.place.try
	if t == nil {
		return nil
	}
	for i := range t.tries {
		if x.tryFile(&t.tries[i]) {
			return nil
		}
	}
	switch {
	case t.status != 0:
		return &refusal{status: t.status}
	case t.target == nil:
		return x.turnToNamed(t.named)
	}
	return x.turnToTarget(t.target.Append(nil, &x.Entry))
}

// tryFile reports whether the file is there, and makes it the path.
func (x *exchange) tryFile(t *tryFile) bool {
	path := t.name.Append(x.scratch[:0], &x.Entry)
	x.scratch = path
	if len(path) == 0 || path[0] != '/' {
		path = append([]byte{'/'}, path...)
	}
	name, ok := x.place.fileName(path)
	if !ok {
		return false
	}
	info, err := x.place.folder().stat(name)
	if err != nil || info.IsDir() != t.folder || !info.IsDir() && path[len(path)-1] == '/' {
		return false
	}
	if string(path) != string(x.Path) {
		x.turnTo(path, x.Query, x.HasQuery)
	}
	return true
}

// namedTargets are the named locations that a place leads to by keys of its own.
func (l *location) namedTargets(key string, ownPages bool, found func(key, name string)) {
	if l.try != nil && l.try.named != "" {
		found(value.Join(key, "try_files"), l.try.named)
	}
	for i := range l.site.errorPages {
		if p := &l.site.errorPages[i]; ownPages && p.named != "" {
			found(value.Join(key, "error_page"), p.named)
		}
	}
}
