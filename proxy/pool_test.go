package proxy

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// nginx: keepalive. Else connections too old for a POST would fill the list, and every POST connect anew.
func TestFullPoolClosesTheConnectionUsedLongestAgo(t *testing.T) {
	_, addr := tcpBackend(t, func(c net.Conn, _ request) bool { io.WriteString(c, ok("x")); return true })
	r := newRig(t, toUpstream(1, addr))
	idle := func(what string, not *peerConn) (c *peerConn) {
		r.waitFor(what, func(Stats) bool {
			p := &r.proxy.upstreams["up"].queue.current.peers[0].pool
			p.mu.Lock()
			defer p.mu.Unlock()
			if len(p.idle) != 1 || p.idle[0] == not {
				return false
			}
			c = p.idle[0]
			c.idleFrom = time.Now().Add(-2 * postIdle)
			return true
		})
		return c
	}
	var last *peerConn
	for range 3 {
		got, _ := r.raw("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx")
		if !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Fatalf("got %.40q", got)
		}
		last = idle("the new connection is kept", last)
	}
}
