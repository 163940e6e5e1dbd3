package faults

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// closingServer is an upstream that closes each idle connection after a short random
// time, most often just as it is used again. It counts how often each target was asked for.
type closingServer struct {
	ln      net.Listener
	idle    func() time.Duration
	wg      sync.WaitGroup
	mu      sync.Mutex
	seen    map[string]int
	conns   atomic.Int64
	stopped atomic.Bool
}

func startClosing(t *testing.T, network, addr string, idle func() time.Duration) *closingServer {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &closingServer{ln: ln, idle: idle, seen: map[string]int{}}
	s.wg.Go(s.accept)
	t.Cleanup(s.stop)
	return s
}

func (s *closingServer) stop() {
	s.stopped.Store(true)
	s.ln.Close()
	s.wg.Wait()
}

func (s *closingServer) accept() {
	for {
		c, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.conns.Add(1)
		s.wg.Go(func() { s.serve(c) })
	}
}

func (s *closingServer) serve(c net.Conn) {
	defer c.Close()
	br := bufio.NewReader(c)
	for first := true; !s.stopped.Load(); first = false {
		if !first { // a new connection is not idle yet
			c.SetReadDeadline(time.Now().Add(s.idle()))
		}
		if _, err := br.Peek(1); err != nil {
			return
		}
		c.SetReadDeadline(time.Now().Add(patience))
		q, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		io.Copy(io.Discard, q.Body)
		s.mu.Lock()
		s.seen[q.RequestURI]++
		s.mu.Unlock()
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(q.RequestURI), q.RequestURI)
	}
}

// askMany sends n requests of a method, each with a target of its own, over a few
// kept-alive connections, and returns the targets that were not answered with 200.
func askMany(t *testing.T, addr, method string, n int, pause func() time.Duration) (failed []string) {
	t.Helper()
	const clients = 4
	var next atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range clients {
		wg.Go(func() {
			tr := &http.Transport{MaxConnsPerHost: 1}
			defer tr.CloseIdleConnections()
			for {
				i := next.Add(1)
				if i > int64(n) {
					return
				}
				target := fmt.Sprintf("/%s/%d", method, i)
				<-time.After(pause())
				if !askOne(tr, addr, method, target) {
					mu.Lock()
					failed = append(failed, target)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return failed
}

func askOne(tr *http.Transport, addr, method, target string) bool {
	var body io.Reader
	if method == "POST" {
		body = strings.NewReader("body")
	}
	q, err := http.NewRequest(method, "http://"+addr+target, body)
	if err != nil {
		return false
	}
	res, err := tr.RoundTrip(q)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return err == nil && res.StatusCode == 200 && string(text) == target
}

func TestServerThatClosesIdleConnectionsFailsNoGet(t *testing.T) { // A14
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			soon := func() time.Duration { return rand.N(time.Millisecond) }
			s, d := closing(t, network, soon)
			n := long(4000, 100_000)
			never := func() time.Duration { return 0 }
			gets := askMany(t, d.addr, "GET", n, never)
			posts := askMany(t, d.addr, "POST", n/4, never)
			twice, lost := s.count(posts)
			t.Logf("%d GET sent, %d failed; %d POST sent, %d failed, %d sent twice, over %d connections", n, len(gets), n/4, len(posts), twice, s.conns.Load())
			if len(gets) > 0 {
				t.Errorf("%d GET failed, the first %s", len(gets), gets[0])
			}
			if twice > 0 || lost > 0 {
				t.Errorf("%d POST were sent twice, the answers of %d were lost", twice, lost)
			}
		})
	}
}

// A server that closes what was idle for 50 ms loses no POST: those go on connections
// that were used a moment ago, or on new ones.
func TestServerThatClosesIdleConnectionsLosesNoPost(t *testing.T) { // A14
	s, d := closing(t, "tcp", func() time.Duration { return 50 * time.Millisecond })
	n := long(200, 20_000)
	about := func() time.Duration { return 45*time.Millisecond + rand.N(10*time.Millisecond) }
	posts := askMany(t, d.addr, "POST", n, about)
	twice, _ := s.count(posts)
	t.Logf("%d POST sent, %d failed, %d sent twice, over %d connections", n, len(posts), twice, s.conns.Load())
	if len(posts) > 0 || twice > 0 {
		t.Errorf("%d failed, %d were sent twice", len(posts), twice)
	}
}

// closing is a daemon in front of a closingServer.
func closing(t *testing.T, network string, idle func() time.Duration) (*closingServer, *daemon) {
	t.Helper()
	d := folder(t)
	at := "127.0.0.1:0"
	if network == "unix" {
		at = filepath.Join(d.dir, "up.sock")
	}
	s := startClosing(t, network, at, idle)
	server := s.ln.Addr().String()
	if network == "unix" {
		server = "unix:" + server
		d.openUp(at)
	}
	d.configure(fmt.Sprintf("[upstream.up]\nserver = %q\n\n[[server]]\nlisten = \"ADDR\"\n\n[[server.location]]\npath = \"/\"\nproxy_pass = \"http://up\"\n", server))
	d.run()
	d.waitLog(`is serving`)
	return s, d
}

// count returns how many POST came twice, and how many of failed ones were served.
func (s *closingServer) count(failed []string) (twice, lost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for target, n := range s.seen {
		if strings.HasPrefix(target, "/POST/") && n > 1 {
			twice++
		}
	}
	for _, target := range failed {
		if s.seen[target] > 0 {
			lost++
		}
	}
	return twice, lost
}

// openUp lets the proxy's user connect to a socket.
func (d *daemon) openUp(path string) {
	d.t.Helper()
	if err := os.Chmod(path, 0o777); err != nil {
		d.t.Fatal(err)
	}
}

// E9: a name that cannot be looked up is its upstream's trouble alone, also at a start.
func TestNameThatCannotBeLookedUpStopsNothingElse(t *testing.T) {
	d := ready(t, "[upstream.far]\nserver = \"no-such-host.invalid:80\"\n"+syncApp+"\n[[server.location]]\npath = \"/far/\"\nproxy_pass = \"http://far\"\n")
	if got := d.get("/load/1"); got != "/load/1" {
		t.Errorf("the app answers %q", got)
	}
	a, err := send(d.addr, "GET /far/ HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", patience)
	if err != nil || a.status != 502 {
		t.Errorf("the upstream without an address: %d, %v; want 502", a.status, err)
	}
	begun := time.Now()
	if out, code := d.command("reload"); code != 0 || time.Since(begun) > 2*time.Second {
		t.Errorf("reload: %d after %v: %s", code, time.Since(begun), out)
	}
	d.untilLogged(`"GET /far/ HTTP/1.1" 502`, 1)
}
