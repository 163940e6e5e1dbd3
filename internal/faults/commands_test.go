package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

const twoPrograms = `
[app.web]
command = "gunicorn app:app"

[program.side]
command = "sh -c 'trap \"echo got USR1\" USR1; echo begun; while :; do sleep 0.1; done'"

[[server]]
listen = "ADDR"
app = "web"
`

func TestCommandsForProcessesSaySupervisorctlsWords(t *testing.T) {
	t.Parallel()
	d := ready(t, twoPrograms)
	d.waitLog(`side entered RUNNING state`)
	for _, step := range []struct {
		args string
		code int
		want string
	}{
		{"start side", 0, "side: ERROR (already started)"},
		{"stop side", 0, "side: stopped"},
		{"stop side", 0, "side: ERROR (not running)"},
		{"signal USR1 side", 1, "side: ERROR (not running)"},
		{"start side", 0, "side: started"},
		{"signal USR1 side", 0, "side: signalled"},
		{"signal NONSENSE side", 2, `"NONSENSE" is no signal`},
		{"restart side web", 0, "side: started\nweb: started"},
		{"stop nobody", 1, "nobody: ERROR (no such process)"},
		{"stop", 2, "requires at least 1 arg"},
		{"stop all", 0, "side: stopped\nweb: stopped"},
		{"start all", 0, "side: started\nweb: started"},
		{"reopen", 0, "reopened"},
		{"frobnicate", 2, `unknown command "frobnicate"`},
	} {
		out, code := d.command(strings.Fields(step.args)...)
		if code != step.code || !strings.Contains(out, step.want) {
			t.Errorf("%s: exit %d, %q; want %d and %q", step.args, code, out, step.code, step.want)
		}
	}
	if got := d.get("/"); got != "hello" {
		t.Errorf("after all of it the app answers %q", got)
	}
}

func TestStatusIsATableOfWhatRuns(t *testing.T) {
	d := ready(t, twoPrograms)
	d.waitLog(`side entered RUNNING state`)
	d.allBooted(runtime.NumCPU())
	want := []string{
		`^NAME +KIND +STATE +PID +UPTIME +MEMORY +WORKERS +GENERATION +IN FLIGHT +QUEUED$`,
		fmt.Sprintf(`^proxy +proxy +RUNNING +%d +0:00:\d\d +[0-9.]+ MB`, d.proxyPid()),
		fmt.Sprintf(`^web +app +RUNNING +%d +0:00:\d\d +\d+ MB +%d +1 +0 of %d +0$`, d.master(), runtime.NumCPU(), runtime.NumCPU()+1),
		`^side +program +RUNNING +\d+ +0:00:\d\d +[0-9.]+ MB`,
	}
	var out string
	d.until("status shows what runs", func() bool {
		out, _ = d.command("status")
		for _, w := range want {
			if !compile("(?m)" + w).MatchString(out) {
				return false
			}
		}
		return true
	})
	t.Log("\n" + out)
}

func TestStoppedAppIsAnsweredWith503(t *testing.T) {
	d := ready(t, twoPrograms)
	if out, code := d.command("stop", "web"); code != 0 {
		t.Fatalf("stop: exit %d: %s", code, out)
	}
	a, err := get(d.addr, "/", patience)
	if err != nil || a.status != 503 {
		t.Errorf("answered %d, %v; want 503", a.status, err)
	}
}

func TestRestartOfAnAppLosesNothing(t *testing.T) {
	d := ready(t, syncApp)
	master := d.master()
	l := d.load()
	l.reach(t, 20) // a worker of gunicorn that is still starting does not hear of TERM
	if out, code := d.command("restart", "web"); code != 0 {
		t.Errorf("restart: exit %d: %s", code, out)
	}
	l.reach(t, 50)
	l.finish(t)
	if l.failed() > 0 {
		t.Errorf("%d requests failed", l.failed())
	}
	if now := d.master(); now == master {
		t.Error("the app was not restarted")
	}
}

func TestCommandsSayWhatToDoWhenNothingRuns(t *testing.T) {
	d := folder(t)
	d.configure(syncApp)
	for _, args := range []string{"status", "reload", "deploy web", "stop web", "logs", "reopen"} {
		out, code := d.command(strings.Fields(args)...)
		if code != 1 || !strings.Contains(out, "paddock is not running") || !strings.Contains(out, "paddock run") {
			t.Errorf("%s: exit %d, %q", args, code, out)
		}
	}
	out, code := d.command("status", "--socket", filepath.Join(d.dir, "other.sock"))
	if code != 1 || !strings.Contains(out, "other.sock") {
		t.Errorf("status --socket: exit %d, %q", code, out)
	}
}

func TestLogsFollowsSeveralProcesses(t *testing.T) {
	t.Parallel()
	d := ready(t, twoPrograms)
	d.waitLog(`side entered RUNNING state`)
	d.until("the program has written", func() bool {
		out, _ := d.command("logs", "side")
		return out == "begun\n"
	})
	said := newLines()
	cmd := exec.Command(paddock, "logs", "-f", "-c", filepath.Join(d.dir, "paddock.toml"))
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`^side \| begun`, `^web  \| .*Booting worker`} {
		if said.wait(compile(want), patience) == nil {
			t.Errorf("no line matches %s: %s", want, said.tail(20))
		}
	}
	// The file is moved away while it is followed.
	if err := os.Rename(filepath.Join(d.dir, "log/side.out.log"), filepath.Join(d.dir, "log/side.out.log.1")); err != nil {
		t.Fatal(err)
	}
	if out, code := d.command("reopen"); code != 0 {
		t.Errorf("reopen: exit %d: %s", code, out)
	}
	if out, code := d.command("signal", "USR1", "side"); code != 0 {
		t.Errorf("signal: exit %d: %s", code, out)
	}
	if said.wait(compile(`^side \| got USR1`), patience) == nil {
		t.Errorf("the new file is not followed: %s", said.tail(20))
	}
	cmd.Process.Signal(syscall.SIGINT)
	if err := cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
	if out, code := d.command("logs", "nobody"); code != 1 || !strings.Contains(out, "known are") {
		t.Errorf("logs nobody: exit %d, %q", code, out)
	}
}

func TestLogsShowsTheAccessLog(t *testing.T) {
	d := ready(t, syncApp)
	d.get("/")
	d.untilLogged(fmt.Sprintf("%q", "GET / HTTP/1.1")+" 200", 1)
	out, code := d.command("logs", "access", "-n", "1")
	if code != 0 || strings.Count(out, "\n") != 1 || !strings.Contains(out, `"GET / HTTP/1.1" 200`) {
		t.Errorf("exit %d, %q", code, out)
	}
}
