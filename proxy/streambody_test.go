package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"paddock/internal/value"
)

// streaming turns proxy_request_buffering off.
func streaming(c *Config) { c.Servers[0].ProxyRequestBuffering = new(false) }

// listening is an app that tells of each read of a request, and answers when a message
// has ended.
func listening(t *testing.T, r *rig, answer string, until string) (heard <-chan string) {
	t.Helper()
	ln, err := net.Listen("unix", r.dir+"/web.1.sock")
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	tell := make(chan string, 1000)
	go func() {
		defer close(tell)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf, all := make([]byte, 64<<10), ""
		for !strings.HasSuffix(all, until) {
			n, err := c.Read(buf)
			all += string(buf[:n])
			tell <- string(buf[:n])
			if err != nil {
				tell <- "end"
				return
			}
		}
		io.WriteString(c, answer)
	}()
	return tell
}

// hears waits until what was heard ends with want.
func hears(t *testing.T, heard <-chan string, want string) {
	t.Helper()
	var all strings.Builder
	for text := range heard {
		if all.WriteString(text); strings.HasSuffix(all.String(), want) {
			return
		}
	}
	t.Fatalf("the app heard %q, want %q at the end", all.String(), want)
}

func TestStreamedBodyReachesTheAppAsItComes(t *testing.T) {
	for name, c := range map[string]struct{ head, first, second, wantFirst, wantSecond, framing string }{
		"length":  {"Content-Length: 6", "abc", "def", "abc", "def", "\r\nContent-Length: 6\r\n"},
		"chunked": {"Transfer-Encoding: chunked", "3\r\nabc\r\n", "3;x=y\r\ndef\r\n0\r\nA: b\r\n\r\n", "3\r\nabc\r\n", "3\r\ndef\r\n0\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, streaming)
			heard := listening(t, r, ok("done"), c.wantSecond)
			r.ready(1, 0)
			client := r.dial()
			io.WriteString(client, "POST / HTTP/1.1\r\nHost: a\r\n"+c.head+"\r\n\r\n"+c.first)
			head := <-heard
			if !strings.Contains(head, c.framing) {
				t.Errorf("the app got %q, want %q", head, c.framing)
			}
			if !strings.HasSuffix(head, c.wantFirst) {
				hears(t, heard, c.wantFirst)
			}
			io.WriteString(client, c.second+"GET /next HTTP/1.1\r\n") // what follows is another request
			hears(t, heard, c.wantSecond)
			if status, body := readAnswer(t, bufio.NewReader(client), "POST"); status != 200 || body != "done" {
				t.Errorf("got %d %q", status, body)
			}
			client.Close()
		})
	}
}

func TestAnswerBeforeTheEndOfAStreamedBodyEndsTheConnection(t *testing.T) {
	r := newRig(t, streaming)
	heard := listening(t, r, ok("early"), "abc")
	r.ready(1, 0)
	client := r.dial()
	io.WriteString(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
	br := bufio.NewReader(client)
	head := readHead(t, br)
	if !strings.HasPrefix(head, "HTTP/1.1 200 ") || !strings.Contains(head, "Connection: close\r\n") {
		t.Errorf("got %q", head)
	}
	if body, err := io.ReadAll(br); string(body) != "early" || err != nil {
		t.Errorf("body %q, %v", body, err)
	}
	for range heard { // the app's connection has ended too
	}
	client.Close()
	r.waitFor("all is over", func(s Stats) bool { return s.Connections == 0 && s.Upstreams["web"].InFlight == 0 })
}

func TestStreamedBodyThatFailsIsRefusedAndTheAppSeesItBreak(t *testing.T) {
	limit := value.Size(5)
	for name, c := range map[string]struct {
		head, body string
		leave      bool
		want       string
		log        string
	}{
		"too large":   {"Transfer-Encoding: chunked", "6\r\nabcdef\r\n", false, "HTTP/1.1 413 ", `"POST / HTTP/1.1" 413 `},
		"bad chunk":   {"Transfer-Encoding: chunked", "3\r\nabcX", false, "HTTP/1.1 400 ", `"POST / HTTP/1.1" 400 `},
		"client left": {"Content-Length: 5", "abc", true, "", `"POST / HTTP/1.1" 4`}, // 400, or 499 when it was seen to hang up
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(cfg *Config) { streaming(cfg); cfg.Servers[0].ClientMaxBodySize = &limit })
			heard := listening(t, r, "", "never")
			r.ready(1, 0)
			client := r.dial()
			fmt.Fprintf(client, "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", c.head)
			<-heard
			io.WriteString(client, c.body)
			if c.leave {
				client.Close()
			} else if got, _ := bufio.NewReader(client).ReadString('\n'); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			hears(t, heard, "end")
			client.Close()
			r.waitFor("all is over", func(s Stats) bool { return s.Connections == 0 && s.Upstreams["web"].InFlight == 0 })
			if lines := r.lines(); len(lines) != 1 || !strings.HasPrefix(lines[0], c.log) {
				t.Errorf("the log: %q", lines)
			}
		})
	}
}

func TestStreamedBodyOfManyBytesArrivesWhole(t *testing.T) {
	r := newRig(t, func(c *Config) { streaming(c); c.Servers[0].ClientMaxBodySize = new(value.Size(0)) })
	r.backend(1, echo)
	r.ready(1, 0)
	body := strings.Repeat("0123456789abcdef", 200_000)
	client := r.dial()
	go fmt.Fprintf(client, "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%sGET /next HTTP/1.1\r\nHost: a\r\n\r\n", len(body), body)
	br := bufio.NewReader(client)
	if status, got := readAnswer(t, br, "POST"); status != 200 || got != "/p"+body {
		t.Errorf("%d and %d bytes, want %d", status, len(got), len(body)+2)
	}
	if status, got := readAnswer(t, br, "GET"); status != 200 || got != "/next" {
		t.Errorf("the next request: %d %q", status, got)
	}
}
