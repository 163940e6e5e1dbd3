package dev

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestThePrivateFolderIsOursAloneAndGoes(t *testing.T) {
	base := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", base)
	p, err := makePlace(8000)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(p.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	again, err := makePlace(8000) // what a killed one has left is found again
	if err != nil || again.dir != p.dir {
		t.Errorf("the second time %v, %v", again, err)
	}
	if err := p.remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestAFolderThatIsNotPrivateIsNotUsed(t *testing.T) {
	base := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("TMPDIR", base)
	first, err := makePlace(8000)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(first.dir) != base {
		t.Fatalf("%s is not in TMPDIR", first.dir)
	}
	if err := os.Chmod(first.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	second, err := makePlace(8000)
	if err != nil || second.dir == first.dir {
		t.Errorf("others can look into %v, %v", second, err)
	}
	if err := os.Remove(first.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), first.dir); err != nil {
		t.Fatal(err)
	}
	if third, err := makePlace(8000); err != nil || third.dir == first.dir {
		t.Errorf("a symbolic link was followed: %v, %v", third, err)
	}
}

func TestHelpersAreInstalledWithFolderAndPort(t *testing.T) {
	p := &place{dir: t.TempDir(), port: 8123}
	plan := Plan{
		Command: "python " + filepath.Join(helperFolder, runserverHelper) + " " + helperPort,
		Env:     map[string]string{"PYTHONPATH": helperFolder + ":/mine"}, helper: runserverHelper,
	}
	if err := p.install(&plan); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(p.dir, "python")
	if want := "python " + filepath.Join(dir, runserverHelper) + " 8123"; plan.Command != want {
		t.Errorf("command %q, want %q", plan.Command, want)
	}
	if plan.Env["PYTHONPATH"] != dir+":/mine" {
		t.Errorf("PYTHONPATH %q", plan.Env["PYTHONPATH"])
	}
	if _, err := os.Stat(filepath.Join(dir, runserverHelper)); err != nil {
		t.Error(err)
	}
}

func TestATakenPortIsAnErrorOnlyWhenItWasAskedFor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	if _, _, err := choosePort(taken); err == nil || !strings.Contains(err.Error(), "taken") || !strings.Contains(err.Error(), "--port") {
		t.Errorf("a taken port: %v", err)
	}
	port, addresses, err := choosePort(0)
	if err != nil || port < DefaultPort || port == taken || len(addresses) == 0 || !strings.HasPrefix(addresses[0], "127.0.0.1:") {
		t.Errorf("the next free one: %d %v %v", port, addresses, err)
	}
}

func TestTheConfigurationPassesTheChecksOfAFile(t *testing.T) {
	dir := tree(t, map[string]string{".venv/bin/python": ""})
	plan := Plan{Dir: dir, Command: "python -c 'print(1)'", Stop: "INT", Venv: filepath.Join(dir, ".venv"), Env: map[string]string{"A": "b\x7f\"é"}}
	c, err := configuration(plan, &place{dir: t.TempDir()}, []string{"127.0.0.1:8000", "[::1]:8000"})
	if err != nil {
		t.Fatal(err)
	}
	a := c.Apps[appName]
	if !a.Dev || a.Directory != dir || a.Environment["A"] != plan.Env["A"] || a.Startretries != 0 || len(a.Command.Args) != 3 {
		t.Errorf("%+v", a)
	}
	plan.Command = "python 'open"
	if _, err := configuration(plan, &place{dir: t.TempDir()}, []string{"127.0.0.1:8000"}); err == nil || !strings.Contains(err.Error(), "quote") {
		t.Errorf("a wrong command: %v", err)
	}
}
