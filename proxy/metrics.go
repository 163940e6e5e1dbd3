package proxy

import (
	"time"

	"paddock/accesslog"
)

// Metrics are all counters of a Proxy, at one moment. Counts only grow, unless
// said otherwise, as long as the process lives and the site or upstream is
// configured.
type Metrics struct {
	Stats
	Accepted  uint64 // client connections since the start
	Reading   int    // requests whose head is being read, now
	Sites     map[string]SiteMetrics
	Upstreams map[string]UpstreamMetrics // apps and upstreams by name
}

// SiteMetrics are the counters of one site: all servers with the same first
// server_name, or without one the same first listen address.
type SiteMetrics struct {
	Requests      []RequestCount // each combination that has occurred
	Duration      Histogram      // first byte of the request to the last of the answer
	RequestBytes  uint64         // line, head and body
	ResponseBytes uint64         // head and body
	InFlight      int            // now
	Aborts        uint64         // clients that left before they had their answer
	Refused       map[accesslog.Refusal]uint64
}

// RequestCount is one combination of method and status.
type RequestCount struct {
	Method string // one of Methods
	Status int    // 100 to 599; 0: any other, or none was sent
	Count  uint64
}

// UpstreamMetrics are the counters of one app or upstream, beside its
// UpstreamStats.
type UpstreamMetrics struct {
	UpstreamStats
	Tries   map[int]uint64 // attempts by status, as RequestCount.Status; 502 and 504 also stand for no answer
	Failed  map[accesslog.Failure]uint64
	Retries uint64    // attempts after the first of a request
	Connect Histogram // until connected; about 0 for a kept connection
	Header  Histogram // until the answer's head was there
	Wait    Histogram // in the queue, about 0 for those let through at once
}

// Histogram is a distribution of times.
type Histogram struct {
	Buckets map[float64]uint64 // by upper end in seconds; each counts what the smaller ones do too
	Count   uint64
	Sum     float64 // seconds
}

// siteDefault is the name of a site without a name and an address.
const siteDefault = "_default"

// siteName is the label of a server in metrics: its first name, else its first
// address. It comes from the configuration and never from a request.
func siteName(cfg *Server) string {
	for _, name := range cfg.ServerName {
		if name != "" && name != "_" {
			return name
		}
	}
	if len(cfg.Listen) > 0 {
		return cfg.Listen[0].Key()
	}
	return siteDefault
}

// linkSites gives each server of the snapshot its counters and forgets those of
// sites that are gone. mu is held.
func (p *Proxy) linkSites(next *snapshot) {
	used := map[string]laned[siteCounters]{}
	for _, s := range next.all {
		if used[s.siteName] == nil {
			used[s.siteName] = p.counters[s.siteName]
		}
		if used[s.siteName] == nil {
			used[s.siteName] = newLaned[siteCounters](p.poller.Lanes())
		}
		s.counters = used[s.siteName]
	}
	p.counters = used
}

// Metrics returns the counters as they are now.
func (p *Proxy) Metrics() Metrics {
	m := Metrics{
		Stats: p.Stats(), Accepted: p.serial.Load(), Reading: p.readingNow(),
		Sites: map[string]SiteMetrics{}, Upstreams: map[string]UpstreamMetrics{},
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, s := range p.counters {
		var sum siteCounters
		s.each(sum.add)
		m.Sites[name] = sum.metrics()
	}
	for name, u := range p.upstreams {
		var sum upstreamCounters
		u.counters.each(sum.add)
		m.Upstreams[name] = sum.metrics(u.stats())
	}
	return m
}

// add adds what another lane has counted.
func (s *siteCounters) add(o *siteCounters) {
	for i := range o.requests {
		methods := o.requests[i].Load()
		if methods == nil {
			continue
		}
		sum := s.at(i)
		for j := range methods {
			sum[j].Add(methods[j].Load())
		}
	}
	s.duration.add(&o.duration)
	s.requestBytes.Add(o.requestBytes.Load())
	s.responseBytes.Add(o.responseBytes.Load())
	s.inFlight.Add(o.inFlight.Load())
	s.aborts.Add(o.aborts.Load())
	for i := range o.refused {
		s.refused[i].Add(o.refused[i].Load())
	}
}

func (u *upstreamCounters) add(o *upstreamCounters) {
	for i := range o.tries {
		u.tries[i].Add(o.tries[i].Load())
	}
	for i := range o.failed {
		u.failed[i].Add(o.failed[i].Load())
	}
	u.retries.Add(o.retries.Load())
	u.connect.add(&o.connect)
	u.header.add(&o.header)
	u.wait.add(&o.wait)
}

func (h *histogram) add(o *histogram) {
	for i := range o.buckets {
		h.buckets[i].Add(o.buckets[i].Load())
	}
	h.sum.Add(o.sum.Load())
}

func (s *siteCounters) metrics() SiteMetrics {
	m := SiteMetrics{
		Duration: s.duration.read(), RequestBytes: s.requestBytes.Load(), ResponseBytes: s.responseBytes.Load(),
		InFlight: int(s.inFlight.Load()), Aborts: s.aborts.Load(), Refused: map[accesslog.Refusal]uint64{},
	}
	for i := range s.requests {
		methods := s.requests[i].Load()
		if methods == nil {
			continue
		}
		for j := range methods {
			if n := methods[j].Load(); n > 0 {
				m.Requests = append(m.Requests, RequestCount{Methods[j], statusAt(i), n})
			}
		}
	}
	for r := accesslog.Refusal(1); r < accesslog.Refusals; r++ {
		if r != accesslog.ClientGone {
			m.Refused[r] = s.refused[r].Load()
		}
	}
	return m
}

func (u *upstreamCounters) metrics(stats UpstreamStats) UpstreamMetrics {
	m := UpstreamMetrics{
		UpstreamStats: stats, Tries: map[int]uint64{}, Failed: map[accesslog.Failure]uint64{}, Retries: u.retries.Load(),
		Connect: u.connect.read(), Header: u.header.read(), Wait: u.wait.read(),
	}
	for i := range u.tries {
		if n := u.tries[i].Load(); n > 0 {
			m.Tries[statusAt(i)] = n
		}
	}
	for f := accesslog.Failure(1); f < accesslog.Failures; f++ {
		m.Failed[f] = u.failed[f].Load()
	}
	return m
}

// statusAt is the inverse of statusIndex; 0 stands for all others.
func statusAt(i int) int {
	if i == statuses-1 {
		return 0
	}
	return lowStatus + i
}

func (h *histogram) read() Histogram {
	out := Histogram{Buckets: make(map[float64]uint64, len(bounds)), Sum: time.Duration(h.sum.Load()).Seconds()}
	for i := range h.buckets {
		out.Count += h.buckets[i].Load()
		if i < len(bounds) {
			out.Buckets[bounds[i].Seconds()] = out.Count
		}
	}
	return out
}
