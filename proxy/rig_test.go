package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"paddock/accesslog"
	"paddock/internal/value"
)

// testFormat is the log of the tests: what each rule is about, on one line.
const testFormat = `"$request" $status $body_bytes_sent "$upstream_addr" "$upstream_status" $request_completion`

// maxHeadLine is the default of large_client_header_buffers.
const maxHeadLine = 8 << 10

const testTimeout = 10 * time.Second

// rig is a Proxy on a loopback port with an access log in a file.
type rig struct {
	t       *testing.T
	dir     string
	network string
	addr    string
	params  string // of the listen address, behind a blank
	fd      int
	key     string
	cfg     Config
	proxy   *Proxy
	log     *accesslog.Log
	logPath string
	stopped bool

	challenges atomic.Pointer[Challenges] // what the proxy answers an ACME authority with; nil: nothing
}

func (r *rig) answers() Challenges {
	return Challenges{
		HTTP: func(host, token string) (string, bool) {
			if c := r.challenges.Load(); c != nil && c.HTTP != nil {
				return c.HTTP(host, token)
			}
			return "", false
		},
		TLS: func(hello *tls.ClientHelloInfo) (*tls.Config, bool) {
			if c := r.challenges.Load(); c != nil && c.TLS != nil {
				return c.TLS(hello)
			}
			return nil, false
		},
	}
}

// newRig starts a proxy whose one server passes everything to the app "web" on
// the socket "web.1.sock", but for what change changes.
func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	return newRigOn(t, "tcp", "127.0.0.1:0", "", change)
}

// newRigOn is newRig on another address, with parameters of listen.
func newRigOn(t *testing.T, network, addr, params string, change func(*Config)) *rig {
	t.Helper()
	return newRigAt(t, network, addr, params, nil, change)
}

// newRigAt is newRigOn with a clock.
func newRigAt(t *testing.T, network, addr, params string, now func() time.Time, change func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, network: network, addr: addr, params: params, dir: t.TempDir(), logPath: filepath.Join(plainTempDir(t), "access.log")}
	r.listen()
	r.openLog()
	r.cfg = Config{
		Apps:      map[string]App{"web": DefaultApp()},
		Formats:   map[string]accesslog.FormatSetting{"test": {Format: testFormat}},
		AccessLog: accesslog.Setting{Path: r.logPath, Format: "test"},
		Servers:   []Server{{Listen: r.listens(), App: "web"}},
		TempDir:   r.dir,
	}
	if change != nil {
		change(&r.cfg)
		for i := range r.cfg.Servers {
			r.cfg.Servers[i].Listen = r.listens()
		}
	}
	dir, err := os.Open(r.dir)
	must(t, err)
	t.Cleanup(func() { dir.Close() })
	r.proxy, err = New(Options{AppDirFD: int(dir.Fd()), Challenges: r.answers(), Now: now})
	must(t, err)
	t.Cleanup(r.stop)
	must(t, r.configure())
	return r
}

// plainTempDir is a folder whose name says nothing of the test: a "$" in the path of
// a log is a variable.
func plainTempDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "log")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (r *rig) listen() {
	ln, err := net.Listen(r.network, r.addr)
	must(r.t, err)
	file, err := ln.(interface{ File() (*os.File, error) }).File()
	must(r.t, err)
	r.t.Cleanup(func() { file.Close(); ln.Close() })
	r.addr, r.fd = ln.Addr().String(), int(file.Fd())
}

func (r *rig) listens() value.Listens {
	var l value.Listen
	text := r.addr + r.params
	if r.network == "unix" {
		text = "unix:" + text
	}
	must(r.t, l.UnmarshalText([]byte(text)))
	r.key = l.Key()
	return value.Listens{l}
}

func (r *rig) openLog() {
	f, err := os.OpenFile(r.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(r.t, err)
	r.log = accesslog.NewLog(f, accesslog.Options{})
}

func (r *rig) configure() error {
	logs := map[string]*accesslog.Log{r.logPath: r.log}
	return r.proxy.Configure(r.cfg, map[string]int{r.key: r.fd}, logs)
}

// ready tells the proxy that a generation of web answers.
func (r *rig) ready(generation, limit int) { r.state("ready", generation, limit) }

func (r *rig) state(state string, generation, limit int) {
	r.t.Helper()
	must(r.t, r.proxy.SetApp(AppState{Name: "web", State: state, Generation: generation, Socket: socketName(generation), Limit: limit}))
}

func socketName(generation int) string { return fmt.Sprintf("web.%d.sock", generation) }

func (r *rig) stop() {
	if r.stopped {
		return
	}
	r.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if err := r.proxy.Shutdown(ctx); err != nil {
		r.t.Errorf("shutdown: %v", err)
	}
	must(r.t, r.log.Close())
}

// lines stops the proxy and returns its access log.
func (r *rig) lines() []string {
	r.t.Helper()
	r.stop()
	text, err := os.ReadFile(r.logPath)
	must(r.t, err)
	if len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// dial connects a client that may wait no longer than a test may.
func (r *rig) dial() net.Conn {
	r.t.Helper()
	c, err := net.Dial(r.network, r.addr)
	must(r.t, err)
	r.t.Cleanup(func() { c.Close() })
	must(r.t, c.SetDeadline(time.Now().Add(testTimeout)))
	return c
}

// raw sends bytes on a new connection and returns all that comes until it closes.
// A reset ends it too and is told by broken.
func (r *rig) raw(text string) (answer string, broken bool) {
	r.t.Helper()
	c := r.dial()
	if _, err := io.WriteString(c, text); err != nil {
		r.t.Logf("send: %v", err)
	}
	out, err := io.ReadAll(c)
	return maskDate(string(out)), err != nil
}

var datePattern = regexp.MustCompile(`Date: [A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT\r\n`)

func maskDate(s string) string { return datePattern.ReplaceAllString(s, "") }

// get sends a request of its own connection and returns status and body.
func (r *rig) get(target string) (int, string) {
	r.t.Helper()
	c := r.dial()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", target)
	return readAnswer(r.t, bufio.NewReader(c), "GET")
}

func readAnswer(t *testing.T, br *bufio.Reader, method string) (int, string) {
	t.Helper()
	res, err := http.ReadResponse(br, &http.Request{Method: method})
	must(t, err)
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("read the body: %v", err)
	}
	return res.StatusCode, string(body)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// receive waits for a channel, or fails.
func receive[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(testTimeout):
		t.Fatalf("timed out: %s", what)
		panic("unreachable")
	}
}
