package config

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"paddock/internal/value"
)

// smallest is the smallest useful configuration.
const smallest = "[app.web]\ncommand = \"gunicorn hello:app\"\n\n[[server]]\nlisten = \"8080\"\napp = \"web\"\n"

// fakeHost is a machine that uid is on: users paddock 990, myproject 1000, nobody;
// folders below /srv, /usr and /var; files that end in .env. What is in a test's own
// folder is real.
func fakeHost(t *testing.T, uid int) *host {
	t.Helper()
	dir := t.TempDir()
	envFile := filepath.Join(dir, "env")
	write(t, envFile, "")
	users := map[string]string{"root": "0", "paddock": "990", "myproject": "1000", "nobody": "65534"}
	return &host{
		uid:    uid,
		getenv: func(name string) string { return map[string]string{"HOME": "/home/someone", "PATH": "/usr/bin"}[name] },
		lookup: func(name string) (*user.User, error) {
			if id, ok := users[name]; ok {
				return &user.User{Uid: id}, nil
			}
			return nil, user.UnknownUserError(name)
		},
		byID: func(id string) (*user.User, error) {
			for _, known := range users {
				if known == id {
					return &user.User{Uid: id}, nil
				}
			}
			return nil, user.UnknownUserIdError(0)
		},
		group: lookupGroup,
		stat: func(path string) (fs.FileInfo, error) {
			switch {
			case strings.HasPrefix(path, os.TempDir()):
			case strings.HasSuffix(path, ".env"):
				path = envFile
			case strings.HasPrefix(path, "/srv") || strings.HasPrefix(path, "/var") || strings.HasPrefix(path, "/run"):
				path = dir
			default:
				return nil, &fs.PathError{Op: "stat", Path: path, Err: fs.ErrNotExist}
			}
			return os.Stat(path)
		},
		read: func(path string, limit int64) ([]byte, error) {
			switch name := filepath.Base(path); {
			case name == "cert.pem" || name == "key.pem" || name == "clients.pem" || name == "eab.key":
				path = filepath.Join("testdata", name)
			case path == "/etc/paddock/users":
				return []byte("ops:{PLAIN}secret\n"), nil
			case name == "ecdsa.pem" || name == "rsa.pem": // of the documents
				path = "testdata/cert.pem"
			case name == "ecdsa.key" || name == "rsa.key":
				path = "testdata/key.pem"
			}
			return readBounded(path, limit)
		},
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// loadFiles writes files, the first of which is main.toml, and loads it.
func loadFiles(t *testing.T, h *host, files map[string]string) (*Config, []string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	c, err := load(filepath.Join(dir, "main.toml"), h)
	return c, problemLines(t, dir, err)
}

// problemLines returns the problems as they print, without the test's folder.
func problemLines(t *testing.T, dir string, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var all *Error
	if !errors.As(err, &all) {
		t.Fatalf("%T is no *Error: %v", err, err)
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(all.Problems()) {
		t.Errorf("%d problems in %d lines:\n%v", len(all.Problems()), len(lines), err)
	}
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], dir+"/", "")
	}
	return lines
}

func TestSmallestFileLoads(t *testing.T) {
	c, problems := loadFiles(t, fakeHost(t, 1000), map[string]string{"main.toml": smallest})
	if problems != nil {
		t.Fatal(problems)
	}
	app := c.Apps["web"]
	if app.Directory != filepath.Dir(c.File) || app.Priority != 999 || app.QueueSize != 1000 || app.Startretries != -1 {
		t.Errorf("the app has not its defaults: %+v", app)
	}
	if want := []string{c.File}; !slices.Equal(c.Files, want) || !filepath.IsAbs(c.File) {
		t.Errorf("files: %q", c.Files)
	}
	if p := c.ProxyConfig(); len(p.Servers) != 1 || p.Apps["web"].Health != "/" ||
		p.AccessLog.Path != "/home/someone/.local/state/paddock/log/access.log" || p.TempDir != "/home/someone/.local/state/paddock/tmp" {
		t.Errorf("the proxy gets %+v", p)
	}
}

