package proxy

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"paddock/accesslog"
	"paddock/proxy/http1"
)

// counts are the requests of a site as "METHOD STATUS" → number.
func counts(s SiteMetrics) map[string]uint64 {
	out := map[string]uint64{}
	for _, r := range s.Requests {
		out[fmt.Sprint(r.Method, " ", r.Status)] += r.Count
	}
	return out
}

func wantCounts(t *testing.T, got, want map[string]uint64) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// twoSites are a site with a name, which app web answers, and the default one.
func twoSites(c *Config) {
	c.Servers = []Server{
		{Return: "204"},
		{App: "web", ServerName: names("a.test", "b.test")},
	}
}

func names(list ...string) []string { return list }

func TestEveryRequestIsCountedOnceAtItsSite(t *testing.T) {
	r := newRig(t, twoSites)
	r.backend(1, answers(ok("hello")))
	r.ready(1, 0)
	say := func(text string, times int) {
		for range times {
			r.raw(text)
		}
	}
	say("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", 3)
	say("POST / HTTP/1.1\r\nHost: b.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", 2)
	say("BREW / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", 1)
	say("GET / HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n", 4)
	say("GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 2)            // malformed
	say("GET / HTTP/1.1\r\nHost: a.test\r\nX: "+strings.Repeat("x", maxHeadLine)+"\r\n\r\n", 1)                    // head too large
	say("hello\r\n\r\n", 1)                                                                                        // no HTTP
	say("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 99999999\r\nConnection: close\r\n\r\n", 1)             // body too large
	say("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n\r\n", 1) // malformed body
	m := r.proxy.Metrics()
	a, other := m.Sites["a.test"], m.Sites[r.key]
	wantCounts(t, counts(a), map[string]uint64{"GET 200": 3, "POST 200": 2, "OTHER 200": 1, "POST 413": 1, "POST 400": 1, "GET 400": 3})
	// What could not be read belongs to the Host that came before, or to no name.
	wantCounts(t, counts(other), map[string]uint64{"GET 204": 4, "OTHER 400": 1})
	if a.Duration.Count != 11 || a.Duration.Buckets[60] != 11 || a.Duration.Sum <= 0 || a.InFlight != 0 {
		t.Errorf("a.test: %+v", a)
	}
	if a.Refused[accesslog.RefusedBodySize] != 1 || a.Refused[accesslog.RefusedBadRequest] != 3 || a.Refused[accesslog.RefusedHeaderSize] != 1 {
		t.Errorf("refused at a.test: %v", a.Refused)
	}
	if other.Refused[accesslog.RefusedBadRequest] != 1 {
		t.Errorf("refused at the default site: %v", other.Refused)
	}
	if m.Requests != 16 || m.Accepted != 16 || m.Reading != 0 || len(m.Sites) != 2 {
		t.Errorf("%d requests, %d connections, %d being read, %d sites", m.Requests, m.Accepted, m.Reading, len(m.Sites))
	}
	u := m.Upstreams["web"]
	if u.Tries[200] != 6 || u.Connect.Count != 6 || u.Header.Count != 6 || u.Wait.Count != 6 || u.Retries != 0 {
		t.Errorf("web: %+v", u)
	}
}

func TestBytesAreCountedAsTheLogHasThem(t *testing.T) {
	r := newRig(t, func(c *Config) {
		twoSites(c)
		c.Formats["test"] = accesslog.FormatSetting{Format: "$request_length $bytes_sent"}
	})
	r.backend(1, answers(ok("hello")))
	r.ready(1, 0)
	r.raw("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
	s := r.proxy.Metrics().Sites["a.test"]
	wantLines(t, r, fmt.Sprint(s.RequestBytes, " ", s.ResponseBytes))
}

func TestCountersLiveThroughAReloadAndGoWithTheirSite(t *testing.T) {
	r := newRig(t, twoSites)
	r.backend(1, answers(ok("hello")))
	r.ready(1, 0)
	r.raw("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	must(t, r.configure())
	r.raw("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	wantCounts(t, counts(r.proxy.Metrics().Sites["a.test"]), map[string]uint64{"GET 200": 2})
	r.cfg.Servers = []Server{{Listen: r.listens(), App: "web", ServerName: names("c.test")}}
	must(t, r.configure())
	m := r.proxy.Metrics()
	if _, still := m.Sites["a.test"]; still || len(m.Sites) != 1 {
		t.Errorf("sites: %v", m.Sites)
	}
}

func TestRequestInFlightAndInTheQueueIsSeen(t *testing.T) {
	r := newRig(t, twoSites)
	arrived, release := make(chan string, 1), make(chan struct{})
	r.backend(1, holding("x", arrived, release))
	r.ready(1, 1)
	first, second := r.dial(), r.dial()
	io.WriteString(first, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	receive(t, arrived, "a request")
	io.WriteString(second, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	r.waitFor("one waits", func(s Stats) bool { return s.Upstreams["web"].Queued == 1 })
	m := r.proxy.Metrics()
	if s, u := m.Sites["a.test"], m.Upstreams["web"]; s.InFlight != 2 || u.InFlight != 1 || u.Queued != 1 || u.Limit != 1 {
		t.Errorf("site %+v, upstream %+v", s, u)
	}
	close(release)
	io.ReadAll(first)
	io.ReadAll(second)
	m = r.proxy.Metrics()
	if u := m.Upstreams["web"]; u.Wait.Count != 2 || u.Wait.Sum <= 0 || m.Sites["a.test"].InFlight != 0 {
		t.Errorf("upstream %+v", u)
	}
}

func TestClientThatLeavesIsCountedAsAborted(t *testing.T) {
	r := newRig(t, twoSites)
	arrived, release := make(chan string, 1), make(chan struct{})
	defer close(release)
	r.backend(1, holding("x", arrived, release))
	r.ready(1, 0)
	c := r.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	receive(t, arrived, "a request")
	c.Close()
	r.waitFor("it is over", func(s Stats) bool { return s.Requests == 1 })
	s := r.proxy.Metrics().Sites["a.test"]
	wantCounts(t, counts(s), map[string]uint64{"GET 499": 1})
	if s.Aborts != 1 {
		t.Errorf("%d aborts", s.Aborts)
	}
}

func TestAppThatIsDownRefusesAndIsCounted(t *testing.T) {
	r := newRig(t, twoSites)
	r.state("backoff", 1, 0)
	r.raw("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	s := r.proxy.Metrics().Sites["a.test"]
	if s.Refused[accesslog.RefusedAppDown] != 1 {
		t.Errorf("refused: %v", s.Refused)
	}
}

func TestUpstreamFailureIsCountedByItsReason(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		want         accesslog.Failure
	}{
		{"no answer", "", accesslog.FailedEOF},
		{"half a head", "HTTP/1.1 200 OK\r\nContent-", accesslog.FailedEOF},
		{"short body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", accesslog.FailedEOF},
		{"no HTTP", "hello\r\n\r\n", accesslog.FailedBadResponse},
		{"bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", accesslog.FailedBadResponse},
	} {
		r := newRig(t, twoSites)
		r.backend(1, answers(c.answer))
		r.ready(1, 0)
		r.raw("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
		r.waitFor("it is over", func(s Stats) bool { return s.Requests == 1 })
		if u := r.proxy.Metrics().Upstreams["web"]; u.Failed[c.want] != 1 {
			t.Errorf("%s: failed %v, want one %s", c.name, u.Failed, c.want)
		}
	}
}

func TestServerThatRefusesIsRetriedAndCounted(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	dead := gone.Addr().String()
	gone.Close()
	_, alive := tcpBackend(t, func(c net.Conn, _ request) bool { io.WriteString(c, ok("x")); return false })
	r := newRig(t, toUpstream(0, dead, alive))
	status, _ := r.get("/")
	r.waitFor("it is counted", func(s Stats) bool { return s.Requests == 1 })
	u := r.proxy.Metrics().Upstreams["up"]
	if status != 200 || u.Retries != 1 || u.Failed[accesslog.FailedConnect] != 1 || u.Tries[502] != 1 || u.Tries[200] != 1 || u.Connect.Count != 1 {
		t.Errorf("status %d, upstream %+v", status, u)
	}
}

func TestReasonsOfFailures(t *testing.T) {
	for _, c := range []struct {
		err  error
		want accesslog.Failure
	}{
		{os.ErrDeadlineExceeded, accesslog.FailedTimeout},
		{fmt.Errorf("read: %w", syscall.ECONNRESET), accesslog.FailedReset},
		{syscall.EPIPE, accesslog.FailedReset},
		{io.ErrUnexpectedEOF, accesslog.FailedEOF},
		{&http1.Error{Status: 502}, accesslog.FailedBadResponse},
	} {
		if got := failureOf(c.err); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
	if connectFailure(os.ErrDeadlineExceeded) != accesslog.FailedTimeout || connectFailure(syscall.ECONNREFUSED) != accesslog.FailedConnect {
		t.Error("a connection that was refused and one that took too long are not told apart")
	}
}

func TestAnyMethodStatusAndHostMakesABoundedNumberOfSeries(t *testing.T) {
	r := newRig(t, twoSites)
	const n = 10_000
	var c net.Conn
	var br *bufio.Reader
	for i := range n {
		if i%1000 == 0 { // keepalive_requests
			c = r.dial()
			br = bufio.NewReader(c)
		}
		method := strings.Map(func(c rune) rune { return c - '0' + 'A' }, fmt.Sprint(rand.Uint32()))
		fmt.Fprintf(c, "%s / HTTP/1.1\r\nHost: h%d.test\r\n\r\n", method, rand.Uint32())
		if i%1000 == 999 {
			readAll(t, br, 1000)
		}
	}
	r.waitFor("the last one is counted", func(s Stats) bool { return s.Requests == n })
	m := r.proxy.Metrics()
	wantCounts(t, counts(m.Sites[r.key]), map[string]uint64{"OTHER 204": n})
	if len(m.Sites) != 2 {
		t.Errorf("%d sites", len(m.Sites))
	}
	s := &siteCounters{}
	for range n {
		s.count(&accesslog.Entry{Status: rand.IntN(4000) - 1000, Method: []byte(Methods[rand.IntN(len(Methods))])})
	}
	if got := len(s.metrics().Requests); got > statuses*len(Methods) || s.duration.read().Count != n {
		t.Errorf("%d series of %d requests", got, n)
	}
}

func readAll(t *testing.T, br *bufio.Reader, n int) {
	t.Helper()
	for range n {
		readAnswer(t, br, "GET")
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	s, u := &siteCounters{}, &upstreamCounters{}
	now := time.Now()
	e := &accesslog.Entry{
		Method: []byte("PROPFIND"), Status: 200, Start: now, End: now.Add(30 * time.Millisecond), Refused: accesslog.RefusedQueueFull,
		Upstream: []accesslog.Try{{Status: 502, Connect: -1, Header: -1, Failed: accesslog.FailedConnect}, {Status: 200}},
	}
	s.count(e) // the first of a status makes its counters
	if n := testing.AllocsPerRun(1000, func() { s.count(e); u.count(e) }); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func TestTimeFallsIntoTheBucketThatItDoesNotExceed(t *testing.T) {
	h := &histogram{}
	for _, d := range []time.Duration{-time.Second, 0, 5 * time.Millisecond, 5*time.Millisecond + 1, time.Minute, time.Hour} {
		h.observe(d)
	}
	got := h.read()
	if got.Buckets[0.005] != 3 || got.Buckets[0.01] != 4 || got.Buckets[15] != 4 || got.Buckets[60] != 5 || got.Count != 6 {
		t.Errorf("%+v", got)
	}
}

func TestSiteIsNamedByTheConfiguration(t *testing.T) {
	r := newRig(t, nil)
	listens := r.listens()
	for _, c := range []struct {
		cfg  Server
		want string
	}{
		{Server{ServerName: names("", "_", "x.test"), Listen: listens}, "x.test"},
		{Server{ServerName: names("_"), Listen: listens}, r.key},
		{Server{}, siteDefault},
	} {
		if got := siteName(&c.cfg); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func BenchmarkCount(b *testing.B) {
	s, u := &siteCounters{}, &upstreamCounters{}
	now := time.Now()
	e := &accesslog.Entry{Method: []byte("GET"), Status: 200, Start: now, End: now.Add(30 * time.Millisecond), Upstream: []accesslog.Try{{Status: 200}}}
	for b.Loop() {
		s.count(e)
		u.count(e)
	}
}
