package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"paddock/accesslog"
	"paddock/internal/value"
	"paddock/proxy/netpoll"
)

// Options say what a Proxy works with.
type Options struct {
	Logger    *zap.Logger      // nil: none
	Poller    *netpoll.Poller  // nil: the proxy opens its own and closes it in Shutdown
	AppDirFD  int              // the folder of app sockets, open; 0: AppState.Socket is a path
	TempDirFD int              // the folder of temporary files, open; 0: Config.TempDir
	Now       func() time.Time // the log's clock; nil: time.Now

	Challenges Challenges // of ACME authorities
}

// Proxy serves HTTP/1.1 on listeners that it is given and passes requests to apps
// and upstreams. Its methods may be called from any goroutine.
type Proxy struct {
	logger    *zap.Logger
	poller    *netpoll.Poller
	ownPoller bool
	appDirFD  int
	now       func() time.Time

	challenges Challenges

	snap       atomic.Pointer[snapshot]
	date       dateClock
	spool      *spool
	hashing    chan struct{} // places for passwords
	traffic    laned[traffic]
	background sync.WaitGroup
	room       room
	names      *resolver
	quit       context.CancelFunc // ends what runs in the background on its own

	_      [cacheLine]byte // between what is read with each request and what a connection writes
	serial atomic.Uint64   // $connection
	conns  connCount
	_      [cacheLine]byte

	configuring sync.Mutex // one Configure at a time; it may have to look up names

	mu        sync.Mutex // guards what follows
	listeners map[string]*listener
	upstreams map[string]*upstream
	states    map[string]AppState
	logs      map[string]*accesslog.Log
	counters  map[string]laned[siteCounters] // by the name of the site
	closed    bool
}

// New returns a proxy that serves nothing until Configure.
func New(o Options) (*Proxy, error) {
	p := &Proxy{
		logger: o.Logger, poller: o.Poller, appDirFD: o.AppDirFD, now: o.Now, challenges: o.Challenges,
		spool:     &spool{dirFD: o.TempDirFD},
		hashing:   newHashing(),
		listeners: map[string]*listener{},
		upstreams: map[string]*upstream{},
		states:    map[string]AppState{},
	}
	if p.logger == nil {
		p.logger = zap.NewNop()
	}
	p.spool.logger = p.logger
	if p.poller == nil {
		poller, err := netpoll.Open()
		if err != nil {
			return nil, fmt.Errorf("open the poller: %w", err)
		}
		p.poller, p.ownPoller = poller, true
	}
	p.traffic = newLaned[traffic](p.poller.Lanes())
	p.snap.Store(&snapshot{})
	p.configureRoom(0)
	p.poller.SetGate(p.gate())
	p.names = newResolver(systemLookup, p.logger)
	ctx, quit := context.WithCancel(context.Background())
	p.quit = quit
	p.background.Go(func() { p.names.run(ctx, p.renew) })
	return p, nil
}

// when is the log's time of what happens at t.
func (p *Proxy) when(t time.Time) time.Time {
	if p.now != nil {
		return p.now()
	}
	return t
}