func TestEveryProblemIsReportedWithItsLine(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"wrong types of every kind": {
			smallest + "[paddock]\nuser = 1\n[log]\nlevel = true\n[app.web2]\ncommand = 'x'\nworkers = 'four'\nautostart = 1\nexitcodes = [0, 'a',\n true]\nenvironment = [1]\nqueue_timeout = false\n",
			[]string{
				`main.toml:8: paddock.user: expected a string in quotes, got a number`,
				`main.toml:10: log.level: expected a string in quotes, got true or false`,
				`main.toml:13: app.web2.workers: expected a whole number, got a string`,
				`main.toml:14: app.web2.autostart: expected true or false, got a number`,
				`main.toml:15: app.web2.exitcodes[1]: expected a whole number, got a string`,
				`main.toml:16: app.web2.exitcodes[2]: expected a whole number, got true or false`,
				`main.toml:17: app.web2.environment: expected a table, got an array`,
				`main.toml:18: app.web2.queue_timeout: expected a time such as "60s" or a number of seconds, got true or false`,
			},
		},
		"sections of the wrong shape": {
			"app = 3\nprogram = [1]\n[server]\nlisten = 80\n",
			[]string{
				`main.toml:1: app: expected a table, got a number`,
				`main.toml:2: program: expected a table, got an array`,
				`main.toml:3: server: expected an array of tables, written with [[ ]], got a table`,
			},
		},
		"values that read themselves, over several lines": {
			"[app.web]\ncommand = 'x'\n[[server]]\napp = 'web'\nlisten = [\n 80,\n 'http',\n true]\naccess_log = {\n  pth = 'x',\n  format = 1 }\n",
			[]string{
				`main.toml:7: server[0].listen[1]: "http": expected a port from 1 to 65535, as in "80", "127.0.0.1:8080" or "[::]:80"`,
				`main.toml:8: server[0].listen[2]: expected a listen address such as "80" or "127.0.0.1:8080", got true or false`,
				`main.toml:10: server[0].access_log.pth: unknown key "pth"; expected path, format, if, buffer, flush, gzip, maxbytes, every, backups, compress, owner, mode`,
				`main.toml:11: server[0].access_log.format: format: expected a string, got a number`,
			},
		},
		"unknown keys": {
			"user = 'x'\nservr = 1\n[app.web]\ncommand = 'x'\nautorestrat = true\nproxy_pass = 'x'\nxyzzy = 1\n[paddock]\nxyzzy = 1\n" + "[[server]]\nlisten = '80'\napp = 'web'\n\"server-name\" = 'x'\n",
			[]string{
				`main.toml:1: user: unknown key here; it is a key of [app.NAME] and [paddock] and [program.NAME]`,
				`main.toml:2: servr: unknown key; did you mean server?`,
				`main.toml:5: app.web.autorestrat: unknown key; did you mean autorestart?`,
				`main.toml:6: app.web.proxy_pass: unknown key here; it is a key of [[server.location]]`,
				`main.toml:9: paddock.xyzzy: unknown key; known here are log_dir, max_temp_size, pid_file, run_dir, state_dir, user, worker_connections`,
				`main.toml:13: server[0].server-name: unknown key; did you mean server_name?`,
			},
		},
		"names": {
			"[app.'a b']\ncommand = 'x'\n[program.'..']\ncommand = 'x'\n[app.x]\ncommand = 'x'\n[program.x]\ncommand = 'x'\n[app." + strings.Repeat("n", 65) + "]\ncommand = 'x'\n",
			[]string{
				`main.toml:1: app."a b": "a b" is no name; expected letters, digits, '.', '_' and '-'`,
				`main.toml:3: program."..": ".." is no name; expected letters, digits, '.', '_' and '-'`,
				`main.toml:7: program.x: [app.x] has that name too; expected another`,
				`main.toml:9: app.` + strings.Repeat("n", 65) + `: the name is 65 bytes long; expected at most 64`,
			},
		},
		"what is not on the machine": {
			"[app.web]\ncommand = 'x'\ndirectory = '/nowhere'\nuser = 'stranger'\nenv_file = '/nowhere/x'\n[program.p]\ncommand = 'x'\nvenv = '/nowhere'\nstdout_logfile = '/nowhere/log'\nstderr_logfile = 'syslog'\nuser = '77'\n[paddock]\npid_file = '/nowhere/pid'\n",
			[]string{
				`main.toml:3: app.web.directory: /nowhere does not exist, or is no folder; expected an existing one`,
				`main.toml:4: app.web.user: there is no user "stranger"; expected a name or a uid that this machine knows`,
				`main.toml:5: app.web.env_file: /nowhere/x cannot be read: file does not exist`,
				`main.toml:8: program.p.venv: /nowhere has no folder bin; expected a virtualenv`,
				`main.toml:9: program.p.stdout_logfile: the folder /nowhere does not exist; expected an existing one`,
				`main.toml:10: program.p.stderr_logfile: syslog is not written to; expected AUTO, NONE, stdout, stderr or a path`,
				`main.toml:11: program.p.user: there is no user "77"; expected a name or a uid that this machine knows`,
				`main.toml:13: paddock.pid_file: the folder /nowhere does not exist; expected an existing one`,
			},
		},
		"values out of range": {
			"[log]\nlevel = 'loud'\nformat = 'xml'\n[program.p]\nworkers = 1\nstartsecs = -1\n",
			[]string{
				`main.toml:2: log.level: "loud": expected debug, info, warn or error`,
				`main.toml:3: log.format: "xml": expected console, json or nginx`,
				`main.toml:4: program.p.command: is missing; expected a command line in quotes`,
				`main.toml:5: program.p.workers: unknown key here; it is a key of [app.NAME]`,
				`main.toml:6: program.p.startsecs: "-1": expected a whole number of seconds, 0 or more`,
			},
		},
		"NUL bytes": {
			"[program.p]\ncommand = 'x'\ndirectory = \"a\\u0000\"\nenvironment = { A = \"\\u0000\" }\n",
			[]string{
				`main.toml:3: program.p.directory: the value holds a NUL byte; expected text without one`,
				`main.toml:4: program.p.environment.A: the value holds a NUL byte; expected text without one`,
			},
		},
		"key path too long": {
			"\na = " + strings.Repeat("[", 2000),
			[]string{`main.toml:2: the key, with the tables around it, is longer than 1024 bytes`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, got := loadFiles(t, fakeHost(t, 0), map[string]string{"main.toml": c.text})
			got = slices.DeleteFunc(got, func(s string) bool {
				return strings.HasPrefix(s, "main.toml:7: app.web.xyzzy: unknown key; known here are autorestart, ") || // all the keys of an app
					strings.HasPrefix(s, "main.toml:3: server[0]: the server has no listen address") // none of them could be read
			})
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestSyntaxErrorHasItsLine(t *testing.T) {
	for text, line := range map[string]string{
		"a = 1\nb =\n":                        "main.toml:2: ",
		smallest + "[[server]\n":              "main.toml:7: ",
		"a = 1\na = 2\n":                      "main.toml:2: ",
		"a = \"\"\"\n\n":                      "main.toml:",
		"a = \"\xff\"\n":                      "main.toml:1: ",
		"a = 'x\x00'\n":                       "main.toml:1: ",
		"log.level = 'info'\n\nlog = 2\n":     "main.toml:3: log is set twice; first set in line 1",
		"\x00a = 1":                           "main.toml:1: ",
		"[app.web]\ncommand = x\n# \"[[[\"\n": "main.toml:2: ",
	} {
		_, got := loadFiles(t, fakeHost(t, 1000), map[string]string{"main.toml": text})
		if len(got) != 1 || !strings.HasPrefix(got[0], line) {
			t.Errorf("%q: got %q, want one problem at %s", text, got, line)
		}
	}
}

func TestFileThatCannotBeReadIsOneProblem(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "large.toml"), strings.Repeat("#", maxFileSize+1))
	for name, want := range map[string]string{
		"none.toml":  "none.toml: cannot be read: no such file or directory",
		"":           ": cannot be read: it is no regular file",
		"large.toml": "large.toml: cannot be read: it is larger than 1048576 bytes",
	} {
		_, err := load(filepath.Join(dir, name), fakeHost(t, 1000))
		if got := problemLines(t, dir, err); len(got) != 1 || !strings.HasSuffix(got[0], want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestOnlyRootChangesUser(t *testing.T) {
	for user, refused := range map[string]bool{"myproject": false, "1000": false, "nobody": true, "paddock": true} {
		text := strings.Replace(smallest, "command", "user = '"+user+"'\ncommand", 1)
		_, got := loadFiles(t, fakeHost(t, 1000), map[string]string{"main.toml": text})
		want := `main.toml:2: app.web.user: "` + user + `": only root can change user, and this is uid 1000; expected no user, or root`
		if refused && !slices.Equal(got, []string{want}) || !refused && got != nil {
			t.Errorf("%s: got %q", user, got)
		}
		if _, got := loadFiles(t, fakeHost(t, 0), map[string]string{"main.toml": text}); got != nil {
			t.Errorf("%s as root: got %q", user, got)
		}
	}
}

func TestSumChangesWithEveryFileAndOnlyThen(t *testing.T) {
	dir := t.TempDir()
	main, extra := filepath.Join(dir, "main.toml"), filepath.Join(dir, "conf.d/x.toml")
	sum := func() value.Strings {
		c, err := load(main, fakeHost(t, 1000))
		if err != nil {
			t.Fatal(err)
		}
		return value.Strings{string(c.Sum[:])}
	}
	write(t, main, "include = ['conf.d/*']\n"+smallest)
	before := sum()
	if !slices.Equal(before, sum()) {
		t.Error("the same bytes have two sums")
	}
	write(t, extra, "")
	added := sum()
	write(t, extra, "#")
	if changed := sum(); slices.Equal(before, added) || slices.Equal(added, changed) {
		t.Error("an included file does not change the sum")
	}
}

// FuzzLoad loads whatever a file may hold: it never panics, and what it refuses it
// explains line by line.
func FuzzLoad(f *testing.F) {
	example, err := os.ReadFile("../../config.example.toml")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{string(example), smallest, "include = 1", "app = [[]]", "[[server]]\nlocation = [1, {}]", "server = [{listen = [[]]}]", "[log_format]\na = {}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "include") { // would read the machine's own files
			return
		}
		path := filepath.Join(t.TempDir(), "main.toml")
		write(t, path, text)
		_, err := load(path, fakeHost(t, 0))
		problemLines(t, filepath.Dir(path), err)
	})
}
