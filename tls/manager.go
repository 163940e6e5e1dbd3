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
	holders map[string]*holder
	origin  string // the part of the setup that sources are made of, as JSON
}

// New returns a manager that serves nothing.
func New(o Options) *Manager {
	m := &Manager{
		log: o.Logger, open: o.Storage, tickets: map[[sha256.Size]byte]*tickets{}, holders: map[string]*holder{},
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
	holders map[string]*holder
	fresh   []*holder // those of holders that are to be started
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
	return m.holders[ModeAuto+" "+name] != nil
}

// Status returns what is known of every certificate, by name.
func (m *Manager) Status() []Status {
	m.mu.Lock()
	holders, out := slices.Collect(maps.Values(m.holders)), slices.Clone(m.files)
	m.mu.Unlock()
	for _, h := range holders {
		out = append(out, *h.status.Load())
	}
	slices.SortFunc(out, func(a, b Status) int { return strings.Compare(a.Name+" "+a.Mode, b.Name+" "+b.Mode) })
	return out
}

// Renew renews the certificate of a name now, whatever its age; of every name when it is
// "". It returns when it is done.
func (m *Manager) Renew(ctx context.Context, name string) error {
	m.mu.Lock()
	var found []*holder
	for _, h := range m.holders {
		if name == "" || h.name == name {
			found = append(found, h)
		}
	}
	m.mu.Unlock()
	if len(found) == 0 {
		return fmt.Errorf("%q: no certificate of that name is ours to renew; `paddock cert list` names them", name)
	}
	errs := make([]error, len(found))
	var all sync.WaitGroup
	for i, h := range found {
		all.Go(func() { errs[i] = h.renew(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}
