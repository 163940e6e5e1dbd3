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
)

// loopCounter answers an authority's challenge, and counts on which goroutine.
type loopCounter struct{ inline, all atomic.Int64 }

func (n *loopCounter) challenges() *Challenges {
	return &Challenges{HTTP: func(_, token string) (string, bool) {
		var stack [16 << 10]byte
		n.all.Add(1)
		if bytes.Contains(stack[:runtime.Stack(stack[:], false)], []byte("netpoll.(*loop).drain")) {
			n.inline.Add(1)
		}
		return token, true
	}}
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
	const request = "GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: a.test\r\n\r\n"
	for name, open := range map[string]func(t *testing.T, n *loopCounter) (c net.Conn, send func()){
		"plain": func(t *testing.T, count *loopCounter) (net.Conn, func()) {
			r := newRig(t, returning("200 ok"))
			r.challenges.Store(count.challenges())
			c := r.dial()
			return c, func() { io.WriteString(c, strings.Repeat(request, n)) }
		},
		"a record for each": func(t *testing.T, count *loopCounter) (net.Conn, func()) {
			r := newSecureRig(t, returning("200 ok"))
			r.challenges.Store(count.challenges())
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
				if status, body := readAnswer(t, br, "GET"); status != 200 || body != "x" {
					t.Fatalf("%d %q", status, body)
				}
			}
			if got := count.inline.Load(); count.all.Load() != n+alone || got > 3*maxInlineSteps {
				t.Errorf("%d of %d requests inline; want no more than about %d in one go", got, count.all.Load()-alone, maxInlineSteps)
			}
		})
	}
}
