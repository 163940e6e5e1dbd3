package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// Up to smallAnswer head and body go out as one buffer, above it as two: the client sees no difference.
func TestAnswersAroundTheSmallSizeAreWhole(t *testing.T) {
	_, addr := tcpBackend(t, func(c net.Conn, q request) bool {
		var n int
		fmt.Sscanf(q.target(), "/%d", &n)
		io.WriteString(c, ok(strings.Repeat("x", n)))
		return true
	})
	r := newRig(t, toUpstream(8, addr))
	for _, n := range []int{0, 1, smallAnswer - 1, smallAnswer, smallAnswer + 1, 3 * smallAnswer, 1} {
		if status, body := r.get(fmt.Sprintf("/%d", n)); status != 200 || body != strings.Repeat("x", n) {
			t.Errorf("%d bytes: %d with %d bytes", n, status, len(body))
		}
	}
}

// What is copied behind the head is no part of it: HeaderSent and $sent_http_NAME go by the head alone.
func TestHeadStaysTheHeadWithDataBehindIt(t *testing.T) {
	for _, room := range []int{0, 8, 64} {
		x := &exchange{out: append(make([]byte, 0, 4+room), "head"...)}
		if both := x.behindHead([]byte("and body")); string(both) != "headand body" || string(x.out) != "head" {
			t.Errorf("room for %d: %q, %q", room, both, x.out)
		}
	}
}

// A client that takes nothing for a while gets every byte of a joined buffer that fitted in part.
func TestJoinedAnswerThatFitsInPartIsWhole(t *testing.T) {
	answer := ok(strings.Repeat("#", smallAnswer))
	_, addr := tcpBackend(t, func(c net.Conn, _ request) bool { io.WriteString(c, answer); return true })
	const requests = 5000
	r := newRig(t, func(c *Config) {
		toUpstream(8, addr)(c)
		many := 2 * requests
		c.Servers[0].KeepaliveRequests = &many
	})
	c := r.dial().(*net.TCPConn)
	must(t, c.SetReadBuffer(64<<10))
	go func() {
		one := []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		c.Write(bytes.Repeat(one, requests-1))
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	}()
	r.waitFor("the client's side is full, or all is there", func(s Stats) bool { return s.Requests > 100 })
	must(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
	got, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("%v; stats %+v", err, r.proxy.Stats())
	}
	if n := bytes.Count(got, []byte("HTTP/1.1 200 ")); n != requests {
		t.Errorf("%d answers, want %d", n, requests)
	}
	if n := bytes.Count(got, []byte("#")); n != requests*smallAnswer {
		t.Errorf("%d bytes of bodies, want %d", n, requests*smallAnswer)
	}
}

// A panic may end a head twice.
func TestHeadIsCountedAsReadOnce(t *testing.T) {
	r := newRig(t, nil)
	x, client := r.waiting("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	defer client.Close()
	x.doneReading()
	if n := r.proxy.readingNow(); n != 0 {
		t.Errorf("%d heads are being read", n)
	}
}
