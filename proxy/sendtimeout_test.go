package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// trickle is a connection whose client takes a little at a time, for a while.
type trickle struct {
	net.Conn
	ticks <-chan time.Time
	slow  int // reads that are left of it
}

func (c *trickle) Read(p []byte) (int, error) {
	if c.slow > 0 {
		c.slow--
		<-c.ticks
		p = p[:min(len(p), 4<<10)]
	}
	return c.Conn.Read(p)
}

// dialSmall is dial with a window of a few KiB from the begin on, so that the proxy's
// kernel takes as much at a time.
func (r *rig) dialSmall() net.Conn {
	r.t.Helper()
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<10) })
	}}
	c, err := d.Dial(r.network, r.addr)
	must(r.t, err)
	r.t.Cleanup(func() { c.Close() })
	must(r.t, c.SetDeadline(time.Now().Add(testTimeout)))
	return c
}

// send_timeout is between two successive writes, as in nginx. TLS seals 64 KiB at once,
// for which this client needs longer.
func TestSlowReaderOverTLSThatGoesOnReadingIsNotCut(t *testing.T) {
	body := noise(300 << 10)
	for name, c := range map[string]struct {
		protocol string
		change   func(*Config)
	}{
		"buffered":     {"http/1.1", nil},
		"not buffered": {"http/1.1", func(c *Config) { c.Servers[0].ProxyBuffering = new(false) }},
		"HTTP/2": {nextHTTP2, func(c *Config) { // the connection's time is the server's, the streams' their place's
			c.Servers[0].App, c.Servers[0].HTTP2 = "", new(true)
			c.Servers[0].Location = []Location{{Path: "/", ProxyPass: "http://web", Settings: Settings{SendTimeout: duration(testTimeout)}}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newSecureRig(t, func(cfg *Config) {
				cfg.Servers[0].SendTimeout = duration(400 * time.Millisecond)
				if c.change != nil {
					c.change(cfg)
				}
			})
			must(t, unix.SetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<10)) // for those it accepts
			r.backend(1, answersWith(body, make(chan time.Duration, 1)))
			r.ready(1, 1)
			raw := r.dialSmall()
			tick := time.NewTicker(40 * time.Millisecond)
			defer tick.Stop()
			slow := &trickle{Conn: raw, ticks: tick.C}
			r.client.NextProtos = []string{c.protocol}
			nc := tls.Client(slow, r.client)
			must(t, nc.Handshake())
			slow.slow = 30 // more than send_timeout for what is sealed at once, and in all
			var got []byte
			if c.protocol == nextHTTP2 {
				got = []byte(r.peer2On(nc).get("/").body)
			} else {
				io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
				got = bodyOf(t, bufio.NewReader(nc))
			}
			if !bytes.Equal(got, body) {
				t.Errorf("got %d bytes, want %d that are the same", len(got), len(body))
			}
		})
	}
}

// A client that takes nothing is cut, over TLS too.
func TestReaderOverTLSThatTakesNothingIsCut(t *testing.T) {
	for name, protocol := range map[string]string{"HTTP/1.1": "http/1.1", "HTTP/2": nextHTTP2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newSecureRig(t, func(c *Config) {
				c.Servers[0].HTTP2 = new(true)
				c.Servers[0].SendTimeout = duration(100 * time.Millisecond)
			})
			must(t, unix.SetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<10))
			r.backend(1, answersWith(noise(300<<10), make(chan time.Duration, 1)))
			r.ready(1, 1)
			raw := r.dialSmall()
			r.client.NextProtos = []string{protocol}
			nc := tls.Client(raw, r.client)
			must(t, nc.Handshake())
			if protocol == nextHTTP2 {
				r.peer2On(nc).open(true, "GET /")
			} else {
				io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			}
			r.waitFor("the request is with the app, or was", func(s Stats) bool { return s.Requests+uint64(s.Upstreams["web"].InFlight) > 0 })
			r.waitFor("the connection ends", func(s Stats) bool { return s.Connections == 0 && s.SpoolBytes == 0 })
		})
	}
}
