package tls

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"paddock/internal/value"
)

// ticketCheck is how often the age of ticket keys is looked at.
const ticketCheck = 10 * time.Second

// Options say what a Manager works with.
type Options struct {
	Logger *zap.Logger // nil: none
}

// Manager holds the certificates of a process. Prepare and Commit come from one
// goroutine at a time; everything else from any.
type Manager struct {
	log    *zap.Logger
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex // guards what follows
	tickets map[[sha256.Size]byte]*tickets
	servers []*Server
}

// New returns a manager that serves nothing.
func New(o Options) *Manager {
	m := &Manager{log: o.Logger, tickets: map[[sha256.Size]byte]*tickets{}}
	if m.log == nil {
		m.log = zap.NewNop()
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.work.Go(m.rotate)
	return m
}

// Close ends everything that goes on in the background, and waits for it.
func (m *Manager) Close() {
	m.cancel()
	m.work.Wait()
}

// Plan is a setup that is ready to serve.
type Plan struct {
	Servers []*Server // one for each site; nil for one that speaks no TLS
	setup   Setup
	tickets map[[sha256.Size]byte]*tickets
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
	return p, nil
}

// Commit makes the plan the one that is looked after.
func (m *Manager) Commit(p *Plan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tickets, m.servers = p.tickets, m.servers[:0:0]
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
