package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"paddock/internal/value"
)

// toUpstream passes everything to an [upstream] of these servers.
func toUpstream(keepalive int, servers ...string) func(*Config) {
	return func(c *Config) {
		u := DefaultUpstream()
		u.Server, u.Keepalive = servers, keepalive
		c.Upstreams = map[string]Upstream{"up": u}
		c.Servers[0].App = ""
		c.Servers[0].Location = []Location{{Path: "/", ProxyPass: "http://up"}}
	}
}

func tcpBackend(t *testing.T, handle func(net.Conn, request) bool) (*backend, string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	return serveBackend(t, ln, handle), ln.Addr().String()
}

// deadPort is a loopback port that nobody listens on.
func deadPort(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

func TestRequestsTakeTurnsAndSkipADeadServer(t *testing.T) {
	_, one := tcpBackend(t, answers(ok("one")))
	_, two := tcpBackend(t, answers(ok("two")))
	r := newRig(t, toUpstream(0, one, deadPort(t), two))
	count := map[string]int{}
	const n = 60
	for range n {
		status, body := r.get("/")
		count[fmt.Sprint(status, body)]++
	}
	t.Logf("%d sent, %v", n, count)
	if count["200one"]+count["200two"] != n || count["200one"] < n/3 || count["200two"] < n/3 {
		t.Errorf("answers %v, want one and two in turn", count)
	}
}

func TestNoServerIs502AndEachTryIsLogged(t *testing.T) {
	one, two := deadPort(t), deadPort(t)
	r := newRig(t, toUpstream(0, one, two))
	if status, _ := r.get("/"); status != 502 {
		t.Errorf("got %d, want 502", status)
	}
	wantLines(t, r, fmt.Sprintf(`"GET / HTTP/1.1" 502 152 "%s, %s" "502, 502" OK`, one, two))
}

func TestSilentServerIs504(t *testing.T) {
	gone := make(chan struct{})
	_, addr := tcpBackend(t, func(c net.Conn, _ request) bool {
		io.Copy(io.Discard, c)
		close(gone)
		return false
	})
	r := newRig(t, func(c *Config) {
		toUpstream(8, addr)(c)
		c.Servers[0].ProxyReadTimeout = duration(50 * time.Millisecond)
	})
	if status, _ := r.get("/"); status != 504 {
		t.Errorf("got %d, want 504", status)
	}
	receive(t, gone, "the app's connection is closed")
	wantLines(t, r, fmt.Sprintf(`"GET / HTTP/1.1" 504 162 "%s" "504" OK`, addr))
}

func TestIdleConnectionsAreReused(t *testing.T) {
	b, addr := tcpBackend(t, func(c net.Conn, q request) bool { io.WriteString(c, ok(q.target())); return true })
	r := newRig(t, toUpstream(8, addr))
	for i := range 20 {
		if status, body := r.get(fmt.Sprint("/", i)); status != 200 || body != fmt.Sprint("/", i) {
			t.Fatalf("request %d: %d %q", i, status, body)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open != 1 {
		t.Errorf("%d connections for 20 requests, want 1", b.open)
	}
	if strings.Contains(b.requests[0].head, "Connection:") {
		t.Errorf("app got %q, want no Connection", b.requests[0].head)
	}
}

func TestBytesOnAnIdleConnectionAreNobodysAnswer(t *testing.T) {
	late := make(chan net.Conn, 1)
	_, addr := tcpBackend(t, func(c net.Conn, q request) bool {
		if q.target() == "/first" {
			io.WriteString(c, ok("first"))
			late <- c
			return true
		}
		io.WriteString(c, ok("own"))
		return true
	})
	r := newRig(t, toUpstream(8, addr))
	r.get("/first")
	io.WriteString(<-late, ok("poison"))
	for range 10 {
		if status, body := r.get("/second"); status != 200 || body != "own" {
			t.Fatalf("got %d %q", status, body)
		}
	}
}

func TestIdleConnectionThatItsServerEndsIsClosedAtOnce(t *testing.T) {
	end, ended := make(chan struct{}), make(chan error, 1)
	_, addr := tcpBackend(t, func(c net.Conn, _ request) bool {
		io.WriteString(c, ok("x"))
		<-end
		c.(*net.TCPConn).CloseWrite()
		_, err := io.ReadAll(c) // until the proxy closes its side
		ended <- err
		return false
	})
	r := newRig(t, toUpstream(8, addr))
	r.get("/")
	p := &r.proxy.upstreams["up"].queue.current.peers[0].pool
	idle := func(n int) func(Stats) bool {
		return func(Stats) bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.idle) == n
		}
	}
	r.waitFor("the connection is idle", idle(1))
	close(end)
	if err := receive(t, ended, "the proxy closes the connection"); err != nil {
		t.Error(err)
	}
	r.waitFor("nothing is idle", idle(0))
}

// A14: the server closes an idle connection just as it is used.
func TestRequestOnADyingConnectionIsRepeatedOnceUnlessItIsAPost(t *testing.T) {
	var first atomic.Bool
	b, addr := tcpBackend(t, nil)
	b.handle = func(c net.Conn, q request) bool {
		if q.target() == "/die" && first.CompareAndSwap(false, true) {
			return false
		}
		io.WriteString(c, ok(q.target()))
		return true
	}
	r := newRig(t, toUpstream(8, addr))
	r.get("/warm")
	if status, _ := r.get("/die"); status != 200 {
		t.Errorf("GET: %d, want 200 from a second connection", status)
	}
	first.Store(false)
	got, _ := r.raw("POST /die HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx")
	if !strings.HasPrefix(got, "HTTP/1.1 502 ") {
		t.Errorf("POST: %.40q, want 502", got)
	}
	posts := 0
	for _, q := range b.seen() {
		if strings.HasPrefix(q.head, "POST") {
			posts++
		}
	}
	if posts != 1 {
		t.Errorf("the POST was sent %d times", posts)
	}
}

// A server that refuses a body early and closes; its answer must not be lost.
func TestEarlyAnswerIsNotLost(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			io.ReadFull(c, make([]byte, 100)) // a part of the head
			io.WriteString(c, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
			c.(*net.TCPConn).CloseWrite()
			bufio.NewReader(c).ReadString('\n')
			c.Close() // with unread bytes: a reset
		}
	}()
	r := newRig(t, toUpstream(8, ln.Addr().String()))
	big := value.Size(64 << 20)
	r.cfg.Servers[0].ClientMaxBodySize = &big
	must(t, r.configure())
	const n = 20
	for i := range n {
		got, _ := r.raw("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 8388608\r\n\r\n" + strings.Repeat("x", 8<<20))
		if !strings.HasPrefix(got, "HTTP/1.1 401 ") {
			t.Fatalf("answer %d of %d: %.60q", i, n, got)
		}
	}
	t.Logf("%d sent, %d answered with 401, 0 failed", n, n)
}

