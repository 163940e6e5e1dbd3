package dev

import (
	"embed"
	"fmt"
	"path/filepath"
)

// The helpers: sources that the commands below name. Their comments say what they do.
//
//go:embed python/*.py
var helpers embed.FS

const (
	djangoHelper    = "paddock_django.py"    // static files under gunicorn
	runserverHelper = "paddock_runserver.py" // manage.py runserver on the socket we hold
	wsgiHelper      = "paddock_wsgi.py"      // wsgiref on the socket we hold
)

// gunicornArguments suit one developer: one process, so that what it keeps in memory
// is there for the next request; threads, so that an app that asks itself is
// answered; no time limit, so that nothing ends what is looked at. Its notices about
// itself are ours to give. Its --reload is not used: it would lose requests.
const gunicornArguments = " --workers 1 --threads 8 --timeout 0 --log-level warning "

// gunicornStop ends gunicorn without its second of waiting for the next event, which
// every restart would take. Requests in its threads are finished all the same: Python
// waits for the threads of a pool when it ends.
const gunicornStop = "INT"

// serve chooses how the app is served.
func serve(dir string, f finding, py python, m machine) (Plan, error) {
	has, err := m.packages(dir, py.path, "gunicorn", "django")
	if err != nil {
		return Plan{}, err
	}
	gunicorn := ""
	if has["gunicorn"] {
		gunicorn = py.name + " -m gunicorn"
	} else if _, err := m.lookPath("gunicorn"); err == nil && py.venv == "" {
		gunicorn = "gunicorn" // of a Python that is not the first on PATH
	}
	own := gunicorn == "" || has["gunicorn"] // py runs the app
	if f.django && own && !has["django"] {
		return Plan{}, fmt.Errorf("%s, but %s has no Django; install it: %s", f.what, py.path, py.pip("django"))
	}
	if f.django {
		return serveDjango(f, gunicorn, py, m), nil
	}
	return serveWSGI(f, gunicorn, py), nil
}

func serveWSGI(f finding, gunicorn string, py python) Plan {
	if gunicorn != "" {
		return Plan{Command: gunicorn + gunicornArguments + quote(f.object), Stop: gunicornStop}
	}
	return Plan{
		Command: fmt.Sprintf("%s %s %s", py.name, filepath.Join(helperFolder, wsgiHelper), quote(f.object)), Stop: "TERM", helper: wsgiHelper,
		Note: "gunicorn is not installed, Python's own small server takes its place; " + py.pip("gunicorn"),
	}
}

func serveDjango(f finding, gunicorn string, py python, m machine) Plan {
	env := map[string]string{settingsVariable: f.settings} // wsgi.py may name those of production
	if gunicorn == "" || f.object == "" {
		note := "no WSGI module was found, manage.py runserver takes its place"
		if gunicorn == "" {
			note = "gunicorn is not installed, manage.py runserver takes its place; " + py.pip("gunicorn")
		}
		return Plan{
			Command: fmt.Sprintf("%s %s %s", py.name, filepath.Join(helperFolder, runserverHelper), helperPort), Env: env, Stop: "TERM", helper: runserverHelper,
			Note: note,
		}
	}
	env["PADDOCK_WSGI"] = f.object
	env["PYTHONPATH"] = helperFolder // djangoHelper is a module
	if set := m.getenv("PYTHONPATH"); set != "" {
		env["PYTHONPATH"] += ":" + set
	}
	return Plan{Command: gunicorn + gunicornArguments + "paddock_django:application", Env: env, Stop: gunicornStop, helper: djangoHelper}
}
