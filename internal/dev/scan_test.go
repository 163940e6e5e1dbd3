package dev

import (
	"slices"
	"strings"
	"testing"
)

func TestScanFindsTheObjectWithoutRunningTheSource(t *testing.T) {
	for _, c := range []struct{ name, source, want string }{
		{"an assignment", "from flask import Flask\napp = Flask(__name__)\n", "app"},
		{"a type hint", "application: Flask = Flask(__name__)", "application"},
		{"app before application", "application = 1\napp = application\n", "app"},
		{"one value for two names", "server = application = Flask(__name__)\n", "application"},
		{"a function of WSGI", "def application(environ, start_response):\n    return []\n", "application"},
		{"an import", "from mysite import app\n", "app"},
		{"an import under a name", "from mysite import site as app\n", "app"},
		{"an import in brackets", "from mysite import (\n    db,  # first\n    application,\n)\n", "application"},
		{"a module under a name", "import mysite.web as app\n", "app"},
		{"a value over several lines", "app = Flask(\n    __name__,\n)\n", "app"},
		{"a continued line", "app \\\n  = Flask(__name__)\n", "app"},
		{"line ends of Windows", "x = 1\r\napp = Flask(__name__)\r\n", "app"},
		{"a factory", "def create_app():\n    app = Flask(__name__)\n    return app\n", "create_app()"},
		{"a factory with defaults", "def make_app(config=None, *args, key: dict = {1: (2, 3)}, **rest) -> Flask:\n    pass\n", "make_app()"},
		{"a factory that needs an argument", "def create_app(config):\n    pass\n", ""},
		{"an object before a factory", "def create_app(): pass\napp = create_app()\n", "app"},
		{"a comment", "# app = Flask(__name__)\n", ""},
		{"a string", "TEXT = '''\napp = Flask(__name__)\n'''\n", ""},
		{"a string with an escaped quote", "x = 'it\\'s # no comment'\napp = 1\n", "app"},
		{"an open string", "x = 'open\napp = 1\n", "app"},
		{"something inside a function", "def f():\n    app = 1\n", ""},
		{"an argument at the beginning of a line", "f(\napp = 1\n)\n", ""},
		{"a comparison", "app == 1\n", ""},
		{"an attribute", "app.debug = True\n", ""},
		{"nothing", "", ""},
	} {
		if got := scan(c.source).wsgiObject(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add("app = Flask('''x''', # y\n)\ndef create_app(a=(1, 2)): pass\n")
	f.Add("'''\\'''\n\"\\\n\\\n([{\n#")
	f.Fuzz(func(t *testing.T, source string) {
		all := statements(source)
		for _, s := range all {
			if s == "" || strings.ContainsAny(s[:1], " \t#@\n") || strings.Contains(s, "\n") {
				t.Errorf("%q is no logical line of the first column", s)
			}
		}
		// What follows a blank line and a string that closes all others is found.
		closed := source + "\n'''\n\"\"\"\n'''\n" + strings.Repeat(")", strings.Count(source, "(")) + "\n"
		if n := len(statements(closed)); n < len(all)-1 {
			t.Errorf("%d statements, then %d", len(all), n)
		}
		if object := scan(source).wsgiObject(); object != "" && !slices.Contains([]string{"app", "application", "create_app()", "make_app()"}, object) {
			t.Errorf("object %q", object)
		}
	})
}
