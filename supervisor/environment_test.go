package supervisor

import (
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// childEnvironment returns what a real child was given.
func childEnvironment(t *testing.T, spec Spec) (variables, *realProcess) {
	t.Helper()
	var path string
	spec.Stdout, path = memory(t)
	p := runReal(t, spec)
	if spec.Kind == KindApp {
		p.Kill()
	}
	s := p.await(t, "the exit", func(s Snapshot) bool { return s.PID == 0 })
	p.BeginStop()
	spec.Stdout.Close()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; %+v %q", err, s, s.Lines(10))
	}
	env := variables{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		name, val, _ := strings.Cut(line, "=")
		env[name] = val
	}
	return env, p
}

func wantEnvironment(t *testing.T, got variables, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if val, ok := got[name]; !ok || val != want[name] {
			t.Errorf("%s: got %q (set: %v), want %q", name, val, ok, want[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			t.Errorf("%s=%q is not expected", name, got[name])
		}
	}
}

// keeperOnly are variables of the keeper that no child may see.
func setKeeperVariables(t *testing.T) {
	for _, name := range notInherited {
		t.Setenv(name, "of the keeper")
	}
	t.Setenv("PYTHONHOME", "/wrong")
}

func TestChildOfTheKeepersUserHasALoginsEnvironment(t *testing.T) {
	setKeeperVariables(t)
	t.Setenv("MINE", "inherited")
	t.Setenv("PATH", "/usr/bin:/bin")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	spec := helperSpec("env")
	spec.Name = "web"
	got, p := childEnvironment(t, spec)
	want := map[string]string{
		"HOME": me.HomeDir, "USER": me.Username, "LOGNAME": me.Username, "SHELL": shellOf(me.Username),
		"PATH": "/usr/bin:/bin", "MINE": "inherited", "PYTHONUNBUFFERED": "1", "PYTHONHOME": "/wrong",
		"SUPERVISOR_ENABLED": "1", "SUPERVISOR_PROCESS_NAME": "web", "SUPERVISOR_GROUP_NAME": "web",
		"PADDOCK_INSTANCE": p.sys.Instance + ":web:0",
	}
	for _, e := range os.Environ() { // the rest of what this test was started with
		name, val, _ := strings.Cut(e, "=")
		if _, ok := want[name]; !ok && !slices.Contains(notInherited, name) {
			want[name] = val
		}
	}
	wantEnvironment(t, got, want)
}

func TestChildOfAnotherUserHasNothingOfTheKeepers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	setKeeperVariables(t)
	t.Setenv("AWS_SECRET", "of the keeper")
	t.Setenv("PATH", "/usr/bin:/bin")
	t.Setenv("LANG", "C.UTF-8")
	t.Setenv("LC_ALL", "C.UTF-8")
	t.Setenv("TZ", "UTC")
	spec := helperSpec("env")
	spec.Name, spec.User, spec.Command = "web", "nobody", command("/usr/bin/env")
	got, p := childEnvironment(t, spec)
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "LC_") && name != "LC_ALL" {
			delete(got, name)
		}
	}
	wantEnvironment(t, got, map[string]string{
		"HOME": nobody.HomeDir, "USER": "nobody", "LOGNAME": "nobody", "SHELL": shellOf("nobody"),
		"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONUNBUFFERED": "1",
		"SUPERVISOR_ENABLED": "1", "SUPERVISOR_PROCESS_NAME": "web", "SUPERVISOR_GROUP_NAME": "web",
		"PADDOCK_INSTANCE": p.sys.Instance + ":web:0",
	})
}

