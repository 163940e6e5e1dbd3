package proxy

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// poison is an answer that no request asked for.
const poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON"

// hostileApp answers each request whose target is "/bad" with a text of the test's
// choice, any other with its target, and numbers its connections.
type hostileApp struct {
	*rig
	backend *backend
	mu      sync.Mutex
	answer  []string // written one by one
	open    bool     // the connection is kept afterwards
	bad     []net.Conn
	reused  []net.Conn
}

func newHostileApp(t *testing.T) *hostileApp {
	a := &hostileApp{}
	b, addr := tcpBackend(t, nil)
	b.handle = a.handle
	a.backend = b
	a.rig = newRig(t, func(c *Config) {
		toUpstream(8, addr)(c)
		c.Servers[0].ProxyReadTimeout = duration(3 * time.Second)
	})
	return a
}

func (a *hostileApp) handle(c net.Conn, q request) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if slices.Contains(a.bad, c) {
		a.reused = append(a.reused, c)
	}
	if !strings.HasPrefix(q.target(), "/bad") {
		io.WriteString(c, ok(q.target()))
		return true
	}
	a.bad = append(a.bad, c)
	for _, part := range a.answer {
		io.WriteString(c, part)
	}
	return a.open
}

// ask sends a request with that method for "/bad" and then, on the same connection
// and on another, for "/own". It returns what came of the first and whether that
// was a whole answer by its own framing.
func (a *hostileApp) ask(method string, open bool, answer ...string) (status int, body string, whole bool) {
	a.t.Helper()
	a.mu.Lock()
	a.answer, a.open, a.bad, a.reused = answer, open, nil, nil
	a.mu.Unlock()
	c := a.dial()
	defer c.Close()
	fmt.Fprintf(c, "%s /bad HTTP/1.1\r\nHost: a.test\r\n\r\nGET /own HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", method)
	br := bufio.NewReader(c)
	res, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		a.checkOthers(answer)
		return 0, "", false
	}
	got, err := io.ReadAll(res.Body)
	if err == nil && !res.Close {
		if status, own := readAnswer(a.t, br, "GET"); status != 200 || own != "/own" {
			a.t.Errorf("%.100q: the next answer on the connection is %d %q", answer, status, own)
		}
	}
	if rest, _ := io.ReadAll(br); len(rest) > 0 {
		a.t.Errorf("%.100q: the client also got %q", answer, rest)
	}
	a.checkOthers(answer)
	return res.StatusCode, string(got), err == nil
}

func (a *hostileApp) checkOthers(answer []string) {
	a.t.Helper()
	for range 2 {
		if status, body := a.get("/own"); status != 200 || body != "/own" {
			a.t.Errorf("%.100q: another client got %d %q", answer, status, body)
		}
	}
}

// wasReused reports whether the connection of the bad answer got another request.
func (a *hostileApp) wasReused() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.reused) > 0
}

