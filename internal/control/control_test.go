package control

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func socketPath(t *testing.T) string { return filepath.Join(t.TempDir(), "control.sock") }

// start serves calls on a socket of its own.
func start(t *testing.T, calls Calls) *Server {
	t.Helper()
	s, err := New(socketPath(t), calls, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestCallsReachTheirFuncs(t *testing.T) {
	want := Status{
		Pid: 7, Version: "1.0", Config: "/etc/x.toml", Started: time.Unix(1000, 0).UTC(),
		LastReload: LastReload{At: time.Unix(2000, 0).UTC(), Error: "no"}, Listen: []string{":80"},
		Proxy:    Proxy{Pid: 8, State: "RUNNING", Uptime: 9, Restarts: 1},
		Apps:     []App{{Name: "web", State: "RUNNING", Generation: 3, Pid: 4, InFlight: 2, Queued: 1, Limit: 5, Socket: "/s", LastError: "e"}},
		Programs: []Program{{Name: "celery", State: "BACKOFF", LastError: "exit status 1"}}, Warnings: []string{"w"},
	}
	var mu sync.Mutex
	var got []string
	note := func(s string) error { mu.Lock(); defer mu.Unlock(); got = append(got, s); return nil }
	s := start(t, Calls{
		Status:  func(context.Context) (Status, error) { return want, note("status") },
		Version: func(context.Context) (Version, error) { return Version{"1.0", 7}, note("version") },
		Reload:  func(context.Context) error { return note("reload") },
		Deploy:  func(_ context.Context, name string) error { return note("deploy " + name) },
		Reopen:  func(context.Context) error { return note("reopen") },
	})
	c := Dial(s.path)
	status, err := c.Status(t.Context())
	if err != nil || !reflect.DeepEqual(status, want) {
		t.Errorf("got %+v, %v; want %+v", status, err, want)
	}
	if v, err := c.Version(t.Context()); err != nil || v != (Version{"1.0", 7}) {
		t.Errorf("got %+v, %v", v, err)
	}
	for _, call := range []func() error{
		func() error { return c.Reload(t.Context()) },
		func() error { return c.Deploy(t.Context(), "web") },
		func() error { return c.Reopen(t.Context()) },
	} {
		if err := call(); err != nil {
			t.Error(err)
		}
	}
	if text := strings.Join(got, ", "); text != "status, version, reload, deploy web, reopen" {
		t.Errorf("calls were %s", text)
	}
}

func TestErrorOfACallReachesTheClient(t *testing.T) {
	s := start(t, Calls{
		Reload: func(context.Context) error { return errors.New("paddock.toml:3: unknown key") },
		Deploy: func(_ context.Context, name string) error { return &Error{http.StatusNotFound, "no app " + name} },
	})
	c := Dial(s.path)
	for want, err := range map[Error]error{
		{500, "paddock.toml:3: unknown key"}:                    c.Reload(t.Context()),
		{404, "no app web"}:                                     c.Deploy(t.Context(), "web"),
		{404, "unknown call /v1/reopen"}:                        c.Reopen(t.Context()),
		{400, `expected {"name": "…"} with the name of an app`}: c.Deploy(t.Context(), ""),
	} {
		var got *Error
		if !errors.As(err, &got) || *got != want {
			t.Errorf("got %v; want %+v", err, want)
		}
	}
}

// exchange sends a request as bytes and returns the answer.
func exchange(t *testing.T, socket, request string) (status int, body string) {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() { _, _ = io.WriteString(conn, request) }() // the server may stop reading
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	return response.StatusCode, strings.TrimSpace(string(text))
}

func TestBadRequestsGetOneClearLine(t *testing.T) {
	s := start(t, Calls{
		Status: func(context.Context) (Status, error) { return Status{}, nil },
		Reload: func(context.Context) error { t.Error("a bad request was run"); return nil },
		Deploy: func(context.Context, string) error { t.Error("a bad request was run"); return nil },
	})
	post := func(path, body string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: p\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	}
	for _, test := range []struct {
		name, request string
		status        int
		want          string
	}{
		{"unknown call", post("/v2/x", ""), 404, `{"error":"unknown call /v2/x"}`},
		{"wrong method", "GET /v1/reload HTTP/1.1\r\nHost: p\r\n\r\n", 405, `needs the method POST`},
		{"no JSON", post("/v1/deploy", "web"), 400, `body: invalid character`},
		{"no body", post("/v1/deploy", ""), 400, `the body is empty`},
		{"unknown field", post("/v1/deploy", `{"name":"web","force":true}`), 400, `unknown field`},
		{"unknown argument", post("/v1/reload", `{"name":"web"}`), 400, `unknown field`},
		{"two objects", post("/v1/deploy", `{"name":"web"}{}`), 400, `more than one JSON object`},
		{"body too large", post("/v1/deploy", strings.Repeat(" ", maxBody+1)), 413, `expected at most 1048576 bytes`},
		{"head too large", "GET /v1/status HTTP/1.1\r\nHost: p\r\nX: " + strings.Repeat("x", 2*maxHeader) + "\r\n\r\n", 431, ``},
		{"body cut off", "POST /v1/reload HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, `body: `},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, body := exchange(t, s.path, test.request)
			if status != test.status || !strings.Contains(body, test.want) {
				t.Errorf("got %d %s; want %d %s", status, body, test.status, test.want)
			}
		})
	}
}

func TestClientThatLeavesDoesNotStopTheCall(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	release, ended := make(chan struct{}), make(chan error, 1)
	s := start(t, Calls{Deploy: func(ctx context.Context, _ string) error {
		leave()
		<-release
		ended <- ctx.Err()
		return nil
	}})
	if err := Dial(s.path).Deploy(ctx, "web"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want the context's error", err)
	}
	close(release)
	if err := <-ended; err != nil {
		t.Errorf("the call's context ended with the client: %v", err)
	}
}

func TestCallMayTakeLongerThanEveryTimeout(t *testing.T) {
	const timeout = 20 * time.Millisecond
	calls := Calls{Deploy: func(ctx context.Context, _ string) error {
		select {
		case <-time.After(5 * timeout):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	s := newServer(socketPath(t), calls, nil)
	s.http.ReadTimeout, s.http.IdleTimeout = timeout, timeout
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := Dial(s.path).Deploy(t.Context(), "web"); err != nil {
		t.Error(err)
	}
}

func TestHalfARequestIsGivenUp(t *testing.T) {
	s := newServer(socketPath(t), Calls{}, nil)
	s.http.ReadTimeout = 20 * time.Millisecond
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	conn, err := net.Dial("unix", s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /v1/sta"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil { // returns when the server closes
		t.Error(err)
	}
}

func TestCloseCancelsCallsAndWaitsForThem(t *testing.T) {
	started := make(chan struct{})
	ended := false
	s := start(t, Calls{Deploy: func(ctx context.Context, _ string) error {
		close(started)
		<-ctx.Done()
		ended = true
		return errors.New("paddock is stopping")
	}})
	result := make(chan error, 1)
	go func() { result <- Dial(s.path).Deploy(t.Context(), "web") }()
	<-started
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if !ended {
		t.Error("Close did not wait for the call")
	}
	if err := <-result; err == nil || err.Error() != "paddock is stopping" {
		t.Errorf("the client got %v; want the call's own answer", err)
	}
	if _, err := os.Lstat(s.path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestConnectionsAboveTheLimitWait(t *testing.T) {
	s := newServer(socketPath(t), Calls{Version: func(context.Context) (Version, error) { return Version{}, nil }}, nil)
	s.limit = 2
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var idle []net.Conn
	for range s.limit {
		conn, err := net.Dial("unix", s.path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		idle = append(idle, conn)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Dial(s.path).Version(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a third connection was served: %v", err)
	}
	idle[0].Close()
	if _, err := Dial(s.path).Version(t.Context()); err != nil {
		t.Errorf("after one has left: %v", err)
	}
}

func TestOtherUsersAreRefused(t *testing.T) {
	for _, test := range []struct {
		conn peerConn
		want bool
	}{
		{peerConn{uid: 0, known: true}, true},
		{peerConn{uid: 1000, known: true}, true},
		{peerConn{uid: 1001, known: true}, false},
		{peerConn{uid: 0, known: false}, false},
	} {
		if got := test.conn.allowed(1000); got != test.want {
			t.Errorf("uid %d, known %v: allowed is %v", test.conn.uid, test.conn.known, got)
		}
	}
}

func TestRefusedUserIsToldWhoMay(t *testing.T) {
	s := newServer(socketPath(t), Calls{Reload: func(context.Context) error { t.Error("called"); return nil }}, nil)
	s.http.ConnContext = nil // as if the credentials could not be read
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var refused *Error
	if err := Dial(s.path).Reload(t.Context()); !errors.As(err, &refused) || refused.Status != 403 || !strings.Contains(refused.Text, "as root") {
		t.Errorf("got %v", err)
	}
}
