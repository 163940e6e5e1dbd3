package worker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paddock/accesslog"
	"paddock/internal/link"
	"paddock/internal/value"
	"paddock/proxy"
)

const testTimeout = 10 * time.Second

// rig is a Worker that runs, and the keeper's side of it.
type rig struct {
	t        *testing.T
	keeper   *link.Conn
	listener *os.File
	key      string
	url      string
	app      *os.File
	temp     *os.File
	serial   int
	ended    chan error // of Run
}

func newRig(t *testing.T) *rig {
	t.Helper()
	conn, end, err := link.Pair()
	must(t, err)
	fd, err := link.TakeFD(end)
	must(t, err)
	r := &rig{t: t, keeper: conn, ended: make(chan error, 1)}
	go func() { r.ended <- Run(Options{Link: uintptr(fd), Build: "b", Drain: testTimeout}) }()
	t.Cleanup(func() { conn.Close() })
	must(t, conn.Hello(t.Context(), "b"))
	served := make(chan struct{})
	go func() { defer close(served); _ = conn.Serve(func(link.Message, []*os.File) {}) }()
	t.Cleanup(func() { conn.Close(); <-served })
	r.listen()
	r.app, r.temp = r.folder(), r.folder()
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) listen() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(r.t, err)
	r.listener, err = ln.(*net.TCPListener).File()
	must(r.t, err)
	must(r.t, ln.Close())
	r.t.Cleanup(func() { r.listener.Close() })
	var l value.Listen
	must(r.t, l.UnmarshalText([]byte(ln.Addr().String())))
	r.key, r.url = l.Key(), "http://"+ln.Addr().String()+"/"
}

func (r *rig) folder() *os.File {
	f, err := os.Open(r.t.TempDir())
	must(r.t, err)
	r.t.Cleanup(func() { f.Close() })
	return f
}

// configure sends a configuration of one server that answers with text and logs to path.
func (r *rig) configure(text, path string) error {
	r.t.Helper()
	var l value.Listen
	must(r.t, l.UnmarshalText([]byte(strings.TrimSuffix(strings.TrimPrefix(r.url, "http://"), "/"))))
	served, err := json.Marshal(proxy.Config{
		Servers:   []proxy.Server{{Listen: value.Listens{l}, Return: "200 " + text}},
		AccessLog: accesslog.Setting{Path: path, Format: "combined"},
		TempDir:   r.temp.Name(),
	})
	must(r.t, err)
	data, err := json.Marshal(link.Payload{Proxy: served, TLS: json.RawMessage("{}")})
	must(r.t, err)
	sealed, err := link.SealedMemfd("config", data)
	must(r.t, err)
	defer sealed.Close()
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(r.t, err)
	defer log.Close()
	r.serial++
	m := link.Configure{Serial: r.serial, Listeners: []string{r.key}, Logs: []link.LogFile{{Path: path}}, AppDir: true, TempDir: true}
	f := link.ConfigureFiles{Config: sealed, Listeners: []*os.File{r.listener}, Logs: []*os.File{log}, AppDir: r.app, TempDir: r.temp}
	ctx, cancel := context.WithTimeout(r.t.Context(), testTimeout)
	defer cancel()
	ready, err := r.keeper.Configure(ctx, m, f)
	if err == nil && (ready.Serial != r.serial || ready.Pid != os.Getpid()) {
		r.t.Errorf("ready %+v; expected serial %d", ready, r.serial)
	}
	return err
}

// get is the body of an answer on a connection of its own.
func (r *rig) get() string {
	r.t.Helper()
	client := http.Client{Timeout: testTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(r.url)
	must(r.t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(r.t, err)
	return string(body)
}

// end closes the link and waits for the end of the process.
func (r *rig) end() {
	r.t.Helper()
	r.keeper.Close()
	select {
	case err := <-r.ended:
		must(r.t, err)
	case <-time.After(testTimeout):
		r.t.Fatal("the worker goes on without its keeper")
	}
}

func TestWorkerServesUntilItsLinkEnds(t *testing.T) {
	r := newRig(t)
	path := filepath.Join(t.TempDir(), "access.log")
	must(t, r.configure("one", path))
	if got := r.get(); got != "one" {
		t.Errorf("got %q", got)
	}
	must(t, r.configure("two", path))
	if got := r.get(); got != "two" {
		t.Errorf("after a reload: %q", got)
	}
	r.end()
	if n := lines(t, path); n != 2 {
		t.Errorf("%d access lines; expected 2", n)
	}
}

func lines(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return strings.Count(string(text), "\n")
}

// logged waits until that many requests are in the log at path: a line comes after
// the answer.
func (r *rig) logged(path string, n uint64) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), testTimeout)
	defer cancel()
	for {
		m, err := r.keeper.Call(ctx, link.TypeStats, nil)
		must(r.t, err)
		var s Stats
		must(r.t, m.Decode(&s))
		if s.Proxy.Logs[path].Lines == n {
			return
		}
	}
}

