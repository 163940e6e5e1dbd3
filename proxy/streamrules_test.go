package proxy

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// With proxy_request_buffering off the app hears of a body before it is known to be
// good: one that is not never ends for it, and nothing behind it goes on (rules 2 to 4).
func TestRule4BrokenBodyThatStreamsNeverEndsForTheApp(t *testing.T) {
	off := false
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "a"))
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	heard := make(chan string, 1)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all, _, _ := readUntil(c, nil, "0\r\n\r\n") // a whole body ends so
			if strings.HasSuffix(string(all), "0\r\n\r\n") {
				io.WriteString(c, ok("whole"))
			}
			heard <- string(all)
			c.Close()
		}
	}()
	r := newRigOn(t, "unix", filepath.Join(t.TempDir(), "p"), "", func(c *Config) {
		toUpstream(0, "unix:"+ln.Addr().String())(c)
		c.Servers[0].ProxyRequestBuffering = &off
	})
	s := &strictRig{rig: r}
	for _, body := range append([]string{"5\r\nhello\r\n"}, brokenChunks...) {
		if !strings.HasPrefix(body, "5\r\nhello") {
			continue // may be refused before the app hears of it
		}
		if body == "5\r\nhello\r\n" {
			body += "zz\r\n"
		}
		got := s.say("POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"+body[:len("5\r\nhello")], body[len("5\r\nhello"):]+smuggled)
		app := receive(t, heard, "the app's side ends")
		if strings.HasSuffix(app, "0\r\n\r\n") || strings.Contains(app, "SMUGGLED") || strings.Contains(got, " 200 ") || strings.Contains(got, "SMUGGLED") {
			t.Errorf("%.60q: the app got %q, the client %q", body, app, got)
		}
	}
	got := s.say("POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5;a=b\r\nhe", "llo\r\n0\r\nX: y\r\n\r\n"+"GET /p HTTP/1.1\r\n\r\n")
	app := receive(t, heard, "the app's side ends")
	if _, body, _ := strings.Cut(app, "\r\n\r\n"); strings.ReplaceAll(body, "2\r\nhe\r\n3\r\nllo\r\n", "5\r\nhello\r\n") != "5\r\nhello\r\n0\r\n\r\n" || strings.Count(app, "Transfer-Encoding: chunked\r\n") != 1 || strings.Contains(app, "Content-Length") || strings.Contains(app, "Trailer") {
		t.Errorf("a good body: the app got %q", app)
	}
	if !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("a good body: the client got %q", got)
	}
}
