package proxy

import (
	"sync/atomic"
	"time"

	"paddock/accesslog"
	"paddock/proxy/http1"
)

// Methods are the values of the label "method": those of RFC 9110 and RFC 5789,
// and one for all that anybody may think of.
var Methods = [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "OTHER"}

// The statuses that are counted each for itself; all others count as one.
const (
	lowStatus  = 100
	highStatus = 599
	statuses   = highStatus - lowStatus + 2
)

// siteCounters count the requests of one site. They outlive snapshots: all
// servers of one name share them, before and after a reload.
type siteCounters struct {
	requests      [statuses]atomic.Pointer[methodCounters] // made with the first request of a status
	duration      histogram
	requestBytes  atomic.Uint64
	responseBytes atomic.Uint64
	inFlight      atomic.Int64
	aborts        atomic.Uint64
	refused       [accesslog.Refusals]atomic.Uint64
}

// traffic counts the requests of the proxy, routed or not.
type traffic struct {
	requests atomic.Uint64 // that have ended
	reading  atomic.Int64  // whose head is being read
}

type methodCounters [len(Methods)]atomic.Uint64

// upstreamCounters count the requests of one app or upstream.
type upstreamCounters struct {
	tries   [statuses]atomic.Uint64
	failed  [accesslog.Failures]atomic.Uint64
	retries atomic.Uint64
	connect histogram
	header  histogram
	wait    histogram
}

// arrive counts the request as in flight at the site that it was routed to.
func (x *exchange) arrive() {
	if x.counters != nil || x.server.counters == nil {
		return
	}
	x.counters = x.server.counters.of(x.conn.lane())
	x.counters.inFlight.Add(1)
}

// beginReading counts the request as one whose head is being read.
func (x *exchange) beginReading() {
	x.reading = x.traffic()
	x.reading.reading.Add(1)
}

// doneReading takes that back, once.
func (x *exchange) doneReading() {
	if x.reading != nil {
		x.reading.reading.Add(-1)
		x.reading = nil
	}
}

// count counts a request that has ended, by its Entry alone. A request that was
// never routed is of the address's default server, as in the log.
func (x *exchange) count() {
	site := x.counters
	if site != nil {
		site.inFlight.Add(-1)
		x.counters = nil
	} else if x.server.counters != nil {
		site = x.server.counters.of(x.conn.lane())
	}
	if site != nil {
		site.count(&x.Entry)
	}
	if x.upstream != nil {
		x.upstream.counters.of(x.conn.lane()).count(&x.Entry)
	}
}

func (x *exchange) traffic() *traffic { return x.conn.proxy.traffic.of(x.conn.lane()) }

func (s *siteCounters) count(e *accesslog.Entry) {
	s.of(e.Status)[methodIndex(e.Method)].Add(1)
	s.duration.observe(e.End.Sub(e.Start))
	s.requestBytes.Add(uint64(e.RequestLength))
	s.responseBytes.Add(uint64(e.BytesSent))
	switch {
	case e.Refused == accesslog.ClientGone:
		s.aborts.Add(1)
	case e.Refused != 0:
		s.refused[e.Refused].Add(1)
	}
}

// of returns the counters of a status, made when it is the first of its kind:
// a site answers with a dozen of the 500.
func (s *siteCounters) of(status int) *methodCounters { return s.at(statusIndex(status)) }

func (s *siteCounters) at(i int) *methodCounters {
	p := &s.requests[i]
	if m := p.Load(); m != nil {
		return m
	}
	p.CompareAndSwap(nil, new(methodCounters))
	return p.Load()
}

// count counts each server that was tried, and the wait of a request that asked
// for a place, whether it got one or not.
func (u *upstreamCounters) count(e *accesslog.Entry) {
	if len(e.Upstream) > 0 || e.Queued > 0 {
		u.wait.observe(e.Queued)
	}
	for i := range e.Upstream {
		t := &e.Upstream[i]
		u.tries[statusIndex(t.Status)].Add(1)
		if t.Connect >= 0 {
			u.connect.observe(t.Connect)
		}
		if t.Header >= 0 {
			u.header.observe(t.Header)
		}
		if t.Failed != 0 {
			u.failed[t.Failed].Add(1)
		}
	}
	if n := len(e.Upstream); n > 1 {
		u.retries.Add(uint64(n - 1))
	}
}

// statusIndex is the place of a status; whatever is none has the last one.
func statusIndex(status int) int {
	if status < lowStatus || status > highStatus {
		return statuses - 1
	}
	return status - lowStatus
}

func methodIndex(method []byte) int {
	switch string(method) {
	case "GET":
		return 0
	case "HEAD":
		return 1
	case "POST":
		return 2
	case "PUT":
		return 3
	case "DELETE":
		return 4
	case "CONNECT":
		return 5
	case "OPTIONS":
		return 6
	case "TRACE":
		return 7
	case "PATCH":
		return 8
	}
	return len(Methods) - 1
}

// bounds are the upper ends of a histogram's buckets: from an answer out of
// memory to the default of proxy_read_timeout.
var bounds = [...]time.Duration{
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
	2500 * time.Millisecond, 5 * time.Second, 15 * time.Second, 60 * time.Second,
}

// histogram counts times; the last bucket has no upper end.
type histogram struct {
	buckets [len(bounds) + 1]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
}

func (h *histogram) observe(d time.Duration) {
	d = max(d, 0) // a clock that was set back
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}

// noteRefusal fills in why a request got no answer.
func (x *exchange) noteRefusal(err error) {
	if r, ok := err.(*refusal); ok {
		x.Refused = r.reason
	}
	if x.Status == statusClientGone {
		x.Refused = accesslog.ClientGone
	}
}

// headReason tells a head that is too large from one that is malformed.
func headReason(e *http1.Error) accesslog.Refusal {
	if e.Rule == http1.RuleHeadTooLarge || e.Status == 414 {
		return accesslog.RefusedHeaderSize
	}
	return accesslog.RefusedBadRequest
}
