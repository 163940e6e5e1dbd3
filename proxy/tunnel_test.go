package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"paddock/accesslog"
)

const (
	wsKey    = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
	wsGet    = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nX-Other: 1\r\n" + wsKey + "\r\n"
	wsSwitch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
	wsHead   = "HTTP/1.1 101 Switching Protocols\r\nServer: paddock\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
)

// switches is an app that answers 101 and then does what it is told.
func switches(then func(net.Conn)) func(net.Conn, request) bool {
	return func(c net.Conn, _ request) bool {
		io.WriteString(c, wsSwitch)
		then(c)
		return false
	}
}

// echoes sends back all that comes until the client's end.
func echoes(c net.Conn) { io.Copy(c, c) }

// open begins a tunnel and returns the client's end of it behind the head.
func (r *rig) open(early string) (net.Conn, *bufio.Reader) {
	r.t.Helper()
	c := r.dial()
	io.WriteString(c, wsGet+early)
	br := bufio.NewReader(c)
	if head := maskDate(readHead(r.t, br)); head != wsHead {
		r.t.Fatalf("the client got %q", head)
	}
	return c, br
}

func exchangeText(t *testing.T, c net.Conn, br *bufio.Reader, text string) {
	t.Helper()
	_, err := io.WriteString(c, text)
	must(t, err)
	wantText(t, br, text)
}

func wantText(t *testing.T, br io.Reader, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(br, got); err != nil || string(got) != text {
		t.Fatalf("got %q, %v; want %q", got, err, text)
	}
}

func TestWebSocketIsATunnelWithOneLogLineAtItsEnd(t *testing.T) {
	r := newRig(t, nil)
	b := r.backend(1, switches(echoes))
	r.ready(1, 1)
	c, br := r.open("early")
	wantText(t, br, "early")
	for range 10 {
		exchangeText(t, c, br, "0123456789")
	}
	if s := r.proxy.Stats(); s.Upstreams["web"].InFlight != 1 || s.Requests != 0 {
		t.Errorf("while it is open: %+v", s)
	}
	c.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(br); len(rest) > 0 || err != nil {
		t.Errorf("behind the end: %q, %v", rest, err)
	}
	r.waitFor("the place in the app is free", func(s Stats) bool { return s.Upstreams["web"].InFlight == 0 && s.Connections == 0 })
	const want = "GET /ws HTTP/1.1\r\nHost: a.test\r\nX-Real-IP: 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a.test\r\n" +
		"Connection: upgrade\r\nUpgrade: websocket\r\nX-Other: 1\r\n" + wsKey + "\r\n"
	if got := b.seen()[0].head; got != want {
		t.Errorf("the app got\n%s\nwant\n%s", got, want)
	}
	wantLines(t, r, `"GET /ws HTTP/1.1" 101 105 "unix:web.1.sock" "101" OK`)
}

func TestLogOfATunnelHasTheWholeSession(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Formats["test"] = accesslog.FormatSetting{Format: "$request_time|$upstream_bytes_received|$upstream_bytes_sent|$upstream_http_sec_websocket_accept|$sent_http_upgrade|$http_x_other"}
	})
	release := make(chan struct{})
	b := r.backend(1, switches(func(c net.Conn) {
		io.WriteString(c, "12345")
		<-release
	}))
	r.ready(1, 0)
	c, br := r.open("up")
	wantText(t, br, "12345")
	begun := time.Now()
	tick := time.NewTicker(60 * time.Millisecond)
	defer tick.Stop()
	<-tick.C
	close(release)
	io.ReadAll(br)
	c.Close()
	lasted := time.Since(begun)
	var took float64
	line := r.lines()[0]
	rest := line[strings.IndexByte(line, '|'):]
	fmt.Sscan(line[:strings.IndexByte(line, '|')], &took)
	want := fmt.Sprintf("|%d|%d|s3pPLMBiTxaQ9kYGzzhZRbK+xOo=|websocket|1", len(wsSwitch)+5, len(b.seen()[0].head)+2)
	if took < 0.06 || took > lasted.Seconds()+1 || rest != want {
		t.Errorf("logged %s; want 0.06 or more and %s", line, want)
	}
}

func TestEarlyBytesOfEitherSideAreNotLost(t *testing.T) {
	r := newRig(t, nil)
	const n = 7 << 10
	fromClient, fromApp := strings.Repeat("c", n), strings.Repeat("a", n)
	got := make(chan string, 1)
	r.backend(1, func(c net.Conn, _ request) bool {
		io.WriteString(c, wsSwitch+fromApp) // in one segment with the head
		text := make([]byte, n)
		io.ReadFull(c, text)
		got <- string(text)
		return false
	})
	r.ready(1, 0)
	_, br := r.open(fromClient)
	wantText(t, br, fromApp)
	if text := receive(t, got, "the client's early bytes"); text != fromClient {
		t.Errorf("the app got %d bytes that differ", len(text))
	}
}

