package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"paddock/proxy/netpoll"
)

// observed has the proxy tell its errors to a test too.
func (r *rig) observed() *observer.ObservedLogs {
	core, logs := observer.New(zap.ErrorLevel)
	r.proxy.logger = zap.New(core)
	r.publish()
	return logs
}

// publish makes what a test has changed seen by the requests to come.
func (r *rig) publish() { r.proxy.snap.Store(r.proxy.snap.Load()) }

// panicked reports whether the log has a panic with a function on its stack.
func panicked(logs *observer.ObservedLogs, what, function string) bool {
	for _, e := range logs.FilterMessage(what).All() {
		if stack, _ := e.ContextMap()["stack"].(string); strings.Contains(stack, function) {
			return true
		}
	}
	return false
}

// waiting sends a request that waits for its app, and returns its exchange, for a fault
// to be put into.
func (r *rig) waiting(request string) (*exchange, net.Conn) {
	r.t.Helper()
	client := r.dial()
	var c *conn
	r.waitFor("the connection is idle", func(Stats) bool {
		r.proxy.conns.mu.Lock()
		defer r.proxy.conns.mu.Unlock()
		for c = range r.proxy.conns.all {
			return c.nc.Disarm()
		}
		return false
	})
	got := make(chan *exchange, 1)
	c.nc.WaitReadable(func(*netpoll.Conn, time.Time) {
		x := newExchange(c, time.Now())
		got <- x
		c.run(x)
	})
	io.WriteString(client, request)
	r.waitFor("the request waits", func(s Stats) bool { return s.Upstreams["web"].Queued == 1 })
	return receive(r.t, got, "the exchange"), client
}

// faultySink panics where a client's connection would be written to.
type faultySink struct{}

func (faultySink) SetSendTimeout(time.Duration)  {}
func (faultySink) WriteSome([]byte) (int, error) { panic("as the test wants it") }

func TestPanicBesideTheExchangeCostsOneRequest(t *testing.T) {
	post := "POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000)
	for name, c := range map[string]struct {
		change   func(*Config)
		request  string
		fault    func(x *exchange)
		want     string // what the client gets before the end
		function string // that panics
	}{
		"sending a body from its file": {nil, post, func(x *exchange) {
			x.body.spool.close(x.body.file)
			x.body.file = &os.File{}
		}, "HTTP/1.1 500 ", "copyFile"},
		"sending a body as it comes": {streaming, post, func(x *exchange) { x.body.framing.left = -1 }, "HTTP/1.1 500 ", "passBody"},
		"the client's half of a tunnel": {
			nil, strings.Replace(wsGet, "GET /ws ", "GET /bad ", 1),
			func(x *exchange) { x.head = len(x.in) + 1 }, "HTTP/1.1 101 ", "passUp",
		},
		"what a slow client leaves": {nil, "GET /bad HTTP/1.1\r\nHost: a\r\n\r\n", func(x *exchange) {
			x.backlog.begin(x)
			x.backlog.to, x.backlog.sealed = faultySink{}, true
		}, "", "WriteSome"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, c.change)
			logs := r.observed()
			b := r.backend(1, func(c net.Conn, q request) bool {
				if !strings.Contains(q.head, "Upgrade:") {
					return echo(c, q)
				}
				io.WriteString(c, wsSwitch)
				io.Copy(io.Discard, c)
				return false
			})
			x, client := r.waiting(c.request)
			c.fault(x)
			r.ready(1, 1)
			got, _ := io.ReadAll(client)
			if !strings.HasPrefix(string(got), c.want) || c.want == "" && len(got) > 0 {
				t.Errorf("the client got %.100q, want %q and the end", got, c.want)
			}
			client.Close()
			if !panicked(logs, "a request panicked", c.function) {
				t.Errorf("the log has no panic in %s: %v", c.function, logs.All())
			}
			r.waitFor("nothing is held", func(s Stats) bool {
				b.mu.Lock()
				defer b.mu.Unlock()
				return s.Connections == 0 && s.Upstreams["web"].InFlight == 0 && s.SpoolBytes == 0 && b.open == 0
			})
			if status, body := r.get("/next"); status != 200 || body != "/next" {
				t.Errorf("another request: %d %q", status, body)
			}
			if lines := r.lines(); len(lines) != 2 || !strings.Contains(lines[0], " /bad HTTP/1.1") || !strings.Contains(lines[1], " /next HTTP/1.1") {
				t.Errorf("log %q", lines)
			}
		})
	}
}

