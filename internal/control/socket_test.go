package control

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func version(context.Context) (Version, error) { return Version{Pid: 1}, nil }

func TestSecondCopyIsRefusedAndTheFirstServesOn(t *testing.T) {
	s := start(t, Calls{Version: version})
	_, err := New(s.path, Calls{}, nil)
	var inUse *InUse
	if !errors.As(err, &inUse) || inUse.Pid != os.Getpid() || !strings.Contains(err.Error(), "pid "+strconv.Itoa(os.Getpid())+" answers on "+s.path) {
		t.Errorf("got %v; want the pid of the first", err)
	}
	if _, err := Dial(s.path).Version(t.Context()); err != nil {
		t.Errorf("the first copy was hurt: %v", err)
	}
}

func TestStaleSocketIsTakenOver(t *testing.T) {
	path := socketPath(t)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	if err := os.Mkdir(filepath.Join(filepath.Dir(path), ".control"), 0o700); err != nil { // and half a start
		t.Fatal(err)
	}
	s, err := New(path, Calls{Version: version}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := Dial(path).Version(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSocketHasItsModeAndNothingElseIsLeft(t *testing.T) {
	s := start(t, Calls{})
	info, err := os.Stat(s.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v; want 0600", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(s.path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v; expected the socket alone", entries, err)
	}
}

func TestPlacesWhereNoSocketCanBe(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:                                 "exists and is no socket",
		filepath.Join(dir, "none", "c.sock"): "no such file or directory",
		"/tmp/" + strings.Repeat("x", 200):   "expected at most 107 (choose a shorter run_dir)",
	} {
		if _, err := New(path, Calls{}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %q", path, err, want)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine" {
		t.Errorf("the file was touched: %q, %v", text, err)
	}
}

func TestCloseLeavesTheSocketOfASuccessor(t *testing.T) {
	s := start(t, Calls{})
	if err := os.Remove(s.path); err != nil {
		t.Fatal(err)
	}
	next, err := New(s.path, Calls{Version: version}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Dial(s.path).Version(t.Context()); err != nil {
		t.Errorf("the successor's socket is gone: %v", err)
	}
}

func TestClientSaysThatNothingRuns(t *testing.T) {
	path := socketPath(t)
	for _, prepare := range []func(){
		func() {},
		func() {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			l.SetUnlinkOnClose(false)
			l.Close()
		},
	} {
		prepare()
		_, err := Dial(path).Status(t.Context())
		var gone *NotRunning
		want := "paddock is not running: no answer on " + path + "; start it with `paddock run -c FILE` or `systemctl start paddock`"
		if !errors.As(err, &gone) || err.Error() != want {
			t.Errorf("got %v", err)
		}
	}
}

func TestClientSaysThatTheServerDied(t *testing.T) {
	path := socketPath(t)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = conn.Read(make([]byte, 1)) // the request is under way
			conn.Close()
		}
	}()
	if err := Dial(path).Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "ended before it answered") {
		t.Errorf("got %v", err)
	}
}

func TestClientSaysThatItMayNot(t *testing.T) {
	c := Dial("/run/x.sock")
	if err := c.explain(t.Context(), fs.ErrPermission); !strings.Contains(err.Error(), "run the command as root") {
		t.Errorf("got %v", err)
	}
}
