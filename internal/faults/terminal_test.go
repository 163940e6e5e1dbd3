package faults

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestCtrlCInATerminalStopsEverythingCleanly(t *testing.T) {
	d := folder(t)
	d.configure(syncApp)
	keyboard := d.inTerminal(exec.Command(paddock, "run", "-c", filepath.Join(d.dir, "paddock.toml")))
	d.waitLog(`web entered RUNNING state`)
	for _, shown := range []string{
		fmt.Sprintf(`is serving: keeper pid %d, proxy pid %d`, d.cmd.Process.Pid, d.proxyPid()),
		`http://` + d.addr + ` +app web`,
		fmt.Sprintf(`app web .*gunicorn .*pid %d`, d.master()),
		`access log +` + d.dir + `/log/access\.log`,
		`logs of web +` + d.dir + `/log/web\.out\.log`,
		`^127\.0\.0\.1 - - \[.*\] "GET /pid HTTP/1\.1" 200 `, // an access line, as it comes
	} {
		d.waitLog(shown)
	}
	d.workers(d.master(), 2)
	all := tree(d.cmd.Process.Pid)
	slow, err := dial(d.addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.close()
	fmt.Fprintf(slow, "GET /sleep/1 HTTP/1.1\r\nHost: a.test\r\n\r\n")
	d.untilInFlight(1)

	keyboard.interrupt(t)
	if code := d.wait(); code != 0 {
		t.Errorf("ended with exit code %d (%v), want 0", code, d.cmd.ProcessState)
	}
	if a, err := slow.answer("GET"); err != nil || a.status != 200 || string(a.body) != "slept" {
		t.Errorf("the request in flight was answered %d %q, %v", a.status, a.body, err)
	}
	d.waitLog(`"GET /sleep/1 HTTP/1\.1" 200 5 `)
	waitGone(t, time.Second, all...)
	if left, _ := filepath.Glob(filepath.Join(d.dir, "run", "*.sock")); left != nil {
		t.Errorf("sockets are left: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(d.dir, "run", "app", "*")); left != nil {
		t.Errorf("app sockets are left: %v", left)
	}
	if log := d.read("log/access.log"); !strings.Contains(log, `"GET /sleep/1 HTTP/1.1" 200 5 `) {
		t.Errorf("the access log lacks the last request: %s", log)
	}
}

// terminal is the far side of a pseudo-terminal: what is written to it is typed.
type terminal struct{ *os.File }

// openTerminal makes a pseudo-terminal (pty(7)); near is the side of the program.
func openTerminal(t *testing.T) (far terminal, near *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	var callErr error
	err = raw.Control(func(fd uintptr) {
		if callErr = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); callErr == nil {
			number, callErr = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err != nil || callErr != nil {
		t.Fatal(err, callErr)
	}
	near, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return terminal{master}, near
}

// interrupt types Ctrl-C.
func (f terminal) interrupt(t *testing.T) {
	t.Helper()
	if _, err := f.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
}

// inTerminal starts a program as a shell starts it: with the terminal as its own.
// Its output goes to the daemon's log, its end to exit.
func (d *daemon) inTerminal(cmd *exec.Cmd) terminal {
	d.t.Helper()
	far, near := openTerminal(d.t)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = near, near, near
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	near.Close()
	d.cmd, d.log = cmd, newLines()
	shown := make(chan struct{})
	go func() { // ends when nobody has the near side open any more: EIO
		defer close(shown)
		io.Copy(d.log, far)
	}()
	d.watchOutput(shown)
	return far
}
