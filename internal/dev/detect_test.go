package dev

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"paddock/internal/value"
)

// tree makes a project: path → text.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// fakeMachine has these commands on PATH, and these packages in every Python.
func fakeMachine(commands, packages []string, env map[string]string) machine {
	return machine{
		getenv: func(name string) string { return env[name] },
		lookPath: func(name string) (string, error) {
			if slices.Contains(commands, name) {
				return "/usr/bin/" + name, nil
			}
			return "", os.ErrNotExist
		},
		packages: func(_, _ string, names ...string) (map[string]bool, error) {
			has := map[string]bool{}
			for _, n := range names {
				has[n] = slices.Contains(packages, n)
			}
			return has, nil
		},
	}
}

const (
	flaskSource  = "from flask import Flask\napp = Flask(__name__)\n"
	manageSource = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site1.settings')\n"
	wsgiSource   = "application = get_wsgi_application()\n"
)

func TestDetectChoosesWhatRuns(t *testing.T) {
	both := []string{"gunicorn", "django"}
	django := map[string]string{
		"manage.py": manageSource, "site1/settings.py": "WSGI_APPLICATION = 'site1.web.application'\n", "wsgi.py": flaskSource,
	}
	for _, c := range []struct {
		name     string
		files    map[string]string
		commands []string
		packages []string
		env      map[string]string
		command  []string
		want     string // begins or ends the command
		venv     string // relative
		variable string // NAME=VALUE of the app
		note     string
	}{
		{name: "app.py", files: map[string]string{"app.py": flaskSource}, packages: both, want: "python3 -m gunicorn … app:app"},
		{
			name: "wsgi.py before app.py", files: map[string]string{"app.py": flaskSource, "wsgi.py": "from app import app as application\n"},
			packages: both, want: "python3 -m gunicorn … wsgi:application",
		},
		{
			name: "app.py when wsgi.py has nothing", files: map[string]string{"app.py": flaskSource, "wsgi.py": "x = 1\n"},
			packages: both, want: "python3 -m gunicorn … app:app",
		},
		{
			name: "a factory", files: map[string]string{"app.py": "def create_app(): pass"}, packages: both,
			want: "python3 -m gunicorn … create_app()",
		},
		{
			name: "the virtualenv beside it", files: map[string]string{"app.py": flaskSource, "venv/bin/python": ""}, packages: both,
			want: "python -m gunicorn … app:app", venv: "venv",
		},
		{
			name: ".venv before env", files: map[string]string{"app.py": flaskSource, "env/bin/python": "", ".venv/bin/python": ""}, packages: both,
			want: "python -m gunicorn … app:app", venv: ".venv",
		},
		{
			name: "the gunicorn on PATH", files: map[string]string{"app.py": flaskSource}, commands: []string{"gunicorn"},
			want: "gunicorn --workers 1 … app:app",
		},
		{
			name: "no gunicorn from outside of a virtualenv", files: map[string]string{"app.py": flaskSource, ".venv/bin/python": ""}, commands: []string{"gunicorn"},
			want: "python PADDOCK_DEV_FOLDER/paddock_wsgi.py … app:app", venv: ".venv", note: ".venv/bin/pip install gunicorn",
		},
		{
			name: "Django before a wsgi.py, by its setting", files: django, packages: both, want: "python3 -m gunicorn … paddock_django:application",
			variable: "PADDOCK_WSGI=site1.web:application",
		},
		{
			name: "the settings of manage.py for Django", files: django, packages: both, want: "python3 -m gunicorn … paddock_django:application",
			variable: "DJANGO_SETTINGS_MODULE=site1.settings",
		},
		{
			name: "the settings of the environment for Django", files: django, packages: both, env: map[string]string{"DJANGO_SETTINGS_MODULE": "site1.local"},
			want: "paddock_django:application", variable: "DJANGO_SETTINGS_MODULE=site1.local",
		},
		{
			name: "the wsgi.py nearest to split settings", packages: both, want: "paddock_django:application", variable: "PADDOCK_WSGI=conf.wsgi:application",
			files: map[string]string{
				"manage.py":             "import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'conf.settings.local'\n",
				"conf/settings/base.py": "x = 1\n", "conf/settings/local.py": "from .base import *\n", "conf/wsgi.py": wsgiSource,
			},
		},
		{
			name: "runserver without gunicorn", files: django, packages: []string{"django"}, want: "python3 PADDOCK_DEV_FOLDER/paddock_runserver.py …",
			note: "gunicorn is not installed",
		},
		{
			name: "runserver without a WSGI module", files: map[string]string{"manage.py": manageSource}, packages: both,
			want: "python3 PADDOCK_DEV_FOLDER/paddock_runserver.py …", note: "no WSGI module",
		},
		{
			name: "a manage.py that is not Django's", files: map[string]string{"manage.py": "from flask_script import Manager\n", "app.py": flaskSource}, packages: both,
			want: "python3 -m gunicorn … app:app",
		},
		{
			name: "a command", files: map[string]string{"manage.py": manageSource, ".venv/bin/python": ""}, command: []string{"gunicorn", "my app:x"},
			want: "gunicorn 'my app:x'", venv: ".venv",
		},
		{name: "one process of a command", command: []string{"uvicorn --fd 3 a:b"}, want: "uvicorn --fd 3 a:b", variable: "WEB_CONCURRENCY=1"},
		{
			name: "as many as were asked for", command: []string{"uvicorn --fd 3 a:b"}, want: "uvicorn --fd 3 a:b",
			env: map[string]string{"WEB_CONCURRENCY": "3"}, variable: "WEB_CONCURRENCY=",
		},
		{name: "a command line", command: []string{"gunicorn other:app"}, want: "gunicorn other:app"},
	} {
		dir := tree(t, c.files)
		p, err := detect(dir, c.command, fakeMachine(append(c.commands, "python3"), c.packages, c.env))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		begin, end, _ := strings.Cut(c.want, " … ")
		if end == "" && len(c.command) > 0 {
			end = begin
		}
		if !strings.HasPrefix(p.Command, strings.TrimSuffix(begin, " …")) && !strings.HasSuffix(p.Command, begin) || !strings.HasSuffix(p.Command, end) {
			t.Errorf("%s: runs %q, want %q", c.name, p.Command, c.want)
		}
		if want := filepath.Join(dir, c.venv); c.venv != "" && p.Venv != want || c.venv == "" && p.Venv != "" {
			t.Errorf("%s: virtualenv %q, want %q", c.name, p.Venv, c.venv)
		}
		if name, want, ok := strings.Cut(c.variable, "="); ok && p.Env[name] != want {
			t.Errorf("%s: %s is %q, want %q", c.name, name, p.Env[name], want)
		}
		if !strings.Contains(p.Note, c.note) || c.note == "" && p.Note != "" {
			t.Errorf("%s: note %q, want %q", c.name, p.Note, c.note)
		}
	}
}

