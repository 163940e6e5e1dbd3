package tls

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"go.uber.org/zap"

	"paddock/internal/value"
)

// ticketCheck is how often the age of ticket keys is looked at.
const ticketCheck = 10 * time.Second

// Options say what a Manager works with.
type Options struct {
	Logger  *zap.Logger                        // nil: none
	Storage func(dir string) certmagic.Storage // where certificates are kept; nil: files in the folder
}

// Manager holds the certificates of a process. Prepare and Commit come from one
// goroutine at a time; everything else from any.
type Manager struct {
	log     *zap.Logger
	open    func(dir string) certmagic.Storage
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	work    sync.WaitGroup
	pace    *certmagic.RingBufferRateLimiter
	sources map[string]*atomic.Pointer[source] // by mode
	solver  *solver

	mu      sync.Mutex // guards what follows
	tickets map[[sha256.Size]byte]*tickets
	servers []*Server
	files   []Status
	keepers map[string]*keeper
	origin  string // the part of the setup that sources are made of, as JSON
}

// New returns a manager that serves nothing.
func New(o Options) *Manager {
	m := &Manager{
		log: o.Logger, open: o.Storage, tickets: map[[sha256.Size]byte]*tickets{}, keepers: map[string]*keeper{},
		solver:  newSolver(),
		pace:    certmagic.NewRateLimiter(ordersAtOnce, ordersTime),
		sources: map[string]*atomic.Pointer[source]{ModeAuto: {}, ModeInternal: {}},
	}
	if m.log == nil {
		m.log = zap.NewNop()
	}
	if m.open == nil {
		m.open = func(dir string) certmagic.Storage { return &certmagic.FileStorage{Path: dir} }
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.work.Go(m.rotate)
	return m
}

// Close ends everything that goes on in the background, and waits for it.
func (m *Manager) Close() {
	m.cancel()
	m.work.Wait()
	m.pace.Stop()
}

// Plan is a setup that is ready to serve.
type Plan struct {
	Servers []*Server // one for each site; nil for one that speaks no TLS
	setup   Setup
	tickets map[[sha256.Size]byte]*tickets
	origin  string
	auto    *source // nil: the sources that are go on
	local   *source
	keepers map[string]*keeper
	fresh   []*keeper // those of keepers that are to be started
}

// Prepare compiles a setup. It touches nothing that serves.
func (m *Manager) Prepare(s Setup) (*Plan, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := &Plan{setup: s, tickets: map[[sha256.Size]byte]*tickets{}, Servers: make([]*Server, len(s.Sites))}
	for i := range s.Sites {
		server, err := newServer(&s.Sites[i], time.Now)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", value.Index("server", i), err)
		}
		if server == nil {
			continue
		}
		id := s.Sites[i].identity()
		if server.tickets = m.tickets[id]; server.tickets == nil {
			server.tickets = &tickets{}
		}
		p.tickets[id], p.Servers[i] = server.tickets, server
	}
	if err := m.prepareSources(p); err != nil {
		return nil, err
	}
	m.prepareNames(p)
	return p, nil
}

// prepareSources makes new sources, unless nothing has changed that they are made of.
func (m *Manager) prepareSources(p *Plan) error {
	s := p.setup
	s.Sites = nil
	origin, err := json.Marshal(s)
	if err != nil {
		return err
	}
	p.origin = string(origin)
	if p.origin == m.origin || !slices.ContainsFunc(p.setup.Sites, func(s SiteSetup) bool { return s.Managed() }) {
		return nil
	}
	storage := m.open(s.Dir)
	if p.auto, err = m.acmeSource(&s, storage); err != nil {
		return err
	}
	p.local = newSource(storage, []certmagic.Issuer{&localCA{storage: storage, now: time.Now}}, m.log)
	return nil
}

// Commit makes the plan the one that is looked after. Orders under way for names that
// stay go on.
func (m *Manager) Commit(p *Plan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.auto != nil {
		m.origin = p.origin
		m.solver.use(p.auto.storage)
		m.sources[ModeAuto].Store(p.auto)
		m.sources[ModeInternal].Store(p.local)
	}
	m.commitNames(p)
	m.tickets, m.servers, m.files = p.tickets, m.servers[:0:0], p.setup.fileStatus()
	for _, s := range p.Servers {
		if s != nil {
			s.refresh()
			m.servers = append(m.servers, s)
		}
	}
}

// preloadTime bounds the wait for a storage when names are new. What does not come in
// time is loaded behind.
const preloadTime = 2 * time.Second

