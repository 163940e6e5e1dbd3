package metrics

import "time"

// Keeper is what the keeper tells at a scrape: the answer to link.TypeStats, as
// JSON. Counts are since it started.
type Keeper struct {
	Started       time.Time
	ReloadOK      bool      // the last one; true before there was any
	ReloadTime    time.Time // of the last good one, or of the start
	ReloadsOK     uint64
	ReloadsFailed uint64
	Processes     []Process // those configured, the proxy and the keeper
	Deploys       map[string]Deploys
	Generations   map[string]int // of each app: the one that serves; 0: none
}

// Process is one app with all its generations, one program, the proxy or the keeper.
type Process struct {
	Kind     string // "app", "program", "proxy", "keeper"
	Name     string
	State    string            // Supervisor's; "" for the keeper
	Started  time.Time         // of the process there is; zero: there is none
	Backoff  time.Duration     // until the next try
	Restarts map[string]uint64 // by reason
	Exits    map[string]uint64 // by exit code or signal
	Dropped  uint64            // bytes of output that were not written

	Processes int // with all that it has started
	RSS       uint64
	CPU       time.Duration
	OpenFiles int
}

// Deploys are the deploys of one app that have ended.
type Deploys struct {
	Results map[string]uint64 // "success", "failure", "cancelled"
	Seconds Times             // of those that succeeded
}

// Times is a distribution of times, by DeployBounds.
type Times struct {
	Buckets [len(DeployBounds) + 1]uint64
	Sum     float64 // seconds
}

// DeployBounds are the upper ends of the buckets, in seconds: from an app that
// boots at once to one that drains for minutes.
var DeployBounds = [...]float64{0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300}

// Observe adds a time.
func (t *Times) Observe(d time.Duration) {
	i := 0
	for i < len(DeployBounds) && d.Seconds() > DeployBounds[i] {
		i++
	}
	t.Buckets[i]++
	t.Sum += d.Seconds()
}