func TestAppIsToldItsSocketAndWorkers(t *testing.T) {
	dir := t.TempDir()
	envFile := filepath.Join(dir, "env")
	os.WriteFile(envFile, []byte("FROM_FILE=file\nBOTH=file\nGUNICORN_CMD_ARGS='--preload'\n"), 0o600)
	socket, err := listenUnix(filepath.Join(dir, "web.4.sock"), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	acct, err := lookupAccount("")
	if err != nil {
		t.Fatal(err)
	}
	spec := helperSpec("env")
	spec.Name, spec.Kind, spec.Generation, spec.Workers, spec.ListenFDs = "web", KindApp, 4, 3, 1
	spec.Venv, spec.Directory, spec.EnvFile = "venv", dir, "env"
	spec.Environment = map[string]string{"BOTH": "toml"}
	env, err := environment(spec, acct, []string{"PATH=/bin", "WEB_CONCURRENCY=9", "PYTHONHOME=/wrong"}, "PADDOCK_INSTANCE=i:web:4")
	if err != nil {
		t.Fatal(err)
	}
	wantEnvironment(t, env, map[string]string{
		"HOME": acct.home, "USER": acct.name, "LOGNAME": acct.name, "SHELL": acct.shell,
		"PATH": dir + "/venv/bin:/bin", "VIRTUAL_ENV": dir + "/venv", "PYTHONUNBUFFERED": "1",
		"SUPERVISOR_ENABLED": "1", "SUPERVISOR_PROCESS_NAME": "web", "SUPERVISOR_GROUP_NAME": "web",
		"WEB_CONCURRENCY": "3", "GUNICORN_CMD_ARGS": "--preload --workers 3",
		"FROM_FILE": "file", "BOTH": "toml", "PADDOCK_INSTANCE": "i:web:4",
	})
}

func TestShimAnnouncesTheSocketByItsOwnPid(t *testing.T) {
	socket, err := listenUnix(filepath.Join(t.TempDir(), "s"), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	spec := helperSpec("env")
	spec.Command.Args = []string{"sh", "-c", "echo $$ $LISTEN_PID $LISTEN_FDS-$LISTEN_FDNAMES"}
	spec.ListenFDs = 1
	spec.ExtraFiles = func() ([]*os.File, error) { return []*os.File{socket}, nil }
	spec.Name = "web"
	var path string
	spec.Stdout, path = memory(t)
	p := runReal(t, spec)
	p.await(t, "the exit", down)
	spec.Stdout.Close()
	text, _ := os.ReadFile(path)
	pid, listenPid, rest := "", "", ""
	if n, err := fmt.Sscan(string(text), &pid, &listenPid, &rest); n != 3 {
		t.Fatalf("%q: %v", text, err)
	}
	if pid != listenPid || rest != "1-web" {
		t.Errorf("pid %s, LISTEN_PID %s, then %s", pid, listenPid, rest)
	}
}

func TestWorkersDefaultToTheCPUs(t *testing.T) {
	for _, c := range []struct {
		name    string
		spec    Spec
		keeper  []string
		web     string
		forward string
	}{
		{"none", Spec{}, nil, fmt.Sprint(cpus()), ""},
		{"inherited", Spec{}, []string{"WEB_CONCURRENCY=9"}, "9", ""},
		{"environment", Spec{Workers: 4, Program: Program{Environment: map[string]string{"WEB_CONCURRENCY": "2"}}}, nil, "2", ""},
		{"uvicorn", Spec{Program: Program{Command: command("uvicorn app:app --fd 3")}}, nil, fmt.Sprint(cpus()), "*"},
		{"uvicorn worker", Spec{Program: Program{Command: command("gunicorn -k uvicorn.workers.UvicornWorker app")}}, nil, fmt.Sprint(cpus()), "*"},
	} {
		c.spec.Kind = KindApp
		env, err := environment(c.spec, account{}, c.keeper, "M=")
		if err != nil {
			t.Fatal(err)
		}
		if env["WEB_CONCURRENCY"] != c.web || env["FORWARDED_ALLOW_IPS"] != c.forward {
			t.Errorf("%s: WEB_CONCURRENCY=%q FORWARDED_ALLOW_IPS=%q", c.name, env["WEB_CONCURRENCY"], env["FORWARDED_ALLOW_IPS"])
		}
	}
}

func TestShimSetsUserDirectoryUmaskAndPrivileges(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	spec := helperSpec("whoami")
	spec.User, spec.Directory = "nobody", "/tmp"
	mask := umask(0o027)
	spec.Umask = &mask
	p := runReal(t, spec)
	s := p.await(t, "the exit", down)
	lines := strings.Join(s.Lines(10), "\n")
	for _, want := range []string{"uid " + nobody.Uid + " gid " + nobody.Gid, "cwd /tmp", "Umask: 0027", "NoNewPrivs: 0"} {
		if !strings.Contains(lines, want) {
			t.Errorf("no %q in %q", want, lines)
		}
	}
	if strings.Contains(lines, "groups [0") {
		t.Errorf("root's groups are kept: %q", lines)
	}
}

func TestShimFailsWithAShellsExitCode(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	os.WriteFile(plain, []byte("no program"), 0o755)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--", plain, "plain"}, 126, "run " + plain},
		{[]string{"--", "/nonexistent/x", "x"}, 127, "no such file"},
		{[]string{"--directory=/nonexistent", "--", "/bin/true", "true"}, 127, "change to directory /nonexistent"},
		{[]string{"--umask=9", "--", "/bin/true", "true"}, 127, "set the umask"},
		{[]string{"--"}, 2, "expected"},
		{[]string{"--unknown"}, 2, "unknown"},
		{[]string{"--nofile=64", "--nice=1", "--", "/bin/sh", "sh", "-c", "exit $(ulimit -n)"}, 64, ""},
	} {
		spec := helperSpec("exit")
		spec.Command.Args = append([]string{"/proc/self/exe", "exec"}, c.args...)
		p := runReal(t, spec)
		s := p.await(t, "the exit", down)
		if s.Exit.Code != c.code || !strings.Contains(strings.Join(s.Lines(5), "\n"), c.says) {
			t.Errorf("%q: %v and %q, want %d and %q", c.args, s.Exit, s.Lines(5), c.code, c.says)
		}
	}
}

func TestCommandIsLookedForBeforeTheFork(t *testing.T) {
	dir := t.TempDir()
	os.Mkdir(filepath.Join(dir, "bin"), 0o755)
	os.WriteFile(filepath.Join(dir, "bin", "good"), nil, 0o755)
	os.WriteFile(filepath.Join(dir, "bin", "plain"), nil, 0o644)
	for _, c := range []struct{ name, path, want, err string }{
		{"good", dir + "/bin", dir + "/bin/good", ""},
		{"good", "bin", dir + "/bin/good", ""},
		{"./bin/good", "", dir + "/bin/good", ""},
		{"bad", dir + "/bin:/bin", "", "can't find command 'bad'"},
		{"./bad", "", "", "can't find command './bad'"},
		{"plain", dir + "/bin", "", "command at '" + dir + "/bin/plain' is not executable"},
		{dir + "/bin", "", "", "command at '" + dir + "/bin' is a directory"},
	} {
		got, err := findCommand(c.name, c.path, dir)
		if c.err != "" && (err == nil || err.Error() != c.err) || c.err == "" && (err != nil || got != c.want) {
			t.Errorf("%s on %s: got %q, %v; want %q %q", c.name, c.path, got, err, c.want, c.err)
		}
	}
}

func TestEnvFileIsReadStrictly(t *testing.T) {
	const good = `# a comment
A=plain
export B = "two words # kept" # a comment
C='it''s'
`
	if _, err := parseEnvFile("f", good); err == nil {
		t.Error("text after a closing quote was taken")
	}
	got, err := parseEnvFile("f", "# x\n\nA=plain # c\nexport B=\"a\\n\\\"b\\\" # \\$x\" # c\nC='raw \\n'\nD=\nE=a#b\nF=\"\"\r\nG=#x\n")
	if err != nil {
		t.Fatal(err)
	}
	wantEnvironment(t, got, map[string]string{
		"A": "plain", "B": "a\n\"b\" # $x", "C": `raw \n`, "D": "", "E": "a#b", "F": "", "G": "",
	})
	for text, want := range map[string]string{
		"A=1\nno equals": "f:2: expected KEY=VALUE",
		"1A=x":           "f:1: expected KEY=VALUE",
		"A=\"open":       "f:1: A: the \" quote is not closed",
		"=x":             "f:1: expected KEY=VALUE",
		"A='x' y":        `f:1: A: "y" after the closing quote`,
		"A=\x00":         "f:1: A: the value holds a NUL",
	} {
		if _, err := parseEnvFile("f", text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func FuzzEnvFile(f *testing.F) {
	f.Add("A=1\nexport B=\"x\\n\" # c\nC='d'\n")
	f.Fuzz(func(t *testing.T, text string) {
		env, err := parseEnvFile("f", text)
		if err != nil && !strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("error without a place: %v", err)
		}
		for name, val := range env {
			if !variableName(name) || strings.Contains(val, "\x00") {
				t.Errorf("taken: %q=%q", name, val)
			}
		}
	})
}

func TestUnknownUserIsRefused(t *testing.T) {
	if _, err := lookupAccount("nobody-here"); err == nil || err.Error() != "no such user: 'nobody-here'" {
		t.Errorf("got %v", err)
	}
}
