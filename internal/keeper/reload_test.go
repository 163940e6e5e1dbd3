package keeper

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"paddock/internal/config"
	"paddock/internal/control"
	"paddock/internal/link"
	"paddock/supervisor"
)

// configured is a proxyProcess whose proxy is p, or none.
func configured(t *testing.T, p *fakeProxy) *proxyProcess {
	t.Helper()
	f := newFront(zap.NewNop())
	if p != nil {
		f.attach(p.keeper)
	}
	return &proxyProcess{log: zap.NewNop(), front: f, folders: &folders{app: devNull(t), temp: devNull(t)}, setup: &setup{serial: 1, config: devNull(t), logs: &accessLogs{}}}
}

func devNull(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func secondSetup(t *testing.T) *setup {
	return &setup{serial: 2, config: devNull(t), logs: &accessLogs{}}
}

func TestConfigurationThatTheProxyRefusesChangesNothing(t *testing.T) {
	p := startProxy(t, func(p *fakeProxy, m link.Message) bool {
		return p.proxy.Reply(m, nil, errors.New("location: no such app")) == nil
	})
	proxy := configured(t, p)
	err := proxy.configure(secondSetup(t))
	if err == nil || !strings.Contains(err.Error(), "location: no such app") || proxy.running().serial != 1 {
		t.Errorf("got %v; configuration %d runs", err, proxy.running().serial)
	}
	if conn, _ := proxy.front.current(); conn == nil {
		t.Error("the proxy is gone; expected it to serve on")
	}
}

func TestConfigurationThatTheProxyDiesOfIsNotTheNextOnes(t *testing.T) {
	p := startProxy(t, func(p *fakeProxy, _ link.Message) bool {
		p.proxy.Close()
		return true
	})
	proxy := configured(t, p)
	if err := proxy.configure(secondSetup(t)); err == nil || proxy.running().serial != 1 {
		t.Errorf("got %v; the next proxy gets configuration %d, expected 1", err, proxy.running().serial)
	}
}

func TestNextProxyGetsTheConfigurationOfTheMeantime(t *testing.T) {
	proxy := configured(t, nil)
	if err := proxy.configure(secondSetup(t)); err != nil || proxy.running().serial != 2 {
		t.Errorf("got %v; configuration %d runs", err, proxy.running().serial)
	}
}

// The keeper's copy of the proxy's end would keep the link open when the proxy dies.
func TestLinkEndsWithTheProcess(t *testing.T) {
	proxy := configured(t, nil)
	files, err := proxy.connect()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.FcntlInt(files[0].Fd(), unix.F_DUPFD_CLOEXEC, 0) // as a child inherits it
	if err != nil {
		t.Fatal(err)
	}
	process, err := link.Open(uintptr(fd))
	if err != nil {
		t.Fatal(err)
	}
	proxy.event(supervisor.Event{Kind: supervisor.KindProxy, To: supervisor.Starting})
	proxy.event(supervisor.Event{Kind: supervisor.KindProxy, To: supervisor.Running})
	if err := process.Hello(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	process.Close()
	proxy.links.Wait() // for ever, with the bug
	if err := files[0].Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closing the end again: %v; expected it to be closed", err)
	}
}

func TestNothingIsChangedWhileTheDaemonStartsOrStops(t *testing.T) {
	k := &Keeper{log: zap.NewNop(), shown: &config.Config{}, front: newFront(zap.NewNop())}
	for what, err := range map[string]error{"deploy": k.Deploy(t.Context(), "web"), "reload": k.Reload(), "reopen": k.Reopen()} {
		var refused *control.Error
		if !errors.As(err, &refused) || refused.Status != 503 {
			t.Errorf("%s: got %v", what, err)
		}
	}
	s, err := k.Status(t.Context())
	if err != nil || s.Proxy.State != "STOPPED" || s.Proxy.Restarts != 0 {
		t.Errorf("status %+v, %v", s.Proxy, err)
	}
}

// What a killed keeper has left must be ended by the start that succeeds.
func TestFailedStartKeepsTheRecordOfSurvivors(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	r, _ := openRecord(t, filepath.Join(state, "keeper"))
	left := supervisor.Survivors{Instance: "i", Processes: []supervisor.Survivor{{Name: "web", PID: 1 << 30, StartTime: 5}}}
	r.set(left)
	closeRecord(t, r)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := &config.Config{
		Paddock: config.Paddock{RunDir: filepath.Join(dir, "run"), StateDir: state, LogDir: filepath.Join(file, "log")},
		Log:     config.Log{Level: "error", Format: "console", Path: filepath.Join(dir, "own.log")},
	}
	if err := Run(c, Options{}); err == nil || !strings.Contains(err.Error(), "folders") {
		t.Errorf("got %v", err)
	}
	next, survivors := openRecord(t, filepath.Join(state, "keeper"))
	defer closeRecord(t, next)
	if survivors.Instance != "i" || len(survivors.Processes) != 1 {
		t.Errorf("survivors: %+v; expected %+v", survivors, left)
	}
	if _, err := os.Stat(c.ControlSocket()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("control socket: %v", err)
	}
}
