package config

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestRelativePathsAreRelativeToTheirFile(t *testing.T) {
	h := fakeHost(t, 0)
	dir := t.TempDir()
	for _, made := range []string{"sub/logs/x", "sub/site/venv/bin/x", "sub/vars", "sub/p/x"} {
		write(t, filepath.Join(dir, made), "")
	}
	write(t, filepath.Join(dir, "main.toml"), "include = ['sub/*.toml']\n[paddock]\nstate_dir = 'state'\nlog_dir = '/var/l'\n[log]\npath = 'stderr'\n")
	write(t, filepath.Join(dir, "sub/x.toml"), `
[app.web]
command = "x"
directory = "site"
venv = "venv"
env_file = "vars"
stdout_logfile = "logs/out"
stderr_logfile = "none"
[program.p]
command = "x"
stdout_logfile = "/var/out"
stderr_logfile = "stderr"
[upstream.u]
server = ["unix:u.sock max_fails=1", "127.0.0.1:80"]
[[server]]
listen = ["unix:s.sock", "unix:/run/s.sock", "80"]
app = "web"
access_log = { path = "logs/access.log" }
  [[server.location]]
  path = "/a"
  proxy_pass = "http://unix:l.sock:/b"
  access_log = "stdout"
  [[server.location]]
  path = "/b"
  proxy_pass = "http://u"
  access_log = "off"
`)
	c, err := load(filepath.Join(dir, "main.toml"), h)
	if err != nil {
		t.Fatal(err)
	}
	app, program, server := c.Apps["web"], c.Programs["p"], c.Servers[0]
	for _, g := range []struct{ name, got, want string }{
		{"state_dir", c.Paddock.StateDir, "DIR/state"},
		{"log_dir", c.Paddock.LogDir, "/var/l"},
		{"log.path", c.Log.Path, "stderr"},
		{"directory", app.Directory, "DIR/sub/site"},
		{"venv", app.Venv, "DIR/sub/site/venv"},
		{"env_file", app.EnvFile, "DIR/sub/vars"},
		{"stdout_logfile", app.StdoutLogfile, "DIR/sub/logs/out"},
		{"stderr_logfile", app.StderrLogfile, "none"},
		{"directory unset", program.Directory, "DIR/sub"},
		{"stdout_logfile absolute", program.StdoutLogfile, "/var/out"},
		{"stderr_logfile stderr", program.StderrLogfile, "stderr"},
		{"server", c.Upstreams["u"].Server[0], "unix:DIR/sub/u.sock max_fails=1"},
		{"server by address", c.Upstreams["u"].Server[1], "127.0.0.1:80"},
		{"listen", server.Listen[0].Unix, "DIR/sub/s.sock"},
		{"listen absolute", server.Listen[1].Unix, "/run/s.sock"},
		{"listen port", server.Listen[2].Unix, ""},
		{"access_log", server.AccessLog[0].Path, "DIR/sub/logs/access.log"},
		{"proxy_pass", server.Location[0].ProxyPass, "http://unix:DIR/sub/l.sock:/b"},
		{"access_log stdout", server.Location[0].AccessLog[0].Path, "stdout"},
		{"proxy_pass by name", server.Location[1].ProxyPass, "http://u"},
		{"access_log off", server.Location[1].AccessLog[0].Path, ""},
	} {
		if want := strings.ReplaceAll(g.want, "DIR", dir); g.got != want {
			t.Errorf("%s: got %s, want %s", g.name, g.got, want)
		}
	}
}

func TestFoldersDependOnTheUser(t *testing.T) {
	for name, c := range map[string]struct {
		uid  int
		env  map[string]string
		file string
		want Paddock
	}{
		"root": {
			0, nil, "",
			Paddock{User: "paddock", RunDir: "/run/paddock", StateDir: "/var/lib/paddock", LogDir: "/var/log/paddock"},
		},
		"root with its own state_dir": {
			0, nil, "[paddock]\nuser = 'nobody'\nstate_dir = '/srv/state'\n",
			Paddock{User: "nobody", RunDir: "/run/paddock", StateDir: "/srv/state", LogDir: "/var/log/paddock"},
		},
		"a user": {
			1000,
			map[string]string{"HOME": "/home/me"},
			"",
			Paddock{RunDir: "/tmp/paddock-1000", StateDir: "/home/me/.local/state/paddock", LogDir: "/home/me/.local/state/paddock/log"},
		},
		"a user with XDG folders": {
			1000,
			map[string]string{"XDG_RUNTIME_DIR": "/run/user/1000", "XDG_STATE_HOME": "/home/me/state"},
			"[paddock]\n",
			Paddock{RunDir: "/run/user/1000/paddock", StateDir: "/home/me/state/paddock", LogDir: "/home/me/state/paddock/log"},
		},
		"a user with relative XDG folders": {
			1000,
			map[string]string{"HOME": "/home/me", "XDG_RUNTIME_DIR": "run", "XDG_STATE_HOME": "state"},
			"[paddock]\nstate_dir = '/srv/s'\n",
			Paddock{RunDir: "/tmp/paddock-1000", StateDir: "/srv/s", LogDir: "/srv/s/log"},
		},
	} {
		h := fakeHost(t, c.uid)
		h.getenv = func(name string) string { return c.env[name] }
		got, problems := loadFiles(t, h, map[string]string{"main.toml": c.file + smallest})
		if problems != nil || got.Paddock != c.want {
			t.Errorf("%s: got %+v, %q\nwant %+v", name, got, problems, c.want)
		}
	}
}

func TestUserWithoutHomeHasToNameStateDir(t *testing.T) {
	h := fakeHost(t, 1234)
	h.getenv = func(string) string { return "" }
	_, got := loadFiles(t, h, map[string]string{"main.toml": smallest})
	want := "main.toml: paddock.state_dir: neither $XDG_STATE_HOME nor $HOME is set; expected state_dir to name a folder"
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