// prepareNames finds or makes the keeper of each name. New ones load what is stored, so
// that a proxy that has just started, or been started again, serves it at once.
func (m *Manager) prepareNames(p *Plan) {
	p.keepers = map[string]*keeper{}
	for i, s := range p.Servers {
		if s == nil || s.managed == nil {
			continue
		}
		mode := p.setup.Sites[i].TLS
		s.managed.keepers = make(map[string]*keeper, len(s.managed.names))
		for _, name := range s.managed.names {
			id := mode + " " + name
			k := m.keepers[id]
			if k == nil {
				k = p.keepers[id]
			}
			if k == nil {
				k = m.newKeeper(name, mode)
				p.fresh = append(p.fresh, k)
			}
			p.keepers[id], s.managed.keepers[name] = k, k
		}
	}
	p.preload(m)
}

func (p *Plan) preload(m *Manager) {
	ctx, cancel := context.WithTimeout(m.ctx, preloadTime)
	defer cancel()
	var all sync.WaitGroup
	for _, k := range p.fresh {
		from := m.sources[k.mode].Load()
		if p.auto != nil {
			from = map[string]*source{ModeAuto: p.auto, ModeInternal: p.local}[k.mode]
		}
		all.Go(func() { k.preload(ctx, from) })
	}
	all.Wait()
}

// commitNames starts and ends keepers. With new sources those that had failed try again.
func (m *Manager) commitNames(p *Plan) {
	for id, k := range m.keepers {
		switch {
		case p.keepers[id] == nil:
			k.end()
		case p.auto != nil:
			k.wake()
		}
	}
	for _, k := range p.fresh {
		ctx, end := context.WithCancel(m.ctx)
		k.end = end
		m.work.Go(func() { k.run(ctx) })
	}
	m.keepers = p.keepers
}

func (m *Manager) newKeeper(name, mode string) *keeper {
	k := &keeper{
		name: name, mode: mode, source: m.sources[mode], now: time.Now, log: m.log,
		demand: make(chan demand), changed: make(chan struct{}, 1), done: make(chan struct{}),
	}
	k.status.Store(&Status{Name: name, Mode: mode})
	return k
}

// rotate keeps the ticket keys young.
func (m *Manager) rotate() {
	tick := time.NewTicker(ticketCheck)
	defer tick.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
			m.mu.Lock()
			servers := m.servers
			m.mu.Unlock()
			for _, s := range servers {
				s.refresh()
			}
		}
	}
}

// HTTPChallenge answers an authority that asks for a token over HTTP.
func (m *Manager) HTTPChallenge(host, token string) (string, bool) {
	host = strings.Trim(host, "[]")
	if !m.ours(host) {
		return "", false
	}
	return m.solver.token(m.ctx, host, token)
}

// TLSChallenge answers an authority that asks over TLS (RFC 8737).
func (m *Manager) TLSChallenge(hello *tls.ClientHelloInfo) (*tls.Config, bool) {
	name := strings.ToLower(hello.ServerName)
	if !m.ours(unreversed(name)) {
		return nil, false
	}
	proof, ok := m.solver.proof(m.ctx, name)
	if !ok {
		return nil, false
	}
	return &tls.Config{Certificates: []tls.Certificate{*proof}, NextProtos: []string{acmez.ACMETLS1Protocol}, MinVersion: tls.VersionTLS12}, true
}

// ours reports whether a name is one that certificates are ordered for. Nobody else's
// is looked up.
func (m *Manager) ours(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.keepers[ModeAuto+" "+name] != nil
}

// Status returns what is known of every certificate, by name.
func (m *Manager) Status() []Status {
	m.mu.Lock()
	keepers, out := slices.Collect(maps.Values(m.keepers)), slices.Clone(m.files)
	m.mu.Unlock()
	for _, k := range keepers {
		out = append(out, *k.status.Load())
	}
	slices.SortFunc(out, func(a, b Status) int { return strings.Compare(a.Name+" "+a.Mode, b.Name+" "+b.Mode) })
	return out
}

// Renew renews the certificate of a name now, whatever its age; of every name when it is
// "". It returns when it is done.
func (m *Manager) Renew(ctx context.Context, name string) error {
	m.mu.Lock()
	var found []*keeper
	for _, k := range m.keepers {
		if name == "" || k.name == name {
			found = append(found, k)
		}
	}
	m.mu.Unlock()
	if len(found) == 0 {
		return fmt.Errorf("%q: no certificate of that name is ours to renew; `paddock cert list` names them", name)
	}
	errs := make([]error, len(found))
	var all sync.WaitGroup
	for i, k := range found {
		all.Go(func() { errs[i] = k.renew(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// renew waits for the keeper's goroutine to renew.
func (k *keeper) renew(ctx context.Context) error {
	d := demand{make(chan error, 1)}
	select {
	case k.demand <- d:
	case <-k.done:
		return fmt.Errorf("%s: no certificate is looked after any more", k.name)
	case <-ctx.Done():
		return fmt.Errorf("%s: an order is under way: %w", k.name, ctx.Err())
	}
	select {
	case err := <-d.answer:
		return err
	case <-k.done:
		return fmt.Errorf("%s: told to end", k.name)
	case <-ctx.Done():
		return ctx.Err()
	}
}
