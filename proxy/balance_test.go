package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"paddock/internal/value"
)

// testBalancer has the servers of these lines.
func testBalancer(t *testing.T, how balancing, lines ...string) *balancer {
	u := &upstream{born: time.Now()}
	var targets []target
	for _, line := range lines {
		s, err := parseServer(line)
		must(t, err)
		targets = append(targets, target{address{text: s.text}, s})
	}
	g := u.newGroup(how, targets, nil)
	return g.balance
}

// one makes a request that gets one server and gives it back at once.
func (b *balancer) one(v verdict) string {
	t := &turn{left: b.tries}
	s := b.pick(t)
	if s == nil {
		return "none"
	}
	b.free(t, v)
	return s.text
}

func TestServerComesBackAfterFailTimeoutOneRequestAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBalancer(t, balancing{}, "a:1 max_fails=2 fail_timeout=5s", "b:1 down", "c:1 backup")
		for i, v := range []verdict{failing, failing} {
			if got := b.one(v); got != "a:1" {
				t.Fatalf("request %d went to %s", i, got)
			}
		}
		if got := b.one(served); got != "c:1" {
			t.Errorf("with a:1 out: %s, want the backup", got)
		}
		<-time.After(6 * time.Second)
		trial := &turn{left: 2}
		if s := b.pick(trial); s == nil || s.text != "a:1" {
			t.Fatalf("after fail_timeout: %v, want a:1 on trial", s)
		}
		if got := b.one(served); got != "c:1" {
			t.Errorf("beside the trial: %s, want the backup", got)
		}
		b.free(trial, served)
		<-time.After(6 * time.Second)
		for range 2 { // the failures before are forgotten: it takes two again
			if got := b.one(failing); got != "a:1" {
				t.Errorf("after a trial that went well: %s", got)
			}
		}
		if got := b.one(served); got != "c:1" {
			t.Errorf("after two failures: %s", got)
		}
	})
}

func TestFailedServerGetsItsWeightBackStepByStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := testBalancer(t, balancing{}, "a:1 weight=6 max_fails=3", "b:1")
		b.one(failing)
		if got := b.primary.slots[0].effective; got != 4 {
			t.Errorf("after a failure: %d, want 6 - 6/3", got)
		}
		for range 2 {
			b.one(served)
		}
		if got := b.primary.slots[0].effective; got != 6 {
			t.Errorf("two turns later: %d, want 6", got)
		}
	})
}

func TestSingleServerIsNeverEjected(t *testing.T) {
	b := testBalancer(t, balancing{}, "a:1 max_conns=1")
	for range 5 {
		if got := b.one(failing); got != "a:1" {
			t.Fatalf("got %s", got)
		}
	}
	holds := &turn{left: 1}
	b.pick(holds)
	if got := b.one(served); got != "none" {
		t.Errorf("above max_conns: %s, want none", got)
	}
	b.free(holds, served)
	if got := b.one(served); got != "a:1" {
		t.Errorf("after it: %s", got)
	}
}

func TestMaxConnsOfAServerPassesItBy(t *testing.T) {
	for _, how := range []balancing{{}, {method: leastConn}} {
		b := testBalancer(t, how, "a:1 weight=9 max_conns=2", "b:1 max_conns=1", "c:1 backup max_conns=1")
		count := map[string]int{}
		for range 5 {
			t := &turn{left: 3}
			if s := b.pick(t); s != nil {
				count[s.text]++
			} else {
				count["none"]++
			}
		}
		if want := (map[string]int{"a:1": 2, "b:1": 1, "c:1": 1, "none": 1}); fmt.Sprint(count) != fmt.Sprint(want) {
			t.Errorf("method %d: %v, want %v", how.method, count, want)
		}
	}
}

func TestLeastConnGoesByRequestsAndWeight(t *testing.T) {
	b := testBalancer(t, balancing{method: leastConn}, "a:1 weight=2", "b:1")
	count := map[string]int{}
	for range 30 {
		t := &turn{left: 2}
		count[b.pick(t).text]++
	}
	if count["a:1"] != 20 || count["b:1"] != 10 {
		t.Errorf("30 requests at once: %v, want 20 and 10", count)
	}
}

// A server that stays keeps what is known of it; one whose weight changed begins anew.
func TestServersThatStayKeepTheirStanding(t *testing.T) {
	u := &upstream{born: time.Now()}
	line := func(text string) target {
		s, err := parseServer(text)
		must(t, err)
		return target{address{text: s.text}, s}
	}
	first := u.newGroup(balancing{}, []target{line("a:1"), line("a:1"), line("b:1 weight=4")}, nil)
	first.peers[0].fails, first.peers[1].fails, first.peers[2].current = 1, 2, 3
	second := u.newGroup(balancing{}, []target{line("b:1 weight=5"), line("a:1"), line("c:1")}, &first)
	if second.peers[1] != first.peers[0] || second.peers[0] != first.peers[2] {
		t.Error("the peers that stay are others")
	}
	if p := second.peers[0]; p.weight != 5 || p.current != 0 || p.effective != 5 {
		t.Errorf("with a new weight: %+v", p.standing)
	}
}