func TestTheActiveVirtualenvWins(t *testing.T) {
	active := tree(t, map[string]string{"bin/python": ""})
	dir := tree(t, map[string]string{".venv/bin/python": "", "app.py": flaskSource})
	p, err := detect(dir, nil, fakeMachine(nil, []string{"gunicorn"}, map[string]string{"VIRTUAL_ENV": active}))
	if err != nil || p.Venv != active {
		t.Errorf("virtualenv %q, %v; want %q", p.Venv, err, active)
	}
}

func TestWhatCannotBeServedIsSaidWithWhatToDo(t *testing.T) {
	for _, c := range []struct {
		name     string
		files    map[string]string
		commands []string
		want     []string
	}{
		{"nothing found", nil, []string{"python3"}, []string{"manage.py", "wsgi.py, app.py", "create_app", "paddock dev -- gunicorn other:app"}},
		{"an app.py without an app", map[string]string{"app.py": "x = 1\n"}, []string{"python3"}, []string{"found no app"}},
		{"Django is not installed", map[string]string{"manage.py": manageSource, "venv/bin/python": ""}, nil, []string{"manage.py", "venv/bin/pip install django"}},
		{"no Python", map[string]string{"app.py": flaskSource}, nil, []string{"app.py", ".venv, venv, env", "python3 on PATH"}},
	} {
		_, err := detect(tree(t, c.files), nil, fakeMachine(c.commands, nil, nil))
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; want %q in it", c.name, err, want)
			}
		}
	}
}

func TestNothingToServeIsTold(t *testing.T) {
	err := Run(Options{Dir: t.TempDir()})
	if !errors.Is(err, ErrNotServed) || !strings.HasPrefix(err.Error(), "found no app") {
		t.Errorf("%v; want ErrNotServed in its own words", err)
	}
}

func TestACommandKeepsItsWords(t *testing.T) {
	for _, words := range [][]string{
		{"gunicorn", "a:b"}, {"sh", "-c", "echo 'a' \"b\" \\ $x"}, {"a", "", " ", "'", "''", "\t\n"},
	} {
		got, err := value.SplitCommand(commandText(words))
		if err != nil || !slices.Equal(got, words) {
			t.Errorf("%q came back as %q, %v", words, got, err)
		}
	}
}
