package faults

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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
	log, exit := newLines(), make(chan struct{})
	d.cmd, d.log, d.exit = cmd, log, exit
	go func() {
		io.Copy(log, far) // until nobody has the near side any more: EIO
		cmd.Wait()
		log.end()
		close(exit)
	}()
	d.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exit:
		case <-time.After(patience):
			cmd.Process.Kill()
			d.t.Errorf("it did not stop within %v", patience)
		}
		if d.t.Failed() {
			d.t.Logf("terminal:\n%s", log.tail(200))
		}
		for _, line := range log.matching(`DATA RACE|panic:|fatal error:`) {
			d.t.Errorf("it says: %s", line)
		}
	})
	return far
}