// Configure serves by cfg from now on. listeners holds a listening socket for
// each [value.Listen.Key] of cfg that is not served yet; they stay the caller's.
// logs holds an open log for each of [Config.LogTargets]. Requests under way finish
// with the configuration that they began with; connections, queues and counters
// live on. When it fails nothing has changed.
func (p *Proxy) Configure(cfg Config, listeners map[string]int, logs map[string]*accesslog.Log) error {
	p.configuring.Lock()
	defer p.configuring.Unlock()
	next, err := p.prepare(&cfg, logs)
	if err != nil {
		return fmt.Errorf("configure the proxy: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errors.New("configure the proxy: it has shut down")
	}
	started, err := p.listen(next, listeners)
	if err != nil {
		return fmt.Errorf("configure the proxy: %w", err)
	}
	p.configureRoom(cfg.WorkerConnections)
	p.spool.limit.Store(cmp.Or(cfg.MaxTempSize, DefaultMaxTempSize))
	p.commit(next, started)
	p.names.keep(next.hosts())
	p.logs = logs
	p.spool.dir.Store(&cfg.TempDir)
	return nil
}

// prepare does all that can fail and touches nothing that serves.
func (p *Proxy) prepare(cfg *Config, logs map[string]*accesslog.Log) (*snapshot, error) {
	var problems value.Problems
	next := compile(cfg, &problems)
	next.checkSecure(&problems)
	if len(problems) > 0 {
		return nil, fmt.Errorf("%s: %s (%d problems)", problems[0].Key, problems[0].Text, len(problems))
	}
	for _, t := range next.logs {
		if t.log = logs[t.target.Path]; t.log == nil {
			return nil, fmt.Errorf("no open log for %q", t.target.Path)
		}
	}
	p.names.learn(next.hosts())
	for _, g := range next.groups {
		g.resolved = p.names.targets(g.servers)
	}
	return next, nil
}

// commit makes next the configuration that serves.
func (p *Proxy) commit(next *snapshot, started []*listener) {
	upstreams := p.linkUpstreams(next)
	p.linkSites(next)
	p.keepZones(next)
	p.keepPasswords(next)
	for _, l := range started {
		p.listeners[l.key] = l
	}
	for key, l := range p.listeners {
		if at := next.sites[key]; at != nil {
			l.last.Store(at.fallback)
			l.proxied.Store(at.proxied)
			l.speaksTLS.Store(at.secure)
			l.http2.Store(at.speaksHTTP2())
		}
	}
	p.snap.Store(next)
	for _, l := range started {
		close(l.ready)
	}
	for key, l := range p.listeners {
		if next.sites[key] == nil {
			delete(p.listeners, key)
			l.retire()
		}
	}
	p.dropUpstreams(upstreams)
}

// linkUpstreams makes or updates what each pass of the snapshot leads to, and
// returns those that are in use.
func (p *Proxy) linkUpstreams(next *snapshot) map[string]*upstream {
	used := map[string]*upstream{}
	for name, plan := range next.groups {
		u := p.upstreams[name]
		if u == nil || u.app != plan.app {
			u = newUpstream(plan, p.poller.Lanes())
		}
		u.configure(plan)
		if s, ok := p.states[name]; ok && u.app && p.upstreams[name] != u {
			u.setState(s, p.appSocket(s.Socket))
		}
		used[name] = u
	}
	for _, pass := range next.passes {
		pass.upstream = used[pass.name]
	}
	return used
}

// dropUpstreams forgets upstreams that no configuration has any more. Requests on
// them finish.
func (p *Proxy) dropUpstreams(used map[string]*upstream) {
	for name, u := range p.upstreams {
		if used[name] != u {
			u.drop()
		}
		if used[name] == nil {
			delete(p.states, name)
		}
	}
	p.upstreams = used
}

func (p *Proxy) appSocket(name string) address {
	if p.appDirFD <= 0 {
		return address{"unix:" + name, netpoll.UnixAddr(name)}
	}
	return address{"unix:" + name, netpoll.UnixAddrAt(p.appDirFD, name).Labelled("unix:" + name)}
}

// Shutdown stops accepting, closes idle connections, lets requests finish, and
// returns when all have. When ctx ends first the rest is cut, and its error is
// returned.
func (p *Proxy) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	listeners := p.listeners
	p.listeners = map[string]*listener{}
	p.mu.Unlock()
	for _, l := range listeners {
		l.retire()
	}
	err := p.conns.wait(ctx)
	if err != nil {
		p.conns.cut()
		p.conns.wait(context.Background())
	}
	p.quit()
	p.mu.Lock()
	for _, u := range p.upstreams {
		u.drop()
	}
	p.mu.Unlock()
	p.background.Wait()
	if p.ownPoller {
		return errors.Join(err, p.poller.Close())
	}
	return err
}