func FuzzBalancer(f *testing.F) {
	f.Add([]byte{3, 0, 1, 2, 3}, uint8(0))
	f.Add([]byte{9, 9, 0, 1, 200, 7}, uint8(4))
	f.Fuzz(func(t *testing.T, steps []byte, method uint8) {
		how := balancing{method: balanceMethod(method % 5)}
		lines := []string{"a:1 weight=3", "b:1 max_fails=2 max_conns=3", "c:1 down", "d:1 weight=2"}
		if how.method < ipHash {
			lines = append(lines, "e:1 backup")
		}
		b := testBalancer(t, how, lines...)
		var turns []*turn
		for _, step := range steps {
			if step < 128 || len(turns) == 0 {
				x := &turn{left: b.tries, key: []byte{step}, hash: 89}
				if how.method == hashKey || how.method == hashConsistent {
					x.hash = 0
				}
				if s := b.pick(x); s != nil {
					if s.plan.down {
						t.Fatal("a server that is down got a request")
					}
					turns = append(turns, x)
				}
				continue
			}
			i := int(step) % len(turns)
			b.free(turns[i], verdict(step%3))
			if s := b.pick(turns[i]); s == nil {
				turns = append(turns[:i], turns[i+1:]...)
			}
		}
		for _, x := range turns {
			b.free(x, served)
		}
		for _, g := range []*tier{&b.primary, &b.backup} {
			for i := range g.slots {
				if s := &g.slots[i]; s.conns != 0 || s.effective < 0 || s.effective > s.weight {
					t.Errorf("%s at rest: %+v", s.text, s.standing)
				}
			}
		}
	})
}

func TestRequestsAboveTheServersMaxConnsWait(t *testing.T) {
	arrived, release := make(chan string, 4), make(chan struct{})
	_, one := tcpBackend(t, holding("", arrived, release))
	_, two := tcpBackend(t, holding("", arrived, release))
	r := newRig(t, toUpstream(0, one+" max_conns=1", two+" max_conns=1"))
	var clients []net.Conn
	for i := range 3 {
		c := r.dial()
		fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", i)
		clients = append(clients, c)
	}
	for range 2 {
		receive(t, arrived, "a request at a server")
	}
	r.waitFor("the third waits", func(s Stats) bool { return s.Upstreams["up"].Queued == 1 && s.Upstreams["up"].InFlight == 2 })
	close(release)
	for i, c := range clients {
		if status, _ := readAnswer(t, bufio.NewReader(c), "GET"); status != 200 {
			t.Errorf("request %d: %d", i, status)
		}
	}
}

func TestNextUpstreamTimeoutEndsTheTries(t *testing.T) {
	silent := func(c net.Conn, _ request) bool { io.Copy(io.Discard, c); return false }
	_, one := tcpBackend(t, silent)
	_, two := tcpBackend(t, silent)
	_, good := tcpBackend(t, answers(ok("good")))
	r := newRig(t, func(c *Config) {
		toUpstream(0, one, two, good)(c)
		c.Servers[0].ProxyReadTimeout = duration(60 * time.Millisecond)
		c.Servers[0].ProxyNextUpstreamTimeout = duration(100 * time.Millisecond)
	})
	if status, _ := r.get("/"); status != 504 {
		t.Errorf("got %d, want 504 after two tries of 60 ms", status)
	}
	wantLines(t, r, fmt.Sprintf(`"GET / HTTP/1.1" 504 162 "%s, %s" "504, 504" OK`, one, two))
}

func TestIgnoredClientAbortLetsTheAppFinish(t *testing.T) {
	for _, ignore := range []bool{true, false} {
		arrived, cut := make(chan struct{}), make(chan bool, 1)
		_, addr := tcpBackend(t, func(c net.Conn, _ request) bool {
			close(arrived)
			c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
			_, err := c.Read(make([]byte, 1))
			cut <- err == io.EOF
			io.WriteString(c, ok("done"))
			return false
		})
		r := newRig(t, func(c *Config) {
			toUpstream(0, addr)(c)
			c.Servers[0].ProxyIgnoreClientAbort = &ignore
		})
		c := r.dial()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		receive(t, arrived, "the app has the request")
		c.Close()
		if got := receive(t, cut, "the app has seen what came"); got == ignore {
			t.Errorf("proxy_ignore_client_abort %v: the app's connection was cut: %v", ignore, got)
		}
		status := "499"
		if ignore {
			status = "200"
		}
		if lines := r.lines(); len(lines) != 1 || !strings.Contains(lines[0], `" `+status+" ") {
			t.Errorf("proxy_ignore_client_abort %v: %q, want %s", ignore, lines, status)
		}
	}
}

