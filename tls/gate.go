package tls

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// gate is the way to one authority. When the authority says how long to wait (RFC 8555
// 6.6: Retry-After of a 429 or 503), nothing is sent to it until then, whoever asks.
type gate struct {
	next http.RoundTripper
	now  func() time.Time

	mu    sync.Mutex // guards until
	until time.Time
}

// maxAnswer bounds an answer of an authority; a directory, an order, a chain have some KB.
const maxAnswer = 1 << 20

// maxGate bounds what an authority can ask for: a wrong clock must not stop renewals.
const maxGate = 24 * time.Hour

// RoundTrip implements http.RoundTripper.
func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if until := g.closed(); !until.IsZero() {
		return nil, fmt.Errorf("%s asked to wait until %s", r.URL.Host, until.UTC().Format(time.RFC3339))
	}
	res, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = http.MaxBytesReader(nil, res.Body, maxAnswer)
	if res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable {
		g.close(res.Header.Get("Retry-After"))
	}
	return res, nil
}

// closed returns until when the gate is closed; zero: it is open.
func (g *gate) closed() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.now().Before(g.until) {
		return g.until
	}
	return time.Time{}
}

// close obeys a Retry-After: seconds, or a date (RFC 9110 10.2.3). What is neither is
// no reason to wait longer than our own back-off.
func (g *gate) close(after string) {
	now := g.now()
	until, err := http.ParseTime(after)
	if seconds, notNumber := strconv.ParseUint(after, 10, 31); notNumber == nil {
		until, err = now.Add(time.Duration(seconds)*time.Second), nil
	}
	if err != nil {
		return
	}
	if latest := now.Add(maxGate); until.After(latest) {
		until = latest
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until = until
}