// The page of a request that panicked, or its line in the log, may panic too.
func TestSecondPanicOfARequestHoldsNothing(t *testing.T) {
	for name, fault := range map[string]func(p *location){
		"the log alone":   func(p *location) { p.logs = []*logTarget{nil} },
		"the app as well": func(p *location) { p.logs, p.pass = []*logTarget{nil}, &pass{} },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *Config) {
				c.Servers[0].App = ""
				c.Servers[0].Location = []Location{{Path: "/", ProxyPass: "http://web"}, {Path: "/panic", ProxyPass: "http://web"}}
			})
			logs := r.observed()
			r.backend(1, echo)
			r.ready(1, 1)
			place, _ := r.proxy.snap.Load().sites[r.key].fallback.table.find([]byte("/panic"))
			fault(place)
			r.publish()
			client := r.dial()
			io.WriteString(client, "POST /panic HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 100000))
			io.ReadAll(client)
			client.Close()
			r.waitFor("nothing is held", func(s Stats) bool {
				return s.Connections == 0 && s.Upstreams["web"].InFlight == 0 && s.SpoolBytes == 0
			})
			if len(logs.All()) == 0 {
				t.Error("the log says nothing of it")
			}
			if status, _ := r.get("/"); status != 200 {
				t.Errorf("another request: %d", status)
			}
		})
	}
}

func TestPanicOfAHandshakeCostsOneConnection(t *testing.T) {
	r := newSecureRig(t, func(c *Config) {
		certificate, _ := selfSigned(t, "bad.test")
		good := speaks(certificate)
		c.Secure = []Secure{{Config: func(protocols []string) *tls.Config {
			config := good.Config(protocols)
			config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				if hello.ServerName == "bad.test" {
					panic("as the test wants it")
				}
				return &certificate, nil
			}
			return config
		}}}
	})
	logs := r.observed()
	r.client.InsecureSkipVerify = true
	bad := r.client.Clone()
	bad.ServerName = "bad.test"
	if err := tls.Client(r.dial(), bad).Handshake(); err == nil {
		t.Error("the handshake went well")
	}
	if !panicked(logs, "a connection panicked", "handshake") {
		t.Errorf("the log has no panic: %v", logs.All())
	}
	r.waitFor("the connection ends", func(s Stats) bool { return s.Connections == 0 })
	r.open("a.test").Close()
}

func TestPanicOfAMalformedStreamCostsThatStream(t *testing.T) {
	r := newRig2(t, nil)
	logs := r.observed()
	r.backend(1, echo)
	r.ready(1, 0)
	r.proxy.snap.Load().sites[r.key].fallback.logs = []*logTarget{nil} // of what has no place
	r.publish()
	p := r.dial2()
	if got := p.read(p.open(true, "GET /", "Upper: is malformed")); got.reset < 0 {
		t.Errorf("got %v, want a reset", got)
	}
	want2(t, answer2{heads: p.get("/next").heads[:1]}, answer2{heads: []string{"200 server=paddock content-type=text/plain content-length=5"}})
	if !panicked(logs, "a connection panicked", "refuseMalformed") {
		t.Errorf("the log has no panic: %v", logs.All())
	}
	p.nc.Close()
	r.waitFor("the connection ends", func(s Stats) bool { return s.Connections == 0 })
}

func TestPanicOfALookUpIsAFailure(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	calls := 0
	n := newResolver(func(context.Context, string) ([]netip.Addr, time.Duration, error) {
		if calls++; calls == 1 {
			panic("as the test wants it")
		}
		return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, time.Minute, nil
	}, zap.New(core))
	n.ask(t.Context(), []string{"app.test"})
	if got := n.addresses("app.test"); len(got) > 0 || !panicked(logs, "a look-up panicked", "TestPanicOfALookUp") {
		t.Errorf("%v; the log has no stack: %v", got, logs.All())
	}
	failures := logs.FilterFieldKey("error").All()
	if len(failures) != 1 || failures[0].ContextMap()["error"] != "panic: as the test wants it" {
		t.Errorf("want the panic in one line: %v", failures)
	}
	n.ask(t.Context(), []string{"app.test"})
	if got := n.addresses("app.test"); len(got) != 1 {
		t.Errorf("%v after a second look-up", got)
	}
}