func TestConnectionsToAServerEndByRequestsAndAge(t *testing.T) {
	var opened atomic.Int32
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	counting := &countedListener{ln, &opened}
	serveBackend(t, counting, func(c net.Conn, _ request) bool { io.WriteString(c, ok("x")); return true })
	for _, c := range []struct {
		change func(*Upstream)
		sent   int
		want   int32
	}{
		{func(u *Upstream) { u.KeepaliveRequests = 3 }, 9, 3},
		{func(u *Upstream) { u.KeepaliveTime = 1 }, 4, 4}, // a nanosecond old
		{func(u *Upstream) {}, 9, 1},
	} {
		opened.Store(0)
		r := newRig(t, func(cfg *Config) {
			toUpstream(8, ln.Addr().String())(cfg)
			u := cfg.Upstreams["up"]
			c.change(&u)
			cfg.Upstreams["up"] = u
		})
		for range c.sent {
			r.get("/")
		}
		if got := opened.Load(); got != c.want {
			t.Errorf("%d requests over %d connections, want %d", c.sent, got, c.want)
		}
	}
}

func TestIdleConnectionsToAServerEndAfterKeepaliveTimeout(t *testing.T) {
	b, addr := tcpBackend(t, func(c net.Conn, _ request) bool { io.WriteString(c, ok("x")); return true })
	r := newRig(t, func(cfg *Config) {
		toUpstream(8, addr)(cfg)
		u := cfg.Upstreams["up"]
		u.KeepaliveTimeout = *duration(50 * time.Millisecond)
		cfg.Upstreams["up"] = u
	})
	r.get("/")
	r.waitFor("the idle connection is closed", func(Stats) bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.open == 0
	})
}

type countedListener struct {
	net.Listener
	n *atomic.Int32
}

func (l *countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.n.Add(1)
	}
	return c, err
}

// What a server took of a large body before it gave up is sent to the next one from its
// beginning.
func TestWholeBodyGoesToTheNextServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			io.ReadFull(c, make([]byte, 100_000))
			c.Close()
		}
	}()
	const size = 3 << 20
	b, good := tcpBackend(t, answers(ok("good")))
	r := newRig(t, func(c *Config) {
		toUpstream(0, ln.Addr().String()+" max_fails=0", good)(c)
		big := value.Size(8 << 20)
		c.Servers[0].ClientMaxBodySize = &big
		c.Servers[0].ProxyNextUpstream = value.Strings{"error", "non_idempotent"}
	})
	for range 4 {
		got, _ := r.raw(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", size) + strings.Repeat("0123456789abcdef", size/16))
		if !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Fatalf("got %.60q", got)
		}
	}
	for i, q := range b.seen() {
		if len(q.body) != size || q.body != strings.Repeat("0123456789abcdef", size/16) {
			t.Errorf("request %d: %d bytes, or others", i, len(q.body))
		}
	}
}

// A connection that has rested may be closed just as a POST is sent on it.
func TestPostTakesNoConnectionThatHasRested(t *testing.T) {
	b, addr := tcpBackend(t, func(c net.Conn, _ request) bool { io.WriteString(c, ok("x")); return true })
	r := newRig(t, toUpstream(8, addr))
	rested := func(ago time.Duration) {
		r.waitFor("a connection is idle", func(Stats) bool {
			p := &r.proxy.upstreams["up"].queue.current.peers[0].pool
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, c := range p.idle {
				c.idleFrom = time.Now().Add(-ago)
			}
			return len(p.idle) > 0
		})
	}
	open := func() int {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.open
	}
	const post = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"
	for _, c := range []struct {
		ago  time.Duration
		text string
		want int // connections to the server then
	}{
		{0, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 1},
		{-time.Hour, post, 1}, // a moment ago, however slow the test is
		{postIdle + time.Millisecond, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 1},
		{postIdle + time.Millisecond, post, 2},
	} {
		if c.ago != 0 {
			rested(c.ago)
		}
		if got, _ := r.raw(c.text); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Fatalf("got %.40q", got)
		}
		if got := open(); got != c.want {
			t.Errorf("%.4s on a connection that has rested %v: %d connections, want %d", c.text, c.ago, got, c.want)
		}
	}
}