// badAnswers are no HTTP answers, or lie about where they end.
var badAnswers = func() []string {
	const length, get = "Content-Length: 2\r\n", "HTTP/1.1 200 OK\r\n"
	all := []string{"\x00\x01\x02", "hello", "<html>hello</html>", "\r\n" + get + length + "\r\nhi", "\n" + get + length + "\r\nhi", " " + get + length + "\r\nhi"}
	for _, line := range []string{
		"HTTP/0.9 200 OK", "HTTP/2.0 200 OK", "HTTP/3 200 OK", "HTTP/1.10 200 OK", "HTTP/11 200 OK", "HTTP/1. 200 OK", "http/1.1 200 OK", "Http/1.1 200 OK", "HTTP/1.1  200 OK", "HTTP/1.1\t200 OK", "HTTP/1.1 200OK", "HTTP/1.1 2000 OK", "HTTP/1.1 20 OK", "HTTP/1.1 2 OK",
		"HTTP/1.1 099 OK", "HTTP/1.1 000 OK", "HTTP/1.1 600 OK", "HTTP/1.1 999 OK", "HTTP/1.1 -200 OK", "HTTP/1.1 +200 OK", "HTTP/1.1 0x200 OK", "HTTP/1.1 2e2 OK", "HTTP/1.1 abc OK", "HTTP/1.1 OK", "HTTP/1.1", "HTTP/1.1 ", "HTTP 200 OK", "200 OK", "ICY 200 OK", "GET / HTTP/1.1",
		"HTTP/1.1 200 O\x00K", "HTTP/1.1 200 O\x01K", "HTTP/1.1 200 O\rK", "HTTP/1.1 200 O\x7fK", "HTTP/1.1 200 OK\x1b[31m", "HTTP/1.1 2\xc2\xb200 OK", "HTTP/1.1 200\xa0OK", "\xef\xbb\xbfHTTP/1.1 200 OK", "HTTP/1.1,200,OK", "HTTPS/1.1 200 OK", "HTTP/1.1 200 " + strings.Repeat("K", 9000),
	} {
		all = append(all, line+"\r\n"+length+"\r\nhi")
	}
	for _, lines := range []string{
		"Content-Length: 2\r\nContent-Length: 2\r\n", "Content-Length: 2\r\nContent-Length: 3\r\n", "Content-Length: 2, 2\r\n", "Content-Length: +2\r\n", "Content-Length: -2\r\n", "Content-Length: 0x2\r\n", "Content-Length: 2.0\r\n", "Content-Length:\r\n", "Content-Length: two\r\n", "Content-Length: 2 2\r\n",
		"Content-Length: 2\x00\r\n", "Content-Length: \xd9\xa2\r\n", "Content-Length: 9223372036854775808\r\n", "Content-Length: 18446744073709551618\r\n", "Content-Length: 00000000000000000002\r\n", "Content-Length : 2\r\n", " Content-Length: 2\r\n", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
		"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", "Transfer-Encoding: gzip\r\n", "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n", "Transfer-Encoding: xchunked\r\n",
		"Transfer-Encoding: \x0bchunked\r\n", "Transfer-Encoding : chunked\r\n", "Transfer-Encoding:\r\n chunked\r\n", "Transfer-Encoding:\r\n", "X: a\x00b\r\n" + length, "X: a\rb\r\n" + length, "X: \x01\r\n" + length, "X: \x7f\r\n" + length, "X: a\n" + length, "X: a\r\n b\r\n" + length, "X\r\n" + length,
		": a\r\n" + length, "X Y: a\r\n" + length, "X\xe9: a\r\n" + length, "X(: a\r\n" + length, "X : a\r\n" + length, "\x00: a\r\n" + length, length + "X: " + strings.Repeat("a", 9000) + "\r\n", length + strings.Repeat("X: "+strings.Repeat("a", 8000)+"\r\n", 5), length + strings.Repeat("X: a\r\n", 257),
		length + "Connection: " + strings.Repeat("a,", 200) + "\r\n",
	} {
		all = append(all, get+lines+"\r\nhi")
	}
	all = append(all, "HTTP/1.1 200 OK\n"+length+"\r\nhi", "HTTP/1.1 200 OK\r\n"+length+"\nhi", "HTTP/1.1 200 OK\rContent-Length: 2\r\rhi", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nhello", "HTTP/1.1 103 Early Hints\r\nX : y\r\n\r\n"+get+length+"\r\nhi",
		strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 11)+get+length+"\r\nhi", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 10000)+get+length+"\r\nhi")
	return all
}()

func TestRule13BadAnswerIs502AndItsConnectionIsNotReused(t *testing.T) {
	a := newHostileApp(t)
	for _, answer := range badAnswers {
		for _, open := range []bool{true, false} {
			if open && !strings.HasSuffix(answer, "\r\nhi") {
				continue // it may yet become something
			}
			for _, behind := range []string{"", poison} {
				status, body, whole := a.ask("GET", open, answer+behind)
				if status != 502 || !whole || strings.Contains(body, "POISON") || a.wasReused() {
					t.Errorf("%.100q, kept open %v: %d %q, whole %v, reused %v", answer, open, status, body, whole, a.wasReused())
				}
			}
		}
	}
}

