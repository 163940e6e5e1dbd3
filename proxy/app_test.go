package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// holding is an app that answers when it is told to.
func holding(name string, arrived chan<- string, release <-chan struct{}) func(net.Conn, request) bool {
	return func(c net.Conn, q request) bool {
		arrived <- name + q.target()
		<-release
		io.WriteString(c, ok(name))
		return false
	}
}

func TestDrainReturnsWhenTheOldGenerationIsIdle(t *testing.T) {
	r := newRig(t, nil)
	arrived, release := make(chan string, 10), make(chan struct{})
	r.backend(1, holding("old", arrived, release))
	r.backend(2, answers(ok("new")))
	r.ready(1, 4)
	old := r.dial()
	io.WriteString(old, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
	receive(t, arrived, "the old generation has a request")
	r.ready(2, 4)
	if status, body := r.get("/"); status != 200 || body != "new" {
		t.Errorf("after the switch: %d %q", status, body)
	}
	drained := make(chan error, 1)
	go func() { drained <- r.proxy.Drain(context.Background(), "web", 1) }()
	select {
	case err := <-drained:
		t.Fatalf("drained with a request in flight: %v", err)
	default:
	}
	short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := r.proxy.Drain(short, "web", 1); err == nil || !strings.Contains(err.Error(), "1 requests were in flight") {
		t.Errorf("drain in a short time: %v", err)
	}
	close(release)
	if err := receive(t, drained, "drain"); err != nil {
		t.Error(err)
	}
	if status, body := readAnswer(t, bufio.NewReader(old), "GET"); status != 200 || body != "old" {
		t.Errorf("request of the old generation: %d %q", status, body)
	}
	must(t, r.proxy.Drain(context.Background(), "web", 1))
	must(t, r.proxy.Drain(context.Background(), "unknown", 1))
}

func TestAppDownIs503WithRetryAfter(t *testing.T) {
	r := newRig(t, nil)
	must(t, r.proxy.SetApp(AppState{Name: "web", State: "backoff", Generation: 1, Socket: "web.1.sock", RetryAfter: 1500 * time.Millisecond}))
	got, _ := r.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 503 Service Temporarily Unavailable\r\n") || !strings.Contains(got, "Retry-After: 2\r\n") {
		t.Errorf("got %q", got)
	}
	// The body of a request that can not succeed is not waited for.
	client := r.dial()
	io.WriteString(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
	if status, _ := readAnswer(t, bufio.NewReader(client), "POST"); status != 503 {
		t.Errorf("POST: %d, want 503", status)
	}
	if err := r.proxy.SetApp(AppState{Name: "web", State: "odd"}); err == nil || !strings.Contains(err.Error(), "expected starting, ready") {
		t.Errorf("unknown state: %v", err)
	}
}

func TestRequestsWaitWhileTheAppStarts(t *testing.T) {
	r := newRig(t, nil)
	const n = 10
	for i := range n {
		fmt.Fprintf(r.dial(), "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i)
	}
	r.waitFor("all in the queue", func(s Stats) bool { return s.Upstreams["web"].Queued == n })
	if s := r.proxy.Stats().Upstreams["web"]; s.State != "starting" || s.QueueSize != defaultQueueSize {
		t.Errorf("stats %+v", s)
	}
	b := r.backend(1, echo)
	r.ready(1, 2)
	r.waitFor("all served", func(s Stats) bool { return s.Requests == n })
	if len(b.seen()) != n {
		t.Errorf("the app got %d requests, want %d", len(b.seen()), n)
	}
}

// waitFor polls the counters, which no event announces.
func (r *rig) waitFor(what string, done func(Stats) bool) {
	r.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	end := time.After(testTimeout)
	for !done(r.proxy.Stats()) {
		select {
		case <-tick.C:
		case <-end:
			r.t.Fatalf("timed out: %s: %+v", what, r.proxy.Stats())
		}
	}
}

func TestClientThatLeavesTheQueueIsNeverSeenByTheApp(t *testing.T) {
	r := newRig(t, nil)
	b := r.backend(1, echo)
	gone, stays := r.dial(), r.dial()
	io.WriteString(gone, "GET /gone HTTP/1.1\r\nHost: a\r\n\r\n")
	r.waitFor("in the queue", func(s Stats) bool { return s.Upstreams["web"].Queued == 1 })
	io.WriteString(stays, "GET /stays HTTP/1.1\r\nHost: a\r\n\r\n")
	r.waitFor("both in the queue", func(s Stats) bool { return s.Upstreams["web"].Queued == 2 })
	gone.Close()
	r.waitFor("one left", func(s Stats) bool { return s.Upstreams["web"].Queued == 1 })
	r.ready(1, 1)
	if status, _ := readAnswer(t, bufio.NewReader(stays), "GET"); status != 200 {
		t.Errorf("got %d", status)
	}
	if seen := b.seen(); len(seen) != 1 {
		t.Errorf("the app got %d requests, want 1", len(seen))
	}
	wantLines(t, r, `"GET /gone HTTP/1.1" 499 0 "-" "-" `, `"GET /stays HTTP/1.1" 200 6 "unix:web.1.sock" "200" OK`)
}

func TestClientThatLeavesEndsTheAppsConnection(t *testing.T) {
	cases := []struct{ name, first, log string }{
		{"before the answer", "", `499 0 "unix:web.1.sock" "-" `},
		{"in the answer", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", `200 3 "unix:web.1.sock" "200" `},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, nil)
			arrived, ended := make(chan string, 1), make(chan error, 1)
			r.backend(1, func(conn net.Conn, q request) bool {
				io.WriteString(conn, c.first)
				arrived <- q.target()
				_, err := conn.Read(make([]byte, 1))
				ended <- err
				return false
			})
			r.ready(1, 1)
			client := r.dial()
			io.WriteString(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			receive(t, arrived, "the app has the request")
			if c.first != "" {
				readHead(t, bufio.NewReader(client))
			}
			client.Close()
			if err := receive(t, ended, "the app's connection ends"); err != io.EOF && !strings.Contains(err.Error(), "reset") {
				t.Errorf("the app read %v", err)
			}
			wantLines(t, r, `"GET / HTTP/1.1" `+c.log)
		})
	}
}

func TestProbeTakesAnyAnswerBelow500(t *testing.T) {
	cases := []struct {
		answer, want string
	}{
		{ok("x"), ""},
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", ""},
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 301 Moved\r\n\r\n", ""},
		{"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "GET /healthz answered 500; expected less than 500"},
		{"", "EOF"},
	}
	for _, c := range cases {
		r := newRig(t, func(cfg *Config) {
			app := DefaultApp()
			app.Health = "/healthz"
			cfg.Apps["web"] = app
			cfg.Servers[0].ServerName = []string{"*.b.test", "A.test"}
		})
		b := r.backend(7, answers(c.answer))
		err := r.proxy.Probe(context.Background(), "web", 7, socketName(7))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.answer, err, c.want)
		}
		want := "GET /healthz HTTP/1.1\r\nHost: a.test\r\nUser-Agent: paddock-probe\r\nConnection: close\r\n\r\n"
		if seen := b.seen(); len(seen) != 1 || seen[0].head != want {
			t.Errorf("the app got %q, want %q", seen, want)
		}
		wantLines(t, r)
	}
}

func TestProbeEndsWithItsContext(t *testing.T) {
	r := newRig(t, nil)
	arrived := make(chan string, 1)
	release := make(chan struct{})
	defer close(release)
	r.backend(1, holding("", arrived, release))
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-arrived; cancel() }()
	if err := r.proxy.Probe(ctx, "web", 1, socketName(1)); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("got %v", err)
	}
	if err := r.proxy.Probe(context.Background(), "other", 1, "x"); err == nil {
		t.Error("an unknown app was probed")
	}
}