func TestEachSideOfATunnelMayEndFirst(t *testing.T) {
	t.Run("client", func(t *testing.T) {
		r := newRig(t, nil)
		r.backend(1, switches(func(c net.Conn) {
			all, _ := io.ReadAll(c)
			fmt.Fprintf(c, "read %d", len(all))
		}))
		r.ready(1, 0)
		c, br := r.open("")
		io.WriteString(c, strings.Repeat("x", 100_000))
		c.(*net.TCPConn).CloseWrite()
		if rest, err := io.ReadAll(br); string(rest) != "read 100000" || err != nil {
			t.Errorf("got %q, %v", rest, err)
		}
	})
	t.Run("app", func(t *testing.T) {
		r := newRig(t, nil)
		last := make(chan string, 1)
		r.backend(1, switches(func(c net.Conn) {
			io.WriteString(c, "bye")
			c.(*net.UnixConn).CloseWrite()
			all, _ := io.ReadAll(c)
			last <- string(all)
		}))
		r.ready(1, 0)
		c, br := r.open("")
		if rest, err := io.ReadAll(br); string(rest) != "bye" || err != nil {
			t.Errorf("got %q, %v", rest, err)
		}
		io.WriteString(c, "and you")
		c.Close()
		if text := receive(t, last, "the client's last words"); text != "and you" {
			t.Errorf("the app got %q", text)
		}
	})
}

func TestAbortOfOneSideEndsTheOther(t *testing.T) {
	t.Run("client", func(t *testing.T) {
		r := newRig(t, nil)
		ended := make(chan error, 1)
		r.backend(1, switches(func(c net.Conn) {
			_, err := io.Copy(io.Discard, c)
			ended <- err
		}))
		r.ready(1, 0)
		c, _ := r.open("x")
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		receive(t, ended, "the app sees the end")
		wantLines(t, r, `"GET /ws HTTP/1.1" 101 0 "unix:web.1.sock" "101" `)
	})
	t.Run("app", func(t *testing.T) {
		r := newRig(t, nil)
		r.backend(1, switches(func(c net.Conn) { io.ReadFull(c, make([]byte, 1)) }))
		r.ready(1, 0)
		c, br := r.open("xy") // y is unread: the close is a reset
		if rest, err := io.ReadAll(br); len(rest) > 0 || err != nil {
			t.Logf("the client read %q, %v", rest, err)
		}
		c.Close()
		r.waitFor("nothing is left", func(s Stats) bool { return s.Connections == 0 && s.Upstreams["web"].InFlight == 0 })
	})
}

func TestIdleTunnelEndsAtProxyReadTimeout(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Servers[0].ProxyReadTimeout = duration(300 * time.Millisecond) })
	var silent atomic.Bool
	r.backend(1, switches(func(c net.Conn) {
		buf := make([]byte, 100)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			if !silent.Load() {
				c.Write(buf[:n])
			}
		}
	}))
	r.ready(1, 0)
	c, br := r.open("")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := range 20 { // a second: each of either side's bytes renews the time
		silent.Store(i >= 10)
		<-tick.C
		if _, err := io.WriteString(c, "x"); err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
	}
	begun := time.Now()
	rest, err := io.ReadAll(br)
	if took := time.Since(begun); len(rest) < 9 || len(rest) > 10 || err != nil || took < 200*time.Millisecond || took > 5*time.Second {
		t.Errorf("got %q, %v after %v; want the end after 300 ms", rest, err, took)
	}
	wantLines(t, r, fmt.Sprintf(`"GET /ws HTTP/1.1" 101 %d "unix:web.1.sock" "101" `, len(rest)))
}

func TestSlowSideOfATunnelHoldsTheOtherBack(t *testing.T) {
	const total = 64 << 20
	r := newRig(t, nil)
	var sent atomic.Int64
	r.backend(1, switches(func(c net.Conn) {
		part := bytes.Repeat([]byte("0123456789abcdef"), 4096)
		for sent.Load() < total {
			n, err := c.Write(part)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	r.ready(1, 0)
	_, br := r.open("")
	// The app is held back when its count stays the same for a while.
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	last := int64(-1)
	for range tick.C {
		if n := sent.Load(); n == last && n > 0 {
			break
		}
		last = sent.Load()
	}
	if last > 32<<20 {
		t.Errorf("the app could send %d bytes to a client that reads none", last)
	}
	n, err := io.Copy(io.Discard, br)
	if n != total || err != nil {
		t.Errorf("the client got %d of %d bytes, %v", n, total, err)
	}
	t.Logf("held back after %d bytes; %d of %d bytes came", last, n, total)
}

func TestSlowClientIsCutAtSendTimeout(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Servers[0].SendTimeout = duration(100 * time.Millisecond) })
	ended := make(chan error, 1)
	r.backend(1, switches(func(c net.Conn) {
		var err error
		for err == nil {
			_, err = c.Write(make([]byte, 1<<16))
		}
		ended <- err
	}))
	r.ready(1, 0)
	r.open("")
	receive(t, ended, "the app is cut off")
}
