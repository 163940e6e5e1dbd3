package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"paddock/accesslog"
)

func TestTunnelOutlivesReloadsDeploysAndItsListener(t *testing.T) {
	r := newRig(t, nil)
	r.backend(1, switches(echoes))
	r.backend(2, answers(ok("new")))
	r.ready(1, 4)
	c, br := r.open("")
	for range 20 {
		must(t, r.configure())
	}
	exchangeText(t, c, br, "after 20 reloads")
	r.ready(2, 4)
	if status, body := r.get("/"); status != 200 || body != "new" {
		t.Errorf("the new generation: %d %q", status, body)
	}
	short, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := r.proxy.Drain(short, "web", 1); err == nil {
		t.Error("drained with an open tunnel")
	}
	exchangeText(t, c, br, "after a deploy")
	cfg := r.cfg
	cfg.Servers = nil
	logs := map[string]*accesslog.Log{r.logPath: r.log}
	must(t, r.proxy.Configure(cfg, nil, logs))
	exchangeText(t, c, br, "after its site is gone")
	c.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(br); len(rest) > 0 || err != nil {
		t.Errorf("got %q, %v", rest, err)
	}
	must(t, r.proxy.Drain(context.Background(), "web", 1))
}

func TestIdleTunnelsOutliveReloadsAndStayCheap(t *testing.T) {
	const n, most = 500, 96 << 10 // bytes for each: 40 + 16 KiB of buffers, two goroutines, and the test's own two ends
	r := newRig(t, nil)
	r.backend(1, switches(func(c net.Conn) {
		buf := make([]byte, 100)
		for {
			k, err := c.Read(buf)
			if err != nil {
				return
			}
			c.Write(buf[:k])
		}
	}))
	r.ready(1, 0)
	before := heapInUse()
	type end struct {
		c  net.Conn
		br *bufio.Reader
	}
	var all []end
	for range n {
		c, br := r.open("")
		all = append(all, end{c, br})
	}
	if each := (heapInUse() - before) / n; each > most && !raceEnabled {
		t.Errorf("%d bytes for each tunnel with its client and app, want at most %d", each, most)
	} else {
		t.Logf("%d bytes for each tunnel with its client and app", each)
	}
	for range 20 {
		must(t, r.configure())
	}
	for i, e := range all {
		exchangeText(t, e.c, e.br, fmt.Sprintf("tunnel %d", i))
		e.c.Close()
	}
	t.Logf("%d tunnels, %d alive after 20 reloads, 0 cut", n, len(all))
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

func TestShutdownKeepsTunnelsToItsLimitThenCutsThem(t *testing.T) {
	r := newRig(t, nil)
	ended := make(chan error, 1)
	r.backend(1, switches(func(c net.Conn) {
		_, err := io.Copy(c, c)
		ended <- err
	}))
	r.ready(1, 0)
	c, br := r.open("")
	ctx, cancel := context.WithCancel(context.Background())
	down := make(chan error, 1)
	go func() { down <- r.proxy.Shutdown(ctx) }()
	r.waitFor("the listener is closed", func(Stats) bool {
		refused, err := net.Dial("tcp", r.addr)
		if err == nil {
			refused.SetDeadline(time.Now().Add(20 * time.Millisecond))
			io.WriteString(refused, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			_, err = http.ReadResponse(bufio.NewReader(refused), nil)
			refused.Close()
		}
		return err != nil
	})
	exchangeText(t, c, br, "still here")
	cancel()
	if err := receive(t, down, "shutdown"); err == nil {
		t.Error("shutdown says that nothing was cut")
	}
	receive(t, ended, "the app sees the end")
	if rest, _ := io.ReadAll(br); len(rest) > 0 {
		t.Errorf("got %q", rest)
	}
	r.stopped = true
	must(t, r.log.Close())
}

func TestWebSocketOfAnAsynchronousAppLeavesItsLimit(t *testing.T) {
	for _, async := range []bool{true, false} {
		r := newRig(t, nil)
		r.backend(1, func(c net.Conn, q request) bool {
			if q.target() == "/ws" {
				return switches(echoes)(c, q)
			}
			return answers(ok("page"))(c, q)
		})
		must(t, r.proxy.SetApp(AppState{Name: "web", State: "ready", Generation: 1, Socket: socketName(1), Limit: 1, Async: async}))
		ws, br := r.open("")
		exchangeText(t, ws, br, "open")
		page := r.dial()
		io.WriteString(page, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if async {
			if status, _ := readAnswer(t, bufio.NewReader(page), "GET"); status != 200 {
				t.Errorf("a page beside a WebSocket: %d", status)
			}
			if s := r.proxy.Stats().Upstreams["web"]; s.InFlight != 1 {
				t.Errorf("%+v, want the WebSocket in flight", s)
			}
		} else {
			r.waitFor("the page waits for the WebSocket to end", func(s Stats) bool { return s.Upstreams["web"].Queued == 1 })
		}
		ws.Close()
		r.waitFor("nothing is in flight", func(s Stats) bool { return s.Upstreams["web"].InFlight == 0 })
		if status, _ := r.get("/"); status != 200 {
			t.Errorf("after the WebSocket: %d", status)
		}
		q := &r.proxy.upstreams["web"].queue
		r.waitFor("the page is no longer in flight", func(s Stats) bool { return s.Upstreams["web"].InFlight == 0 })
		q.mu.Lock()
		g := q.current
		if g.exempt != 0 || g.inFlight != 0 {
			t.Errorf("%d in flight, %d of them exempt, want none", g.inFlight, g.exempt)
		}
		q.mu.Unlock()
	}
}