func TestRefusedConfigurationLeavesTheOldOneServing(t *testing.T) {
	r := newRig(t)
	path := filepath.Join(t.TempDir(), "access.log")
	must(t, r.configure("one", path))
	var refused *link.Refused
	if err := r.configure("$no_such_variable", filepath.Join(t.TempDir(), "other.log")); !errors.As(err, &refused) {
		t.Errorf("got %v; expected a refusal", err)
	}
	if got := r.get(); got != "one" {
		t.Errorf("got %q", got)
	}
	r.end()
	if n := lines(t, path); n != 1 {
		t.Errorf("%d access lines; expected 1", n)
	}
}

// By then the new configuration serves, and the keeper would go back to the old one.
func TestRemovedLogOnAFullDiskDoesNotRefuseTheReload(t *testing.T) {
	r := newRig(t)
	must(t, r.configure("one", "/dev/full"))
	if got := r.get(); got != "one" {
		t.Errorf("got %q", got)
	}
	r.logged("/dev/full", 1)
	if err := r.configure("two", filepath.Join(t.TempDir(), "access.log")); err != nil {
		t.Errorf("refused: %v", err)
	}
	if got := r.get(); got != "two" {
		t.Errorf("got %q", got)
	}
	r.end()
}

func TestReopenedLogGoesToTheNewFile(t *testing.T) {
	r := newRig(t)
	path := filepath.Join(t.TempDir(), "access.log")
	must(t, r.configure("one", path))
	r.get()
	r.logged(path, 1)
	must(t, os.Rename(path, path+".1"))
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	defer log.Close()
	m := link.Logs{Serial: r.serial, Logs: []link.LogFile{{Path: path}}}
	must(t, r.keeper.Logs(t.Context(), m, []*os.File{log}))
	if err := r.keeper.Logs(t.Context(), m, nil); err == nil {
		t.Error("a log without its descriptor was taken")
	}
	r.get()
	r.end()
	if was, is := lines(t, path+".1"), lines(t, path); was != 1 || is != 1 {
		t.Errorf("%d lines before and %d after; expected 1 and 1", was, is)
	}
}

func TestNothingIsTakenBeforeTheFirstConfiguration(t *testing.T) {
	r := newRig(t)
	for typ, body := range map[string]any{
		link.TypeApp:   proxy.AppState{Name: "web"},
		link.TypeProbe: link.Probe{App: "web", Generation: 1},
		link.TypeDrain: link.Drain{App: "web", Generation: 1},
		"no such type": nil,
	} {
		var refused *link.Refused
		if _, err := r.keeper.Call(t.Context(), typ, body); !errors.As(err, &refused) {
			t.Errorf("%s: got %v; expected a refusal", typ, err)
		}
	}
	if _, err := r.keeper.Call(t.Context(), link.TypeStats, nil); err != nil {
		t.Errorf("stats: %v", err)
	}
	r.end()
}

func TestWorkerEndsWhenItsKeeperIsAnotherBuild(t *testing.T) {
	conn, end, err := link.Pair()
	must(t, err)
	defer conn.Close()
	fd, err := link.TakeFD(end)
	must(t, err)
	ended := make(chan error, 1)
	go func() { ended <- Run(Options{Link: uintptr(fd), Build: "other"}) }()
	if err := conn.Hello(t.Context(), "b"); err == nil {
		t.Error("the keeper took it")
	}
	if err := <-ended; err == nil {
		t.Error("the worker took it")
	}
}

func TestDescriptorThatIsNoLinkIsAnError(t *testing.T) {
	f, err := os.Open(os.DevNull)
	must(t, err)
	fd, err := link.TakeFD(f)
	must(t, err)
	if err := Run(Options{Link: uintptr(fd)}); err == nil {
		t.Error("expected an error")
	}
}
