package dev

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Plan is what is going to run, and why.
type Plan struct {
	Dir     string            // the project, absolute
	Found   string            // for people: "Flask or other WSGI app in app.py"
	Command string            // as a configuration has it
	Venv    string            // absolute; "": none
	Env     map[string]string // variables of the app
	Stop    string            // the signal that stops it
	Note    string            // what a person should know of the choice; "": nothing

	helper string // the source in python/ that the command needs; "": none
}

// These stand for the private folder and the port in a Plan's Command and Env until
// both are there.
const (
	helperFolder = "PADDOCK_DEV_FOLDER"
	helperPort   = "PADDOCK_DEV_PORT"
)

// finding is a WSGI app in a folder.
type finding struct {
	what     string // "Django project in manage.py"
	object   string // module:name; "": Django without a WSGI module
	django   bool
	settings string // Django's settings module
}

// Detect finds what to run in a folder. A command that is given is what runs;
// only the virtualenv is looked for then.
func Detect(dir string, command []string) (Plan, error) { return detect(dir, command, thisMachine()) }

func detect(dir string, command []string, m machine) (Plan, error) {
	py, err := findPython(dir, m)
	if len(command) > 0 {
		// It need not be Python at all.
		return Plan{
			Dir: dir, Found: "the command line", Command: commandText(command), Venv: py.venv,
			Env: oneWorker(m), Stop: "TERM",
		}, nil
	}
	found, ok := findApp(dir, m)
	if !ok {
		return Plan{}, nothingFound(dir)
	}
	if err != nil {
		return Plan{}, fmt.Errorf("%s: %w", found.what, err)
	}
	plan, err := serve(dir, found, py, m)
	plan.Dir, plan.Found, plan.Venv = dir, found.what, py.venv
	return plan, err
}

// oneWorker asks gunicorn and uvicorn for one process, unless the person or the
// command says how many.
func oneWorker(m machine) map[string]string {
	const variable = "WEB_CONCURRENCY"
	if m.getenv(variable) != "" {
		return nil
	}
	return map[string]string{variable: "1"}
}

// findApp looks for Django first: a project has a wsgi.py as well, but not always here.
func findApp(dir string, m machine) (finding, bool) {
	if f, ok := findDjango(dir, m); ok {
		return f, true
	}
	for _, file := range []string{"wsgi.py", "app.py"} { // Flask looks in this order
		if object := scan(readSource(filepath.Join(dir, file))).wsgiObject(); object != "" {
			module := strings.TrimSuffix(file, ".py")
			return finding{what: fmt.Sprintf("Flask (or other WSGI) app %s in %s", object, file), object: module + ":" + object}, true
		}
	}
	return finding{}, false
}

// nothingFound tells a person what was looked for.
func nothingFound(dir string) error {
	return fmt.Errorf(`found no app in %s; looked for
  manage.py           of a Django project (it names DJANGO_SETTINGS_MODULE)
  wsgi.py, app.py     with an object %s or a function %s at the top level
say what to run instead, for example:
  paddock dev -- gunicorn other:app`, dir, strings.Join(objectNames, " or "), strings.Join(factoryNames, " or "))
}

// commandText joins words so that splitting gives them back. A single one may be a
// whole command line.
func commandText(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, " ")
}

// quote puts a word between quotes when it needs them.
func quote(word string) string {
	if word != "" && !strings.ContainsAny(word, " \t\r\n'\"\\") {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'"'"'`) + "'"
}