func TestRule13AnswerThatBreaksOffIsSeenToDoSo(t *testing.T) {
	a := newHostileApp(t)
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, parts := range [][]string{
		{""},
		{"H"},
		{"HTTP/1.1 200"},
		{"HTTP/1.1 200 OK\r\n"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r"},
		{"HTTP/1.1 100 Continue\r\n\r\n"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "hell"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", "hell"},
		{chunked},
		{chunked, "5"},
		{chunked, "5\r\n"},
		{chunked, "5\r\nhel"},
		{chunked, "5\r\nhello"},
		{chunked, "5\r\nhello\r"},
		{chunked, "5\r\nhello\r\n"},
		{chunked, "5\r\nhello\r\n0"},
		{chunked, "5\r\nhello\r\n0\r\n"},
		{chunked, "5\r\nhello\r\n0\r\nX: y\r\n"},
	} {
		if status, body, whole := a.ask("GET", false, parts...); whole && status != 502 || strings.Contains(body, "POISON") {
			t.Errorf("%q: %d %q, whole %v", parts, status, body, whole)
		}
	}
	for _, body := range brokenChunks {
		for _, parts := range [][]string{{chunked + body + poison}, {chunked, body + poison}, {chunked + "3\r\nabc\r\n", body + poison}} {
			for _, open := range []bool{true, false} {
				status, got, whole := a.ask("GET", open, parts...)
				if whole && status != 502 || strings.Contains(got, "POISON") || a.wasReused() {
					t.Errorf("%.100q: %d %q, whole %v, reused %v", parts, status, got, whole, a.wasReused())
				}
			}
		}
	}
}

func TestRule13NothingBehindAnAnswerIsTakenForTheNext(t *testing.T) {
	a := newHostileApp(t)
	for _, c := range []struct {
		method string
		answer []string
		status int
		body   string
	}{
		{"GET", []string{ok("hello") + poison}, 200, "hello"},
		{"GET", []string{ok("hello") + "x"}, 200, "hello"},
		{"GET", []string{ok("hello") + "\r\n"}, 200, "hello"},
		{"GET", []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + poison}, 200, "hello"},
		{"GET", []string{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + poison}, 200, ""},
		{"GET", []string{"HTTP/1.1 204 No Content\r\n\r\n" + poison}, 204, ""},
		{"GET", []string{"HTTP/1.1 204 No Content\r\nContent-Length: 49\r\n\r\n", poison}, 204, ""},
		{"GET", []string{"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "31\r\n" + poison + "\r\n0\r\n\r\n"}, 204, ""},
		{"GET", []string{"HTTP/1.1 304 Not Modified\r\n\r\n" + poison}, 304, ""},
		{"GET", []string{"HTTP/1.1 304 Not Modified\r\nContent-Length: 49\r\n\r\n", poison}, 304, ""},
		{"HEAD", []string{"HTTP/1.1 200 OK\r\nContent-Length: 49\r\n\r\n" + poison}, 200, ""},
		{"HEAD", []string{"HTTP/1.1 200 OK\r\nContent-Length: 49\r\n\r\n", poison}, 200, ""},
		{"HEAD", []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "31\r\n" + poison + "\r\n0\r\n\r\n"}, 200, ""},
		{"HEAD", []string{"HTTP/1.1 200 OK\r\n\r\n", poison}, 200, ""},
		{"GET", []string{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok("hello") + poison}, 200, "hello"},
		{"GET", []string{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello" + poison}, 200, "hello"},
		{"GET", []string{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello" + poison}, 200, "hello"},
		{"GET", []string{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello" + poison}, 200, "hello"},
	} {
		for _, open := range []bool{true, false} {
			for range 3 {
				status, body, whole := a.ask(c.method, open, c.answer...)
				if status != c.status || body != c.body || !whole || a.wasReused() {
					t.Errorf("%s %.100q: %d %q, whole %v, reused %v", c.method, c.answer, status, body, whole, a.wasReused())
				}
			}
		}
	}
}

// Many clients over a pool of few connections to an app that does everything
// wrong: each byte that a client gets is of its own answer.
func TestRule13EveryByteBelongsToTheClientThatGotIt(t *testing.T) {
	const clients, requests = 40, 60
	var serial atomic.Uint64
	b, addr := tcpBackend(t, nil)
	b.handle = func(c net.Conn, q request) bool {
		if c, isTCP := c.(*net.TCPConn); isTCP {
			c.SetNoDelay(true)
		}
		return misbehave(c, q, serial.Add(1))
	}
	r := newRig(t, func(c *Config) {
		toUpstream(16, addr)(c)
		c.Servers[0].ProxyReadTimeout = duration(5 * time.Second)
	})
	var whole, broken, gateway atomic.Int64
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), 13))
			var c net.Conn
			var br *bufio.Reader
			for i := range requests {
				if c == nil {
					c = r.dial()
					br = bufio.NewReader(c)
				}
				token := fmt.Sprintf("/%d-%d.", n, i)
				method := []string{"GET", "GET", "HEAD", "POST"}[random.IntN(4)]
				fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", method, token, len(token), token)
				kept := false
				switch res, err := http.ReadResponse(br, &http.Request{Method: method}); {
				case err != nil:
					broken.Add(1)
				default:
					body, err := io.ReadAll(res.Body)
					kept = err == nil && !res.Close
					switch {
					case res.StatusCode == 502:
						gateway.Add(1)
					case !strings.HasPrefix(strings.Repeat(token, 500), string(body)), res.Header.Get("X-Owner") != token:
						t.Errorf("%s %s got %d, owner %q, body %.100q", method, token, res.StatusCode, res.Header.Get("X-Owner"), body)
					case err != nil:
						broken.Add(1)
					default:
						whole.Add(1)
					}
				}
				if !kept || random.IntN(10) == 0 {
					c.Close()
					c = nil
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d sent, %d whole, %d seen to be broken, %d answered 502", clients*requests, whole.Load(), broken.Load(), gateway.Load())
	if whole.Load() < clients*requests/4 || broken.Load() == 0 || gateway.Load() == 0 {
		t.Error("the app did not do what it should")
	}
}

// misbehave answers with the request's token in a field and as the body, in one
// of many wrong ways. What it sends too much it sends at once: later, nobody
// could tell it from the answer to the next request.
func misbehave(c net.Conn, q request, n uint64) (more bool) {
	token := q.target()
	head := func(status, framing string) string {
		return "HTTP/1.1 " + status + "\r\nX-Owner: " + token + "\r\n" + framing + "\r\n"
	}
	body := strings.Repeat(token, 1+int(n*7919%500))
	length := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	if strings.HasPrefix(q.head, "HEAD ") {
		body, chunks = "", ""
		if n%3 == 0 { // a body that no HEAD has
			body = "HTTP/1.1 200 OK\r\nX-Owner: " + token + "\r\nContent-Length: 0\r\n\r\n"
		}
	}
	extra := "HTTP/1.1 200 OK\r\nX-Owner: " + token + "\r\nContent-Length: 4\r\n\r\nevil"
	switch n % 16 {
	case 0:
		io.WriteString(c, head("200 OK", length)+body+extra)
		return true
	case 1:
		io.WriteString(c, head("200 OK", length)+body[:len(body)/2])
		return false
	case 2:
		io.WriteString(c, head("200 OK", "Transfer-Encoding: chunked\r\n")+chunks+extra)
		return true
	case 3:
		io.WriteString(c, head("200 OK", "Transfer-Encoding: chunked\r\n")+chunks[:len(chunks)/2])
		return false
	case 4:
		return false
	case 5:
		io.WriteString(c, head("200 OK", length+length)+body+extra)
		return true
	case 6:
		io.WriteString(c, strings.Repeat(head("103 Early Hints", ""), 20)+head("200 OK", length)+body)
		return true
	case 7:
		io.WriteString(c, head("204 No Content", "Content-Length: 4\r\n")+extra)
		return true
	case 8:
		io.WriteString(c, head("304 Not Modified", length)+extra)
		return true
	case 9:
		io.WriteString(c, head("200 OK", length)+body)
		if tcp, isTCP := c.(*net.TCPConn); isTCP {
			tcp.SetLinger(0) // a reset behind the answer
		}
		return false
	case 10:
		io.WriteString(c, token+" is no answer")
		return false
	}
	io.WriteString(c, head("200 OK", length))
	io.WriteString(c, body)
	return true
}

// An answer that comes before its request was read whole: it reaches the client,
// and what is left of the request no other one.
func TestRule13AnswerBeforeTheRequestIsReadIsPassedOn(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var conns sync.WaitGroup
	var accepted atomic.Int64
	conns.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer c.Close()
				accepted.Add(1)
				c.SetDeadline(time.Now().Add(testTimeout))
				io.WriteString(c, ok("early")) // before a byte was read
				readUntil(c, nil, "\r\n\r\n")
			})
		}
	})
	t.Cleanup(func() { ln.Close(); conns.Wait() })
	r := newRig(t, toUpstream(8, ln.Addr().String()))
	const n = 50
	for range n {
		if status, body := r.get("/"); status != 200 && status != 502 || status == 200 && body != "early" {
			t.Errorf("got %d %q", status, body)
		}
	}
	if got := accepted.Load(); got > 2*n {
		t.Errorf("%d connections for %d requests", got, n)
	}
	r.stop()
}

// What slow readers leave waits in memory and in files that all answers share: some
// read to the end, some leave, and each gets its own bytes only.
func TestRule13SlowReadersGetTheirOwnBytes(t *testing.T) {
	const clients, requests = 24, 6
	var serial atomic.Uint64
	_, addr := tcpBackend(t, func(c net.Conn, q request) bool {
		n := serial.Add(1)
		token := q.target()
		body := strings.Repeat(token, 1+int(n*7919%800_000)/len(token))
		switch n % 3 {
		case 0:
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		case 1:
			half := (len(body) + 1) / 2
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", half, body[:half], len(body)-half, body[half:])
		default: // breaks off
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body)+1, body)
			return false
		}
		return true
	})
	r := newRigOn(t, "unix", filepath.Join(t.TempDir(), "p"), "", toUpstream(8, addr)) // its buffers are small
	var whole, broken atomic.Int64
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), 14))
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for i := range requests {
				token := fmt.Sprintf("/%d-%d.", n, i)
				c := r.dial()
				fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", token)
				res, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Errorf("%s: %v", token, err)
					continue
				}
				buf := make([]byte, 24<<10)
				leaves := random.IntN(4) == 0
				at := 0
				for err == nil {
					<-tick.C
					var k int
					k, err = res.Body.Read(buf)
					for _, b := range buf[:k] {
						if b != token[at%len(token)] {
							t.Errorf("%s: byte %d is %q: %.60q", token, at, b, buf[:k])
							err = io.ErrClosedPipe
							break
						}
						at++
					}
					if leaves && at > 100_000 {
						err = io.ErrClosedPipe
					}
				}
				switch err {
				case io.EOF:
					whole.Add(1)
				case io.ErrUnexpectedEOF:
					broken.Add(1)
				}
				c.Close()
			}
		})
	}
	all.Wait()
	t.Logf("%d sent, %d read whole, %d seen to be broken", clients*requests, whole.Load(), broken.Load())
	if whole.Load() == 0 || broken.Load() == 0 {
		t.Error("the app did not do what it should")
	}
}
