package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/net/dns/dnsmessage"
)

// fakeDNS answers look-ups as it is told.
type fakeDNS struct {
	mu     sync.Mutex
	addrs  []string
	ttl    time.Duration
	err    error
	hang   bool
	asked  int
	killed int // look-ups that their time limit ended
}

func (d *fakeDNS) set(change func(*fakeDNS)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

func (d *fakeDNS) lookup(ctx context.Context, _ string) ([]netip.Addr, time.Duration, error) {
	d.mu.Lock()
	d.asked++
	hang, err, ttl := d.hang, d.err, d.ttl
	var addrs []netip.Addr
	for _, a := range d.addrs {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	d.mu.Unlock()
	if hang {
		<-ctx.Done()
		d.set(func(d *fakeDNS) { d.killed++ })
		return nil, 0, ctx.Err()
	}
	return addrs, ttl, err
}

func (d *fakeDNS) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

// resolving is a resolver at work in a bubble; got returns the addresses of "app.test".
func resolving(t *testing.T, d *fakeDNS) (n *resolver, got func() string, changes *int, logs *observer.ObservedLogs) {
	core, logs := observer.New(zap.InfoLevel)
	n = newResolver(d.lookup, zap.New(core))
	s, err := parseServer("app.test:80")
	must(t, err)
	n.learn([]string{"app.test"})
	changes = new(int)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { n.run(ctx, func() { *changes++ }) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	n.keep([]string{"app.test"})
	synctest.Wait()
	return n, func() string {
		synctest.Wait()
		var out []string
		for _, target := range n.targets([]*serverPlan{s}) {
			out = append(out, target.text)
		}
		return strings.Join(out, " ")
	}, changes, logs
}

func TestNameIsLookedUpAgainAsItsTTLSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDNS{addrs: []string{"10.0.0.1", "10.0.0.2"}, ttl: 20 * time.Second}
		_, got, changes, _ := resolving(t, d)
		if got() != "10.0.0.1:80 10.0.0.2:80" || d.count() != 1 {
			t.Fatalf("at first: %s after %d questions", got(), d.count())
		}
		d.set(func(d *fakeDNS) { d.addrs, d.ttl = []string{"10.0.0.2", "10.0.0.1"}, 0 })
		<-time.After(19 * time.Second)
		synctest.Wait()
		if d.count() != 1 {
			t.Errorf("%d questions within the TTL, want 1", d.count())
		}
		<-time.After(time.Second + time.Millisecond)
		if got(); d.count() != 2 || *changes != 0 {
			t.Errorf("after the TTL: %d questions, %d changes; another order is none", d.count(), *changes)
		}
		d.set(func(d *fakeDNS) { d.addrs = []string{"10.0.0.3", "10.0.0.2"} })
		<-time.After(10*time.Second + 500*time.Millisecond) // a TTL of 0 is a second
		if got() != "10.0.0.2:80 10.0.0.3:80" || *changes != 1 || d.count() != 12 {
			t.Errorf("then: %s after %d questions and %d changes", got(), d.count(), *changes)
		}
	})
}

func TestOldAddressesStayWhileDNSIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDNS{addrs: []string{"10.0.0.1"}, ttl: time.Second}
		_, got, _, logs := resolving(t, d)
		for _, change := range []func(*fakeDNS){
			func(d *fakeDNS) { d.err = errors.New("no such host") },
			func(d *fakeDNS) { d.err, d.addrs = nil, nil },
			func(d *fakeDNS) { d.hang = true },
		} {
			d.set(change)
			<-time.After(time.Minute)
			if got() != "10.0.0.1:80" {
				t.Errorf("got %q, want the old address", got())
			}
		}
		if n := logs.FilterMessageSnippet("could not be looked up").Len(); n != 1 {
			t.Errorf("%d lines in the log for one outage, want 1", n)
		}
		if d.killed == 0 {
			t.Error("no look-up was ended by its time limit")
		}
		d.set(func(d *fakeDNS) { d.hang, d.addrs = false, []string{"10.0.0.9"} })
		<-time.After(lookupTime + lookupRetry + time.Second)
		if got() != "10.0.0.9:80" || logs.FilterMessageSnippet("found again").Len() != 1 {
			t.Errorf("after it: %s, %v", got(), logs.All())
		}
	})
}

func TestConfigurationWaitsForANewNameOnlySoLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &fakeDNS{hang: true}
		n := newResolver(d.lookup, zap.NewNop())
		began := time.Now()
		n.learn([]string{"one.test", "two.test"})
		if took := time.Since(began); took != resolveTime {
			t.Errorf("two names took %s, want %s", took, resolveTime)
		}
		began = time.Now()
		n.learn([]string{"one.test", "two.test"})
		if took := time.Since(began); took != 0 {
			t.Errorf("known names took %s at the next configuration", took)
		}
	})
}

