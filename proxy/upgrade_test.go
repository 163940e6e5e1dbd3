package proxy

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
)

func TestOnlyAWebSocketHandshakeIsPassedOnAsAnUpgrade(t *testing.T) {
	const ws = "Connection: Upgrade\nUpgrade: websocket\n"
	key := strings.ReplaceAll(wsKey, "\r\n", "\n")
	cases := []struct{ name, request string }{
		{"h2c", "GET / HTTP/1.1\nHost: a\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\n"},
		{"h2c beside websocket", "GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket, h2c\n" + key},
		{"two fields", "GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket\nUpgrade: h2c\n" + key},
		{"another protocol", "GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: TLS/1.0\n" + key},
		{"with a version", "GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket/13\n" + key},
		{"not named in Connection", "GET / HTTP/1.1\nHost: a\nUpgrade: websocket\n" + key},
		{"Connection alone", "GET / HTTP/1.1\nHost: a\nConnection: Upgrade\n" + key},
		{"POST", "POST / HTTP/1.1\nHost: a\nContent-Length: 0\n" + ws + key},
		{"HEAD", "HEAD / HTTP/1.1\nHost: a\n" + ws + key},
		{"HTTP/1.0", "GET / HTTP/1.0\nHost: a\n" + ws + key},
		{"a body", "GET / HTTP/1.1\nHost: a\nContent-Length: 2\n" + ws + key + "\nxy"},
		{"a chunked body", "GET / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n" + ws + key + "\n0\n"},
		{"no key", "GET / HTTP/1.1\nHost: a\n" + ws + "Sec-WebSocket-Version: 13\n"},
		{"a short key", "GET / HTTP/1.1\nHost: a\n" + ws + "Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZQ==\n"},
		{"a key that is no base64", "GET / HTTP/1.1\nHost: a\n" + ws + "Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\n"},
		{"a long key", "GET / HTTP/1.1\nHost: a\n" + ws + "Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZXh4\n"},
		{"two keys", "GET / HTTP/1.1\nHost: a\n" + ws + key + key},
		{"no version", "GET / HTTP/1.1\nHost: a\n" + ws + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"},
		{"a version that is no number", "GET / HTTP/1.1\nHost: a\n" + ws + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13x\n"},
	}
	r := newRig(t, nil)
	b := r.backend(1, answers(ok("")))
	r.ready(1, 0)
	for i, c := range cases {
		client := r.dial()
		io.WriteString(client, crlfs(c.request)+"\r\n")
		if status, _ := readAnswer(t, bufio.NewReader(client), strings.Fields(c.request)[0]); status != 200 {
			t.Errorf("%s: %d", c.name, status)
		}
		client.Close()
		r.waitFor("done", func(s Stats) bool { return s.Requests >= uint64(i+1) })
		head := strings.ToLower(b.seen()[i].head)
		for _, bad := range []string{"\nupgrade:", "connection: upgrade", "http2-settings", "h2c"} {
			if strings.Contains(head, bad) {
				t.Errorf("%s: the app got %q", c.name, head)
			}
		}
	}
}

func TestSwitchThatWasNotAskedForIs502(t *testing.T) {
	const plain = "GET /ws HTTP/1.1\r\nHost: a\r\n\r\n"
	cases := []struct{ name, request, answer string }{
		{"not asked for", plain, wsSwitch + "SMUGGLED"},
		{"no Upgrade", wsGet, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n"},
		{"not in Connection", wsGet, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"},
		{"another protocol", wsGet, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"},
		{"two of them", wsGet, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n\r\n"},
		{"of HTTP/1.0", wsGet, "HTTP/1.0 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.backend(1, answers(c.answer))
			r.ready(1, 0)
			client := r.dial()
			io.WriteString(client, c.request)
			if status, body := readAnswer(t, bufio.NewReader(client), "GET"); status != 502 || strings.Contains(body, "SMUGGLED") {
				t.Errorf("got %d %q, want 502", status, body)
			}
		})
	}
}

func TestAppThatDoesNotSwitchKeepsHTTP(t *testing.T) {
	r := newRig(t, nil)
	b := r.backend(1, func(c net.Conn, q request) bool {
		if q.target() == "/ws" {
			io.WriteString(c, "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nContent-Length: 2\r\n\r\nno")
			return false
		}
		return echo(c, q)
	})
	r.ready(1, 0)
	c := r.dial()
	io.WriteString(c, wsGet+"GET /next HTTP/1.1\r\nHost: a\r\n\r\n\x81\x80frames")
	br := bufio.NewReader(c)
	if status, body := readAnswer(t, br, "GET"); status != 426 || body != "no" {
		t.Errorf("got %d %q", status, body)
	}
	if status, body := readAnswer(t, br, "GET"); status != 200 || body != "/next" {
		t.Errorf("the next request: %d %q", status, body)
	}
	if status, _ := readAnswer(t, br, "GET"); status != 400 {
		t.Errorf("frames that no one waits for: %d, want 400", status)
	}
	if n := len(b.seen()); n != 2 {
		t.Errorf("the app got %d requests", n)
	}
}
