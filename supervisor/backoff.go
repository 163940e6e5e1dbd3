package supervisor

import "time"

const (
	// stableRun is how long a process must have been RUNNING for its next end to
	// count as the first again.
	stableRun = 10 * time.Second
	// maxDelay is the longest wait between two tries of an app, or of a program
	// that ends again and again after RUNNING.
	maxDelay = time.Minute
	// proxyDeaths deaths within proxyWindow slow the proxy's restarts down to one
	// every proxyDelay; before that they are immediate.
	proxyDeaths = 5
	proxyWindow = 10 * time.Second
	proxyDelay  = time.Second
)

// tries counts what has gone wrong in a row, and says how long to wait.
type tries struct {
	Failed  int         // starts that failed, since the last RUNNING (Supervisor: backoff)
	Crashes int         // ends after RUNNING, for an app also failed starts, since the last stable run
	deaths  []time.Time // the proxy's, the last proxyDeaths
}

// doubling is the n-th wait of a series: none, then 1, 2, 4 … 60 s.
func doubling(n int) time.Duration {
	if n <= 0 {
		return 0
	}
	if n > 6 {
		return maxDelay
	}
	return min(time.Second<<(n-1), maxDelay)
}

// crashed counts an end after RUNNING for up, and returns the wait before the restart.
func (t *tries) crashed(kind Kind, up time.Duration, now time.Time) time.Duration {
	if kind == KindProxy {
		return t.died(now)
	}
	if up >= stableRun {
		t.Crashes = 0
	}
	t.Crashes++
	return doubling(t.Crashes - 1)
}

// died counts a death of the proxy.
func (t *tries) died(now time.Time) time.Duration {
	t.deaths = append(t.deaths, now)
	if n := len(t.deaths) - proxyDeaths; n > 0 {
		t.deaths = t.deaths[n:]
	}
	if len(t.deaths) == proxyDeaths && now.Sub(t.deaths[0]) < proxyWindow {
		return proxyDelay
	}
	return 0
}

// failed counts a start that failed, and returns the wait before the next.
func (t *tries) failed(kind Kind) time.Duration {
	t.Failed++
	switch kind {
	case KindApp:
		t.Crashes = max(t.Crashes, 1) + 1
		return doubling(t.Crashes - 1)
	case KindProxy:
		return proxyDelay
	}
	return time.Duration(t.Failed) * time.Second
}

// exhausted reports whether startretries is used up. An app's ends after RUNNING
// count as well: it is what is meant by giving a site up.
func (t *tries) exhausted(kind Kind, retries int) bool {
	if retries == Unlimited || kind == KindProxy {
		return false
	}
	if kind == KindApp {
		return t.Crashes-1 > retries
	}
	return t.Failed > retries
}

// running notes that a start has succeeded.
func (t *tries) running() { t.Failed = 0 }