// dnsServer is a name server on loopback, over UDP and TCP, with one address.
func dnsServer(t *testing.T, ttl uint32, truncate bool) string {
	pc, ln := listenBoth(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 512)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			pc.WriteTo(dnsAnswer(buf[:n], ttl, truncate), from)
		}
	})
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 514)
			if n, _ := c.Read(buf); n > 2 {
				a := dnsAnswer(buf[2:n], ttl, false)
				c.Write(append([]byte{byte(len(a) >> 8), byte(len(a))}, a...))
			}
			c.Close()
		}
	})
	t.Cleanup(func() { pc.Close(); ln.Close(); wg.Wait() })
	return pc.LocalAddr().String()
}

// listenBoth finds a port that is free for UDP and TCP.
func listenBoth(t *testing.T) (net.PacketConn, net.Listener) {
	for {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		if pc, err := net.ListenPacket("udp", ln.Addr().String()); err == nil {
			return pc, ln
		}
		ln.Close()
	}
}

func dnsAnswer(question []byte, ttl uint32, truncate bool) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil {
		return nil
	}
	m.Response, m.RCode, m.Additionals = true, dnsmessage.RCodeSuccess, nil
	if m.Truncated = truncate; !truncate && m.Questions[0].Type == dnsmessage.TypeA {
		h := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: ttl}
		m.Answers = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.AResource{A: [4]byte{10, 1, 2, 3}}}}
	}
	out, _ := m.Pack()
	return out
}

func TestTTLIsReadFromTheAnswersOfTheNameServer(t *testing.T) {
	for _, truncate := range []bool{false, true} { // over UDP; then over TCP
		server := dnsServer(t, 77, truncate)
		w := &ttlWatch{}
		r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return w.dial(ctx, network, server)
		}}
		ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
		defer cancel()
		addrs, err := r.LookupNetIP(ctx, "ip", "app.test.")
		if err != nil || !slices.Contains(sortedAddrs(addrs), netip.MustParseAddr("10.1.2.3")) {
			t.Fatalf("truncated %v: %v, %v", truncate, addrs, err)
		}
		if got := w.ttl(); got != 77*time.Second {
			t.Errorf("truncated %v: a TTL of %s, want 77s", truncate, got)
		}
	}
	if got := (&ttlWatch{}).ttl(); got != hostsTTL {
		t.Errorf("without a name server: %s, want %s", got, hostsTTL)
	}
	if addrs, _, err := systemLookup(t.Context(), "localhost"); err != nil || len(addrs) == 0 {
		t.Errorf("localhost: %v, %v", addrs, err)
	}
}

func FuzzTTL(f *testing.F) {
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("a."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	question, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(dnsAnswer(question, 5, false))
	f.Fuzz(func(t *testing.T, msg []byte) {
		w := &ttlWatch{}
		w.read(msg)
		if w.ttl() < 0 {
			t.Errorf("a TTL of %s", w.ttl())
		}
	})
}

// The servers follow the names: requests go to the new address, those under way
// finish, and an upstream whose name is not known yet answers 502 until it is.
func TestUpstreamFollowsItsNames(t *testing.T) {
	d := &fakeDNS{err: errors.New("no such host")}
	_, addr := tcpBackend(t, func(c net.Conn, _ request) bool { fmt.Fprint(c, ok("here")); return true })
	_, port, _ := net.SplitHostPort(addr)
	r := newRig(t, nil)
	r.proxy.names.lookup = d.lookup
	toUpstream(8, "app.test:"+port)(&r.cfg)
	must(t, r.configure())
	if status, _ := r.get("/1"); status != 502 {
		t.Errorf("before the name is known: %d, want 502", status)
	}
	renew := func(addrs ...string) {
		d.set(func(d *fakeDNS) { d.err, d.addrs, d.ttl = nil, addrs, time.Hour })
		if r.proxy.names.askInTime(t.Context(), []string{"app.test"}) {
			r.proxy.renew()
		}
	}
	renew("127.0.0.1")
	if status, body := r.get("/2"); status != 200 || body != "here" {
		t.Errorf("after it is: %d %q", status, body)
	}
	renew("127.0.0.2")
	if status, _ := r.get("/3"); status != 502 {
		t.Errorf("at an address where nobody listens: %d, want 502", status)
	}
	renew("127.0.0.1", "127.0.0.2")
	for range 4 {
		if status, _ := r.get("/"); status != 200 {
			t.Errorf("with both: %d", status)
		}
	}
	log := strings.Join(r.lines(), "\n")
	for _, want := range []string{
		`"GET /1 HTTP/1.1" 502 152 "up" "502"`, `"GET /2 HTTP/1.1" 200 4 "127.0.0.1:` + port + `" "200"`,
		`"GET /3 HTTP/1.1" 502 152 "127.0.0.2:` + port + `" "502"`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("no %s in the log:\n%s", want, log)
		}
	}
}
