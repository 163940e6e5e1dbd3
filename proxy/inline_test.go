package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"paddock/accesslog"
	"paddock/internal/value"
)

// loopCounter counts what asks it, and how much of that is on the poller's goroutine.
type loopCounter struct{ inline, all atomic.Int64 }

func (n *loopCounter) count() {
	var stack [16 << 10]byte
	n.all.Add(1)
	if bytes.Contains(stack[:runtime.Stack(stack[:], false)], []byte("netpoll.(*loop).drain")) {
		n.inline.Add(1)
	}
}

// watch counts the requests that no app answers, by the log.
func (n *loopCounter) watch(r *rig) {
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{}), zapcore.AddSync(io.Discard), zap.WarnLevel)
	r.proxy.logger = zap.New(core, zap.Hooks(func(zapcore.Entry) error { n.count(); return nil }))
	r.ready(1, 0)
	must(r.t, r.configure()) // from here on requests see the logger
}

// An authority's token may be in a file, of a disk that is slow.
func TestChallengeIsNotLookedForByThePoller(t *testing.T) {
	var count loopCounter
	r := newRig(t, returning("200 ok"))
	r.challenges.Store(&Challenges{HTTP: func(_, token string) (string, bool) { count.count(); return token, true }})
	c := r.dial()
	br := bufio.NewReader(c)
	for range 20 {
		fmt.Fprint(c, "GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: a.test\r\n\r\n")
		if status, body := readAnswer(t, br, "GET"); status != 200 || body != "x" {
			t.Fatalf("%d %q", status, body)
		}
	}
	if count.all.Load() != 20 || count.inline.Load() > 0 {
		t.Errorf("asked %d times, %d of them by the poller; want 20 and 0", count.all.Load(), count.inline.Load())
	}
}

// gathered collects what is written, until it is told to send it in one piece.
type gathered struct {
	net.Conn
	held []byte
	hold bool
}

func (g *gathered) Write(p []byte) (int, error) {
	if g.hold {
		g.held = append(g.held, p...)
		return len(p), nil
	}
	return g.Conn.Write(p)
}

