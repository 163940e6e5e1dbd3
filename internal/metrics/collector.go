package metrics

import (
	"context"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"paddock/proxy"
)

// keeperTimeout is how long the keeper may take to answer.
const keeperTimeout = time.Second

// Source is where the figures come from. Its funcs may be called by any goroutine.
type Source struct {
	Version string
	Proxy   func() proxy.Metrics
	Keeper  func(context.Context) (Keeper, error)

	Certificates func() []Certificate
}

// collector makes series of the figures at each scrape. It keeps none, so that the
// series of what is no longer configured are gone at once.
type collector struct{ from Source }

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range families {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := series{ch}
	s.gauge(buildInfo, 1, c.from.Version, runtime.Version())
	m := c.from.Proxy()
	s.connections(m)
	for name, site := range m.Sites {
		s.site(name, site)
	}
	for name, u := range m.Upstreams {
		s.upstream(name, u)
	}
	for path, l := range m.Logs {
		s.counter(logLines, l.Lines, path)
		s.counter(logDropped, l.Dropped, path)
	}
	for _, cert := range c.from.Certificates() {
		s.certificate(cert)
	}
	ctx, cancel := context.WithTimeout(context.Background(), keeperTimeout)
	defer cancel()
	k, err := c.from.Keeper(ctx)
	s.flag(keeperUp, err == nil)
	if err == nil {
		s.keeper(k)
	}
}

// series sends the series of one scrape.
type series struct{ ch chan<- prometheus.Metric }

func (s series) send(f *family, kind prometheus.ValueType, v float64, labels []string) {
	m, err := prometheus.NewConstMetric(f.desc, kind, v, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(f.desc, err)
	}
	s.ch <- m
}

func (s series) gauge(f *family, v float64, labels ...string) {
	s.send(f, prometheus.GaugeValue, v, labels)
}

func (s series) counter(f *family, n uint64, labels ...string) {
	s.send(f, prometheus.CounterValue, float64(n), labels)
}

func (s series) flag(f *family, on bool, labels ...string) {
	v := 0.0
	if on {
		v = 1
	}
	s.gauge(f, v, labels...)
}

func (s series) histogram(f *family, h proxy.Histogram, labels ...string) {
	m, err := prometheus.NewConstHistogram(f.desc, h.Count, h.Sum, h.Buckets, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(f.desc, err)
	}
	s.ch <- m
}

// connections are counted as nginx does: all that is neither reading nor writing
// waits.
func (s series) connections(m proxy.Metrics) {
	writing := writing(m)
	s.gauge(httpConnections, float64(m.Reading), "reading")
	s.gauge(httpConnections, float64(writing), "writing")
	s.gauge(httpConnections, float64(max(m.Connections-m.Reading-writing, 0)), "waiting")
	s.counter(httpAccepted, m.Accepted)
	s.gauge(bufferedBytes, float64(m.SpoolBytes), "disk")
}

func writing(m proxy.Metrics) int {
	n := 0
	for _, site := range m.Sites {
		n += site.InFlight
	}
	return n
}

func (s series) site(name string, m proxy.SiteMetrics) {
	for _, r := range m.Requests {
		s.counter(httpRequests, r.Count, name, r.Method, code(r.Status))
	}
	s.histogram(httpDuration, m.Duration, name)
	s.counter(httpRequestBytes, m.RequestBytes, name)
	s.counter(httpResponseBytes, m.ResponseBytes, name)
	s.gauge(httpInFlight, float64(m.InFlight), name)
	s.counter(httpAborts, m.Aborts, name)
	for reason, n := range m.Refused {
		s.counter(httpRejected, n, name, reason.String())
	}
}

func (s series) upstream(name string, m proxy.UpstreamMetrics) {
	for status, n := range m.Tries {
		s.counter(upstreamRequests, n, name, code(status))
	}
	s.histogram(upstreamConnect, m.Connect, name)
	s.histogram(upstreamHeader, m.Header, name)
	for reason, n := range m.Failed {
		s.counter(upstreamErrors, n, name, reason.String())
	}
	s.counter(upstreamRetries, m.Retries, name)
	if m.App {
		s.flag(upstreamUp, m.State == "ready", name)
	}
	s.gauge(upstreamInFlight, float64(m.InFlight), name)
	s.gauge(upstreamLimit, float64(m.Limit), name)
	s.gauge(queueLength, float64(m.Queued), name)
	s.gauge(queueLimit, float64(m.QueueSize), name)
	s.histogram(queueWait, m.Wait, name)
}

// code is the label of a status; 0 stands for all that are none.
func code(status int) string {
	if status == 0 {
		return "other"
	}
	return strconv.Itoa(status)
}
