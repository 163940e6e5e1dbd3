package proxy

import (
	"io"
	"net"
	"testing"
)

func TestLanesAreMadeWhenTheyAreWritten(t *testing.T) {
	l := newLaned[traffic](3)
	made := func() (n int) {
		l.each(func(*traffic) { n++ })
		return n
	}
	if n := made(); n != 0 {
		t.Errorf("%d lanes before the first request", n)
	}
	l.of(2).requests.Add(1)
	l.of(2).requests.Add(1)
	l.of(0).requests.Add(1)
	var sum uint64
	l.each(func(c *traffic) { sum += c.requests.Load() })
	if n := made(); n != 2 || sum != 3 {
		t.Errorf("%d lanes with %d requests, want 2 and 3", n, sum)
	}
}

// Connections are spread over the loops; what each of them counts is told as one number.
func TestMetricsAddUpTheLanes(t *testing.T) {
	_, addr := tcpBackend(t, func(c net.Conn, _ request) bool { io.WriteString(c, ok("x")); return true })
	r := newRig(t, toUpstream(8, addr))
	const conns = 4
	for range conns {
		r.get("/")
	}
	lanes := 0
	r.waitFor("all are counted", func(s Stats) bool { return s.Requests == conns })
	r.proxy.traffic.each(func(*traffic) { lanes++ })
	if want := min(conns, r.proxy.poller.Lanes()); lanes != want {
		t.Errorf("%d lanes have counted, want %d", lanes, want)
	}
	m := r.proxy.Metrics()
	if n := m.Upstreams["up"].Tries[200]; n != conns {
		t.Errorf("%d tries, want %d", n, conns)
	}
	var requests uint64
	for _, site := range m.Sites {
		for _, c := range site.Requests {
			requests += c.Count
		}
		if site.InFlight != 0 || site.Duration.Count != conns {
			t.Errorf("%+v", site)
		}
	}
	if requests != conns || m.Reading != 0 {
		t.Errorf("%d requests, %d heads are being read", requests, m.Reading)
	}
}
