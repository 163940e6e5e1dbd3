package proxy

// Stats are the counters of a Proxy, for status and metrics.
type Stats struct {
	Connections int                      // open client connections
	Requests    uint64                   // since the start, refused ones included
	SpoolBytes  int64                    // request bodies in temporary files
	Upstreams   map[string]UpstreamStats // apps and upstreams by name
	Logs        map[string]LogStats      // by path
}

// UpstreamStats are the counters of one app or upstream.
type UpstreamStats struct {
	App        bool
	State      string // of an app: the last that was told; "starting" before
	Generation int    // the one that takes requests
	InFlight   int    // requests that it has, of all generations
	Queued     int    // requests that wait
	Limit      int    // at once; 0: any number
	QueueSize  int    // that may wait
}

// LogStats are the counters of one access log.
type LogStats struct {
	Lines   uint64
	Dropped uint64
}

// Stats returns the counters as they are now.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{
		Connections: p.conns.count(),
		Requests:    p.served(),
		SpoolBytes:  p.spool.used.Load(),
		Upstreams:   map[string]UpstreamStats{},
		Logs:        map[string]LogStats{},
	}
	for name, u := range p.upstreams {
		s.Upstreams[name] = u.stats()
	}
	for path, log := range p.logs {
		lines, dropped := log.Stats()
		s.Logs[path] = LogStats{lines, dropped}
	}
	return s
}

func (p *Proxy) served() (n uint64) {
	p.traffic.each(func(t *traffic) { n += t.requests.Load() })
	return n
}

func (p *Proxy) readingNow() (n int) {
	p.traffic.each(func(t *traffic) { n += int(t.reading.Load()) })
	return n
}

func (u *upstream) stats() UpstreamStats {
	q := &u.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	s := UpstreamStats{App: u.app, State: u.state.State, Queued: q.waiting, Limit: q.limit, QueueSize: q.size}
	if u.app && s.State == "" {
		s.State = "starting"
	}
	for _, g := range q.generations {
		s.InFlight += g.inFlight
	}
	if q.current != nil {
		s.Generation = q.current.number
	}
	return s
}