func TestServerThatTakesNoBodyIs504(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	raw, err := ln.(*net.TCPListener).SyscallConn()
	must(t, err)
	raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
	r := newRig(t, toUpstream(0, ln.Addr().String())) // connections stay in the backlog, unread
	big := value.Size(64 << 20)
	r.cfg.Servers[0].ClientMaxBodySize = &big
	r.cfg.Servers[0].ProxySendTimeout = duration(100 * time.Millisecond)
	must(t, r.configure())
	got, _ := r.raw("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 16777216\r\n\r\n" + strings.Repeat("x", 16<<20))
	if !strings.HasPrefix(got, "HTTP/1.1 504 ") {
		t.Errorf("got %.60q, want 504", got)
	}
}

func TestAnswerStreamsAsItComes(t *testing.T) {
	step := make(chan string)
	r := newRig(t, nil)
	r.backend(1, func(c net.Conn, _ request) bool {
		for text := range step {
			io.WriteString(c, text)
		}
		return false
	})
	r.ready(1, 0)
	c := r.dial()
	br := bufio.NewReader(c)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	step <- "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
	if head := readHead(t, br); !strings.Contains(head, "chunked") {
		t.Errorf("got %q", head)
	}
	for _, event := range []string{"data: 1\n\n", "data: 2\n\n"} {
		step <- event
		want := fmt.Sprintf("%x\r\n%s\r\n", len(event), event)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(br, got); err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	close(step)
	if rest, _ := io.ReadAll(io.LimitReader(br, 5)); string(rest) != "0\r\n\r\n" {
		t.Errorf("end %q", rest)
	}
}

func TestClientThatLeavesAReusedConnectionIs499(t *testing.T) {
	arrived, ended := make(chan struct{}), make(chan struct{})
	_, addr := tcpBackend(t, func(c net.Conn, q request) bool {
		if q.target() == "/wait" {
			close(arrived)
			io.Copy(io.Discard, c)
			close(ended)
			return false
		}
		io.WriteString(c, ok("warm"))
		return true
	})
	r := newRig(t, toUpstream(8, addr))
	r.get("/warm")
	c := r.dial()
	io.WriteString(c, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
	receive(t, arrived, "the app has the request")
	c.Close()
	receive(t, ended, "the app's connection is closed")
	wantLines(t, r,
		fmt.Sprintf(`"GET /warm HTTP/1.1" 200 4 "%s" "200" OK`, addr),
		fmt.Sprintf(`"GET /wait HTTP/1.1" 499 0 "%s" "-" `, addr))
}

// A request in the queue was accepted; a reload that has its upstream no more is
// no reason to refuse it.
func TestRequestsWaitingForARemovedUpstreamAreServed(t *testing.T) {
	arrived, release := make(chan string, 2), make(chan struct{})
	_, addr := tcpBackend(t, holding("", arrived, release))
	_, other := tcpBackend(t, answers(ok("other")))
	r := newRig(t, func(c *Config) {
		toUpstream(8, addr)(c)
		u := c.Upstreams["up"]
		u.MaxConns = 1
		c.Upstreams["up"] = u
	})
	first, second := r.dial(), r.dial()
	io.WriteString(first, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
	receive(t, arrived, "the first request")
	io.WriteString(second, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
	r.waitFor("the second waits", func(s Stats) bool { return s.Upstreams["up"].Queued == 1 })
	r.cfg.Upstreams = nil
	r.cfg.Servers[0].Location = []Location{{Path: "/", ProxyPass: "http://" + other}}
	must(t, r.configure())
	close(release)
	for i, c := range []net.Conn{first, second} {
		if status, _ := readAnswer(t, bufio.NewReader(c), "GET"); status != 200 {
			t.Errorf("request %d: %d, want 200", i+1, status)
		}
	}
}
