package config

import (
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func warnings(c *Config) []string {
	var lines []string
	for _, w := range c.Warnings() {
		lines = append(lines, strings.TrimPrefix(w.String(), filepath.Dir(c.File)+"/"))
	}
	return lines
}

func TestRootIsWarnedOfWhatRunsAsRootOrAsTheProxy(t *testing.T) {
	text := "[app.a]\ncommand = '/srv/bin/x'\n[app.b]\ncommand = '/srv/bin/x'\nuser = '990'\n[program.c]\ncommand = '/srv/bin/x'\n[program.d]\ncommand = '/srv/bin/x'\nuser = 'myproject'\n"
	h := fakeHost(t, 0)
	withExecutable(t, h)
	c, problems := loadFiles(t, h, map[string]string{"main.toml": text})
	if problems != nil {
		t.Fatal(problems)
	}
	want := []string{
		`main.toml:1: app.a.user: not set, so it runs as root; expected a user of its own`,
		`main.toml:5: app.b.user: "990" is the proxy's user too; expected another, so that neither can touch what is the other's`,
		`main.toml:6: program.c.user: not set, so it runs as root; expected a user of its own`,
	}
	if got := warnings(c); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if c, _ := loadFiles(t, fakeHost(t, 1000), map[string]string{"main.toml": "[log]\n"}); len(c.Warnings()) > 0 {
		t.Errorf("another user is warned: %q", warnings(c))
	}
}

// withExecutable puts an executable file at /srv/bin/x and /srv/venv/bin/y.
func withExecutable(t *testing.T, h *host) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x")
	write(t, file, "")
	if err := os.Chmod(file, 0o700); err != nil {
		t.Fatal(err)
	}
	stat := h.stat
	h.stat = func(path string) (os.FileInfo, error) {
		if path == "/srv/bin/x" || path == "/srv/venv/bin/y" {
			return os.Stat(file)
		}
		return stat(path)
	}
}

func TestProxyWithoutItsUserFallsBackWithAWarning(t *testing.T) {
	h := fakeHost(t, 0)
	lookup := h.lookup
	h.lookup = func(name string) (*user.User, error) {
		if name == "paddock" {
			return nil, user.UnknownUserError(name)
		}
		return lookup(name)
	}
	c, problems := loadFiles(t, h, map[string]string{"main.toml": "[log]\n"})
	want := []string{`main.toml: paddock.user: the proxy runs as nobody, which other services may share; expected a user of its own such as "paddock"`}
	if problems != nil || c.Paddock.User != "nobody" || !slices.Equal(warnings(c), want) {
		t.Errorf("user %s, warnings %q, problems %q", c.Paddock.User, warnings(c), problems)
	}
}

func TestCommandThatIsNotThereIsWarnedOf(t *testing.T) {
	for settings, found := range map[string]bool{
		"command = '/srv/bin/x'":                             true,
		"command = '/srv/bin'":                               false,
		"command = 'bin/x'\ndirectory = '/srv'":              true,
		"command = './x'\ndirectory = '/srv'":                false,
		"command = 'x'":                                      false,
		"command = 'x'\nenvironment = { PATH = '/srv/bin' }": true,
		"command = 'y'\ndirectory = '/srv'\nvenv = 'venv'":   true,
		"command = 'x'\ndirectory = '/srv'\nvenv = 'venv'":   false,
		"command = 'y'\ndirectory = '/srv'\nvenv = 'venv'\nenvironment = { PATH = '/srv/bin' }": false,
		"command = 'x'\nenv_file = '/srv/.env'":                                                 true,
		"command = '/gone'\nenv_file = '/srv/.env'":                                             false,
		"command = 'x'\nenvironment = { PATH = '/srv:/srv/bin', A = '/srv/none' }":              true,
	} {
		h := fakeHost(t, 1000)
		withExecutable(t, h)
		c, problems := loadFiles(t, h, map[string]string{"main.toml": "[program.p]\n" + settings})
		if problems != nil {
			t.Errorf("%s: %q", settings, problems)
			continue
		}
		got := warnings(c)
		if found && got != nil || !found && (len(got) != 1 || !strings.HasPrefix(got[0], "main.toml:2: program.p.command: can't find command")) {
			t.Errorf("%s: %q", settings, got)
		}
	}
}

func TestFileThatOthersMayWriteIsWarnedOf(t *testing.T) {
	dir := t.TempDir()
	main, extra := filepath.Join(dir, "main.toml"), filepath.Join(dir, "extra.toml")
	write(t, main, "include = ['extra.toml']\n")
	write(t, extra, "")
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o644: false, 0o646: true, 0o666: true} {
		if err := os.Chmod(extra, mode); err != nil {
			t.Fatal(err)
		}
		h := fakeHost(t, os.Getuid())
		c, err := load(main, h)
		if err != nil {
			t.Fatal(err)
		}
		got := slices.DeleteFunc(warnings(c), func(w string) bool { return !strings.Contains(w, "may write") })
		if warned != slices.Equal(got, []string{"extra.toml: everybody may write the file; expected only root and the user that paddock runs as"}) {
			t.Errorf("%o: %q", mode, got)
		}
	}
}

// owned is a file's owner, group and mode.
type owned struct {
	fs.FileInfo
	uid, gid uint32
	mode     fs.FileMode
}

func (o owned) Mode() fs.FileMode { return o.mode }
func (o owned) Sys() any          { return &syscall.Stat_t{Uid: o.uid, Gid: o.gid} }

func TestOnlyRootAndOurUserCountAsSafeWriters(t *testing.T) {
	for _, c := range []struct {
		file owned
		want string
	}{
		{owned{uid: 0, gid: 0, mode: 0o664}, ""},
		{owned{uid: 1000, gid: 1000, mode: 0o664}, ""},
		{owned{uid: 1000, gid: 100, mode: 0o644}, ""},
		{owned{uid: 1000, gid: 100, mode: 0o664}, "group 100"},
		{owned{uid: 0, gid: 4, mode: 0o660}, "group 4"},
		{owned{uid: 1001, gid: 1001, mode: 0o600}, "uid 1001"},
		{owned{uid: 0, gid: 0, mode: 0o602}, "everybody"},
	} {
		if got := writers(c.file, 1000); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.file, got, c.want)
		}
	}
}
