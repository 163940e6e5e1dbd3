package keeper

import (
	"errors"
	"maps"
	"sync"
	"time"

	"paddock/internal/link"
	"paddock/internal/metrics"
	"paddock/supervisor"
)

// keeperName is the keeper's kind and name in metrics.
const keeperName = "keeper"

// measureInterval bounds the cost of scrapes: /proc is read once in that time.
const measureInterval = time.Second

// gauge answers what the proxy asks for a scrape.
type gauge struct {
	mu    sync.Mutex // one answer at a time; guards what follows
	meter *supervisor.Meter
	usage map[supervisor.Owner]supervisor.Usage
	self  supervisor.Usage
	at    time.Time // of usage
}

var errBusy = errors.New("another scrape is being answered")

// answerStats answers in a goroutine of its own: reading /proc takes time, and the
// link must go on. A second question meanwhile is refused, so that a proxy that asks
// without end costs no more.
func (k *Keeper) answerStats(conn *link.Conn, m link.Message, work *sync.WaitGroup) {
	if !k.gauge.mu.TryLock() {
		_ = conn.Reply(m, nil, errBusy)
		return
	}
	work.Go(func() {
		defer k.gauge.mu.Unlock()
		// An error: the link has ended, or there are more processes than a message can hold.
		if err := conn.Reply(m, k.figures(), nil); err != nil {
			_ = conn.Reply(m, nil, err)
		}
	})
}

// figures is the answer; gauge.mu is held.
func (k *Keeper) figures() metrics.Keeper {
	k.mu.Lock()
	manager := k.manager
	k.mu.Unlock()
	var all []supervisor.Status
	if manager != nil {
		all = manager.Status()
	}
	all = append(all, k.proxyStatusLine())
	k.forgetOld(all)
	k.gauge.measure(k.system, all)
	out := metrics.Keeper{Started: k.started, Generations: map[string]int{}, Deploys: map[string]metrics.Deploys{}}
	for _, s := range all {
		if s.Kind == supervisor.KindApp {
			out.Generations[s.Name] = s.Generation
		}
	}
	k.ledger.fill(&out, all, k.gauge.usage)
	self := metrics.Process{Kind: keeperName, Name: keeperName, Started: k.started}
	out.Processes = append(out.Processes, use(self, k.gauge.self))
	return out
}

// proxyStatusLine is the proxy as one of the processes.
func (k *Keeper) proxyStatusLine() supervisor.Status {
	s := k.proxy.process.Snapshot()
	return supervisor.Status{Name: proxyName, Kind: supervisor.KindProxy, State: s.State, StateName: s.State.String(), PID: s.PID, Started: s.Started}
}

// forgetOld drops what was added up for names that are no longer configured.
func (k *Keeper) forgetOld(all []supervisor.Status) {
	known := map[supervisor.Owner]bool{}
	for _, s := range all {
		known[owner(s)] = true
	}
	keep := func(o supervisor.Owner) bool { return known[o] }
	k.ledger.keep(keep)
	if k.gauge.meter != nil {
		k.gauge.meter.Forget(keep)
	}
}

func owner(s supervisor.Status) supervisor.Owner {
	return supervisor.Owner{Kind: s.Kind, Name: s.Name}
}

// usageOf is what each of them takes, at most measureInterval ago.
func (k *Keeper) usageOf(all []supervisor.Status) map[supervisor.Owner]supervisor.Usage {
	k.gauge.mu.Lock()
	defer k.gauge.mu.Unlock()
	k.gauge.measure(k.system, all)
	return k.gauge.usage // a new map each time: nobody writes to it
}

// measure reads /proc unless it was read just now.
func (g *gauge) measure(system *supervisor.System, all []supervisor.Status) {
	if g.meter == nil {
		g.meter = system.NewMeter()
	}
	if time.Since(g.at) < measureInterval {
		return
	}
	known := map[int]supervisor.Owner{}
	for _, s := range all {
		if s.PID != 0 {
			known[s.PID] = owner(s)
		}
	}
	g.usage, g.self, g.at = g.meter.Measure(known), g.meter.MeasureSelf(), time.Now()
}

// fill adds what events have told of each process.
func (l *ledger) fill(out *metrics.Keeper, all []supervisor.Status, usage map[supervisor.Owner]supervisor.Usage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out.ReloadOK, out.ReloadTime = l.reloads.last, l.reloads.goodAt
	out.ReloadsOK, out.ReloadsFailed = l.reloads.ok, l.reloads.failed
	for _, s := range all {
		a := l.of(s.Kind, s.Name)
		p := metrics.Process{
			Kind: string(s.Kind), Name: s.Name, State: s.StateName, Dropped: s.Dropped,
			Restarts: maps.Clone(a.restarts), Exits: maps.Clone(a.exits), Backoff: a.backoff(),
		}
		if s.PID != 0 {
			p.Started = s.Started
		}
		out.Processes = append(out.Processes, use(p, usage[owner(s)]))
		if s.Kind == supervisor.KindApp {
			out.Deploys[s.Name] = metrics.Deploys{Results: maps.Clone(a.deploys.Results), Seconds: a.deploys.Seconds}
		}
	}
}

// backoff is the longest time until a next try.
func (a *account) backoff() time.Duration {
	var longest time.Duration
	for _, at := range a.retryAt {
		longest = max(longest, time.Until(at))
	}
	return longest
}

func use(p metrics.Process, u supervisor.Usage) metrics.Process {
	p.Processes, p.RSS, p.CPU, p.OpenFiles = u.Processes, u.RSS, u.CPU, u.OpenFiles
	return p
}
