package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"paddock/accesslog"
	"paddock/internal/value"
)

func TestReloadKeepsConnectionsAndUpstreams(t *testing.T) {
	_, addr := tcpBackend(t, func(c net.Conn, q request) bool { io.WriteString(c, ok(q.target())); return true })
	r := newRig(t, toUpstream(8, addr))
	c := r.dial()
	br := bufio.NewReader(c)
	first := r.proxy.upstreams["up"]
	const n = 200
	for i := range n {
		fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i)
		if status, body := readAnswer(t, br, "GET"); status != 200 || body != fmt.Sprint("/", i) {
			t.Fatalf("request %d: %d %q", i, status, body)
		}
		must(t, r.configure())
	}
	if r.proxy.upstreams["up"] != first {
		t.Error("the upstream did not live on")
	}
	r.waitFor("every request is counted, on one connection", func(s Stats) bool { return s.Connections == 1 && s.Requests == n })
	t.Logf("%d sent over one connection with a reload after each, %d answered, 0 failed", n, n)
}

func TestReloadUnderLoadFailsNothing(t *testing.T) {
	_, addr := tcpBackend(t, func(c net.Conn, q request) bool { io.WriteString(c, ok(q.body)); return true })
	r := newRig(t, toUpstream(8, addr))
	const clients, each = 8, 100
	var wg sync.WaitGroup
	for range clients {
		c := r.dial()
		wg.Go(func() {
			br := bufio.NewReader(c)
			for i := range each {
				body := fmt.Sprint(i)
				fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
				if status, got := readAnswer(t, br, "POST"); status != 200 || got != body {
					t.Errorf("got %d %q, want %q", status, got, body)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	reloads := 0
	for more := true; more; reloads++ {
		must(t, r.configure())
		select {
		case <-done:
			more = false
		default:
		}
	}
	t.Logf("%d sent during %d reloads", clients*each, reloads)
	if lines := r.lines(); len(lines) != clients*each {
		t.Errorf("%d log lines for %d requests", len(lines), clients*each)
	}
}

func TestBadConfigurationChangesNothing(t *testing.T) {
	r := newRig(t, nil)
	r.backend(1, echo)
	r.ready(1, 0)
	good := r.cfg
	for what, change := range map[string]func(*Config){
		"a problem":   func(c *Config) { c.Servers[0].App = "nope" },
		"no socket":   func(c *Config) { c.Servers[0].Listen = append(c.Servers[0].Listen, value.Listen{Unix: "/other"}) },
		"no open log": func(c *Config) { c.AccessLog.Path = "/other.log" },
	} {
		r.cfg = good
		r.cfg.Servers = append([]Server(nil), good.Servers...)
		change(&r.cfg)
		if err := r.configure(); err == nil {
			t.Errorf("%s: no error", what)
		}
		if status, _ := r.get("/"); status != 200 {
			t.Errorf("%s: then %d", what, status)
		}
	}
}

func TestRemovedListenerFinishesItsConnections(t *testing.T) {
	r := newRig(t, nil)
	arrived, release := make(chan string, 1), make(chan struct{})
	r.backend(1, holding("x", arrived, release))
	r.ready(1, 0)
	idle, busy := r.dial(), r.dial()
	io.WriteString(busy, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	receive(t, arrived, "a request")
	r.waitFor("both connected", func(s Stats) bool { return s.Connections == 2 })
	other, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer other.Close()
	file, err := other.(*net.TCPListener).File()
	must(t, err)
	defer file.Close()
	r.addr, r.fd = other.Addr().String(), int(file.Fd())
	r.cfg.Servers = []Server{{Listen: r.listens(), App: "web"}}
	must(t, r.configure())
	if out, err := io.ReadAll(idle); len(out) > 0 || err != nil {
		t.Errorf("idle connection: %q, %v", out, err)
	}
	close(release)
	out, err := io.ReadAll(busy)
	if !strings.Contains(string(out), "Connection: close") || !strings.HasSuffix(string(out), "x") || err != nil {
		t.Errorf("busy connection: %q, %v", out, err)
	}
	if status, _ := r.get("/"); status != 200 {
		t.Errorf("new listener: %d", status)
	}
}

func TestShutdownFinishesRequestsAndEndsIdleConnections(t *testing.T) {
	r := newRig(t, nil)
	arrived, release := make(chan string, 1), make(chan struct{})
	r.backend(1, holding("x", arrived, release))
	r.ready(1, 0)
	idle, busy := r.dial(), r.dial()
	io.WriteString(busy, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	receive(t, arrived, "a request")
	done := make(chan struct{})
	go func() { r.stop(); close(done) }()
	if out, err := io.ReadAll(idle); len(out) > 0 || err != nil {
		t.Errorf("idle connection: %q, %v", out, err)
	}
	select {
	case <-done:
		t.Error("shut down with a request in flight")
	default:
	}
	close(release)
	if out, _ := io.ReadAll(busy); !strings.HasSuffix(string(out), "x") {
		t.Errorf("busy connection: %q", out)
	}
	receive(t, done, "shutdown")
}

func TestShutdownCutsWhatDoesNotEnd(t *testing.T) {
	r := newRig(t, nil)
	arrived, release := make(chan string, 1), make(chan struct{})
	r.backend(1, holding("x", arrived, release))
	defer close(release)
	r.ready(1, 0)
	busy, waits := r.dial(), r.dial()
	io.WriteString(busy, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	receive(t, arrived, "a request")
	r.state("starting", 1, 0)
	io.WriteString(waits, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	r.waitFor("one waits", func(s Stats) bool { return s.Upstreams["web"].Queued == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := r.proxy.Shutdown(ctx); err == nil || !strings.Contains(err.Error(), "wait for 2 connections") {
		t.Errorf("got %v", err)
	}
	r.stopped = true
	must(t, r.log.Close())
}

func TestAccessLogOffAndPerLocation(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Servers[0].App = ""
		c.Servers[0].Location = []Location{
			{Path: "/", Return: "200"},
			{Path: "/off", Return: "200", Settings: Settings{AccessLog: accesslog.Settings{{Off: true}}}},
			{Path: "/other", Return: "200", Settings: Settings{AccessLog: accesslog.Settings{{Format: "short"}}}},
		}
		c.Formats["short"] = accesslog.FormatSetting{Format: "$uri $status"}
	})
	const request = "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n"
	r.raw(fmt.Sprintf(request+request+request, "/", "", "/off", "", "/other", "Connection: close\r\n")) // in this order on one connection
	wantLines(t, r, `"GET / HTTP/1.1" 200 0 "-" "-" OK`, "/other 200")
}
