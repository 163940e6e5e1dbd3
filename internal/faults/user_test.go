package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// someone is a user without any rights; its group has the same number.
const someone = 65534

func TestUserWithoutRightsRunsItWithNothingSet(t *testing.T) {
	d := folder(t)
	d.write("paddock.toml", strings.ReplaceAll(syncApp, "ADDR", d.addr))
	attr := &syscall.SysProcAttr{Setpgid: true}
	uid := os.Geteuid()
	if uid == 0 {
		uid = someone
		attr.Credential = &syscall.Credential{Uid: someone, Gid: someone}
		if err := os.Chown(d.dir, someone, someone); err != nil {
			t.Fatal(err)
		}
	}
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(paddock, args...)
		cmd.Dir, cmd.SysProcAttr = d.dir, attr // ./paddock.toml is the default of -c
		cmd.Env = append(os.Environ(), "HOME="+d.dir, "XDG_RUNTIME_DIR="+d.dir, "XDG_STATE_HOME=")
		return cmd
	}
	d.log, d.cmd = newLines(), command("run")
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.watch()
	d.waitLog(`web entered RUNNING state`)
	if got := d.get("/"); got != "hello" {
		t.Errorf("GET / answered %q", got)
	}
	if warned := d.log.matching(`WARN|ERROR`); warned != nil {
		t.Errorf("it complains: %q", warned)
	}
	all := tree(d.cmd.Process.Pid)
	for _, pid := range append(all, d.cmd.Process.Pid) {
		if got := owner(t, pid); got != uid {
			t.Errorf("process %d (%v) runs as %d, want %d", pid, cmdline(pid), got, uid)
		}
	}
	old := d.master()
	for _, args := range [][]string{{"check"}, {"status"}, {"reload"}, {"deploy", "web"}} {
		if out, err := command(args...).CombinedOutput(); err != nil {
			t.Errorf("paddock %v: %v: %s", args, err, out)
		}
	}
	if now := d.master(); now == old {
		t.Errorf("master %d serves after the deploy as before", now)
	}
	all = append(all, tree(d.cmd.Process.Pid)...)
	if code := d.stop(); code != 0 {
		t.Errorf("stopped with exit code %d", code)
	}
	waitGone(t, time.Second, all...)
	if log := d.read(filepath.Join(".local", "state", "paddock", "log", "access.log")); !strings.Contains(log, `"GET / HTTP/1.1" 200 5 `) {
		t.Errorf("the access log lacks the request: %s", log)
	}
}

func owner(t *testing.T, pid int) int {
	t.Helper()
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}
