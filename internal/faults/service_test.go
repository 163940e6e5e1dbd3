package faults

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The unit leaves root only some capabilities. Orphans of another user must be found
// and ended with these.
func TestStopLeavesNoOrphanUnderTheUnitsCapabilities(t *testing.T) { // A8
	if os.Geteuid() != 0 {
		t.Skip("needs root: capabilities are taken away, users changed")
	}
	d := folder(t)
	d.configure(`
[program.orphan]
command = "sh -c 'setsid sleep 1000 & exec sleep 1001'"
user = "daemon"
directory = "/"
`)
	d.log = newLines()
	d.cmd = exec.Command("setpriv", "--bounding-set="+boundingSet(t), "--", paddock, "run", "-c", filepath.Join(d.dir, "paddock.toml"))
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.watch()
	d.waitLog(`orphan entered RUNNING state`)
	var all []int
	d.until("the orphan is there", func() bool {
		all = nil
		for _, pid := range tree(d.cmd.Process.Pid) {
			if args := cmdline(pid); args[0] == "sleep" {
				all = append(all, pid)
			}
		}
		return len(all) == 2
	})
	if out, code := d.command("stop", "orphan"); code != 0 {
		t.Errorf("stop: exit %d: %s", code, out)
	}
	waitGone(t, time.Second, all...)
}

// boundingSet is the unit's CapabilityBoundingSet as setpriv takes it.
func boundingSet(t *testing.T) string {
	t.Helper()
	var set strings.Builder
	set.WriteString("-all")
	for _, line := range readLines(t, "../../systemd/paddock.service") {
		names, found := strings.CutPrefix(line, "CapabilityBoundingSet=")
		if !found {
			continue
		}
		for name := range strings.FieldsSeq(names) {
			set.WriteString(",+" + strings.ToLower(strings.TrimPrefix(name, "CAP_")))
		}
	}
	if set.String() == "-all" {
		t.Fatal("the unit has no CapabilityBoundingSet")
	}
	return set.String()
}

func TestCommandsInATerminalHaveColours(t *testing.T) {
	d := ready(t, twoPrograms)
	d.waitLog(`side entered RUNNING state`)
	d.until("the program has written", func() bool {
		out, _ := d.command("logs", "side")
		return out == "begun\n"
	})
	for _, tt := range []struct {
		env, args, want string
	}{
		{"NO_COLOR=", "status", `^NAME +KIND +STATE`},
		{"NO_COLOR=", "logs", "^\x1b\\[\\d+mside \\| \x1b\\[0mbegun"},
		{"NO_COLOR=1", "logs", `^side \| begun`},
	} {
		shell := &daemon{t: t, dir: d.dir}
		cmd := exec.Command(paddock, tt.args, "-c", filepath.Join(d.dir, "paddock.toml"))
		cmd.Env = append(os.Environ(), tt.env)
		shell.inTerminal(cmd)
		if shell.log.wait(compile(tt.want), patience) == nil {
			t.Errorf("%s %s: no line matches %q: %q", tt.env, tt.args, tt.want, shell.log.tail(20))
		}
		if code := shell.wait(); code != 0 {
			t.Errorf("%s: exit %d", tt.args, code)
		}
	}
}

func TestManPagesCompletionAndVersion(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"man", dir}, ""},
		{[]string{"completion", "bash"}, "__start_paddock"},
		{[]string{"version"}, "paddock "},
		{[]string{"__complete", "completion", ""}, "zsh"},
	} {
		out, err := exec.Command(paddock, tt.args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), tt.want) {
			t.Errorf("%v: %v: %.200s; want %q", tt.args, err, out, tt.want)
		}
	}
	for _, page := range []string{"paddock.1", "paddock-run.1", "paddock-logs.1", "paddock-dev.1"} {
		if text, err := os.ReadFile(filepath.Join(dir, page)); err != nil || !strings.HasPrefix(string(text), ".") {
			t.Errorf("%s: %v: %.40s", page, err, text)
		}
	}
}

func TestNamesAreCompleted(t *testing.T) {
	d := ready(t, twoPrograms)
	out, _ := exec.Command(paddock, "-c", filepath.Join(d.dir, "paddock.toml"), "__complete", "restart", "").CombinedOutput()
	if text := string(out); !strings.Contains(text, "web\n") || !strings.Contains(text, "side\n") || !strings.Contains(text, "all\n") {
		t.Errorf("restart is completed with %q", text)
	}
}