func TestPollerLeavesAConnectionWhoseNextRequestIsAlwaysThere(t *testing.T) {
	const n = 200
	const request = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
	for name, open := range map[string]func(t *testing.T, n *loopCounter) (c net.Conn, send func()){
		"plain": func(t *testing.T, count *loopCounter) (net.Conn, func()) {
			r := newRig(t, nil)
			count.watch(r)
			c := r.dial()
			return c, func() { io.WriteString(c, strings.Repeat(request, n)) }
		},
		"a record for each": func(t *testing.T, count *loopCounter) (net.Conn, func()) {
			r := newSecureRig(t, nil)
			count.watch(r.rig)
			g := &gathered{Conn: r.dial()}
			c := tls.Client(g, r.client)
			return c, func() {
				g.hold = true
				for range n {
					io.WriteString(c, request)
				}
				g.hold = false
				_, err := g.Conn.Write(g.held)
				must(t, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var count loopCounter
			c, send := open(t, &count)
			br := bufio.NewReader(c)
			for count.inline.Load() == 0 { // the first may be served where the handshake was made
				fmt.Fprint(c, request)
				readAnswer(t, br, "GET")
			}
			alone := count.all.Load()
			send()
			for range n {
				if status, _ := readAnswer(t, br, "GET"); status != 502 {
					t.Fatalf("status %d", status)
				}
			}
			if got := count.inline.Load(); count.all.Load() != n+alone || got > 3*maxInlineSteps {
				t.Errorf("%d of %d requests inline; want no more than about %d in one go", got, count.all.Load()-alone, maxInlineSteps)
			}
		})
	}
}

// atEnds is a clock that counts the ends of requests, and those on the poller's goroutine:
// all that the log and a page hold is expanded there.
func (n *loopCounter) atEnds() time.Time {
	var stack [16 << 10]byte
	if bytes.Contains(stack[:runtime.Stack(stack[:], false)], []byte("exchange).record(")) {
		n.count()
	}
	return time.Now()
}

// $realpath_root asks the file system, and a body may go to a file: a disk that hangs is
// to hold one request and not the poller.
func TestPollerAsksNoDisk(t *testing.T) {
	const plain = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
	passes := func(s Settings) func(*Config) {
		return func(c *Config) {
			c.Servers[0].App = ""
			c.Servers[0].Location = []Location{{Path: "/", ProxyPass: "http://web"}, {Path: "/else", ProxyPass: "http://web", Settings: s}}
		}
	}
	format := func(text string) func(*Config) {
		return func(c *Config) { c.Formats["test"] = accesslog.FormatSetting{Format: text} }
	}
	for name, c := range map[string]struct {
		change  func(*Config)
		request string
		inline  bool
	}{
		"no such text":     {nil, plain, true},
		"log_format":       {format("$document_root ${Realpath_Root}"), plain, false},
		"log_format, JSON": {func(c *Config) { c.Formats["test"] = accesslog.FormatSetting{Format: "$realpath_root", Escape: "json"} }, plain, false},
		"no request":       {format("$realpath_root"), "GET / HTTP/9.9\r\nBad\r\n\r\n", false},
		"no such, no text": {nil, "GET / HTTP/9.9\r\nBad\r\n\r\n", true},
		"if":               {func(c *Config) { c.AccessLog.If = "$realpath_root" }, plain, false},
		"proxy_set_header": {passes(Settings{SiteSettings: SiteSettings{ProxySetHeader: map[string]string{"X-Root": "$realpath_root"}}}), plain, false},
		"add_header":       {passes(Settings{SiteSettings: SiteSettings{AddHeader: AddedHeaders{{Name: "X-Root", Value: "$realpath_root"}}}}), plain, false},
		"error_page":       {passes(Settings{SiteSettings: SiteSettings{ErrorPage: []string{"502 /$realpath_root"}}}), plain, false},
		"return":           {returning("200 $realpath_root"), plain, false},
		"hash": {func(c *Config) {
			c.Servers[0].App = ""
			c.Servers[0].Location = []Location{{Path: "/", ProxyPass: "http://other"}}
			u := DefaultUpstream()
			u.Server, u.Hash = []string{"127.0.0.1:1", "127.0.0.1:2"}, "$realpath_root"
			c.Upstreams = map[string]Upstream{"other": u}
		}, plain, false},
		"a body in memory": {nil, "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: 20\r\n\r\n" + strings.Repeat("x", 20), true},
		"a body in a file": {func(c *Config) {
			c.Servers[0].ClientBodyBuffer = new(value.Size(16))
			c.TempDir = "/nonexistent"
		}, "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: 21\r\n\r\n" + strings.Repeat("x", 20), false},
	} {
		t.Run(name, func(t *testing.T) {
			var count loopCounter
			r := newRigAt(t, "tcp", "127.0.0.1:0", "", count.atEnds, c.change)
			r.ready(1, 0)
			const n = 10 // the first is served where its connection was accepted, maybe
			for range n {
				r.raw(c.request)
			}
			if count.all.Load() != n || (count.inline.Load() > 0) != c.inline {
				t.Errorf("%d requests ended, %d of them on the poller's goroutine", count.all.Load(), count.inline.Load())
			}
		})
	}
}

func lengthOf(n int) string { return fmt.Sprintf("Content-Length: %d\r\n", n) }

// A long answer that its client takes as it comes would never wait for anything: others of
// the poller's goroutine would wait for it.
func TestPollerRelaysNoLongAnswer(t *testing.T) {
	const piece = 32 << 10
	for name, c := range map[string]struct {
		head   string
		size   int // that the app sends before it closes
		inline bool
	}{
		"length, at the bound":           {lengthOf(maxInlineAnswer), maxInlineAnswer, true},
		"length, above it":               {lengthOf(maxInlineAnswer + 1), maxInlineAnswer + 1, false},
		"begun, at the bound":            {lengthOf(maxInlineAnswer), 1, true},
		"begun, above it":                {lengthOf(maxInlineAnswer + 1), 1, false}, // from its head on
		"until it closes, at the bound":  {"", maxInlineAnswer, true},
		"until it closes, past it":       {"", maxInlineAnswer + 1, false},
		"until it closes, far behind it": {"", 4 * maxInlineAnswer, false},
	} {
		t.Run(name, func(t *testing.T) {
			var count loopCounter
			r := newRigAt(t, "tcp", "127.0.0.1:0", "", count.atEnds, nil)
			taken := make(chan struct{}, 1)
			r.backend(1, func(app net.Conn, _ request) bool {
				io.WriteString(app, "HTTP/1.1 200 OK\r\n"+c.head+"\r\n")
				for left := c.size; left > 0; left -= piece {
					app.Write(make([]byte, min(piece, left)))
					<-taken
				}
				return false
			})
			r.ready(1, 0)
			const n = 10 // the first is served where its connection was accepted, maybe
			for range n {
				client := r.dial()
				io.WriteString(client, "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n")
				br := bufio.NewReader(client)
				readHead(t, br)
				for left := c.size; left > 0; left -= piece {
					_, err := io.CopyN(io.Discard, br, int64(min(piece, left)))
					must(t, err)
					taken <- struct{}{}
				}
				if rest, err := io.ReadAll(br); len(rest) > 0 || err != nil {
					t.Fatalf("behind the answer: %d bytes, %v", len(rest), err)
				}
			}
			if count.all.Load() != n || (count.inline.Load() > 0) != c.inline {
				t.Errorf("%d answers ended, %d of them on the poller's goroutine", count.all.Load(), count.inline.Load())
			}
		})
	}
}
