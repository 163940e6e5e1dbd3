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
	keyboard := d.runInTerminal()
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

	fmt.Fprint(keyboard, "\x03")
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

// runInTerminal starts the daemon as the foreground job of a terminal of its own
// and returns what a person types into.
func (d *daemon) runInTerminal() io.Writer {
	d.t.Helper()
	master, slave := terminal(d.t)
	d.log = newLines()
	d.cmd = exec.Command(paddock, "run", "-c", filepath.Join(d.dir, "paddock.toml"))
	d.cmd.Stdin, d.cmd.Stdout, d.cmd.Stderr = slave, slave, slave
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	slave.Close()
	shown := make(chan struct{})
	go func() { // ends when nobody has the terminal open any more
		defer close(shown)
		io.Copy(withoutReturns{d.log}, master)
	}()
	d.watchOutput(shown)
	return master
}

// terminal opens a pseudo-terminal.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here:", err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// withoutReturns takes away the carriage returns that a terminal adds.
type withoutReturns struct{ to io.Writer }

func (w withoutReturns) Write(p []byte) (int, error) {
	_, err := io.WriteString(w.to, strings.ReplaceAll(string(p), "\r", ""))
	return len(p), err
}
