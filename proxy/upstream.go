package proxy

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"paddock/proxy/netpoll"
)

// upstream is one app or [upstream] as it lives: it outlives snapshots, with its
// queue, counters and idle connections.
type upstream struct {
	name       string
	app        bool
	queue      queue
	counters   upstreamCounters
	background *sync.WaitGroup // of the proxy: evictions of idle connections
	keepalive  atomic.Int32    // idle connections kept for each server

	plan       *groupPlan // guarded by queue.mu, as are the next two
	state      AppState
	stateLimit int
	health     atomic.Pointer[groupPlan] // the same plan, for probes
}

// generation is one set of servers that requests go to: an app's start with its
// socket, or an upstream's list of servers as one configuration has it.
type generation struct {
	number   int
	peers    []*peer
	turn     atomic.Uint32   // round robin
	inFlight int             // guarded by queue.mu, as are the next two
	exempt   int             // of them, those outside of the limit
	drained  []chan struct{} // closed when inFlight is 0
}

// peer is one server: an address and its idle connections.
type peer struct {
	address
	pool   pool
	failed atomic.Int64 // no request before this time (Unix nanoseconds) while others are alive
}

func newUpstream(plan *groupPlan, background *sync.WaitGroup) *upstream {
	u := &upstream{name: plan.name, app: plan.app, background: background}
	u.queue.generations = map[int]*generation{}
	if !plan.app {
		u.queue.phase = phaseReady
	}
	return u
}

// configure applies what a configuration says. Servers that stay keep their idle
// connections; requests on servers that go finish there.
func (u *upstream) configure(plan *groupPlan) {
	u.keepalive.Store(int32(plan.limits.Keepalive))
	u.health.Store(plan)
	q := &u.queue
	q.mu.Lock()
	u.plan = plan
	q.size, q.timeout = plan.limits.QueueSize, plan.limits.QueueTimeout.D()
	q.limit = u.limit()
	old := q.current
	if !u.app && !slices.EqualFunc(q.peers(), plan.resolved, func(p *peer, a address) bool { return p.text == a.text }) {
		q.current = u.regroup(plan.resolved)
	}
	now := q.current
	q.advance()
	q.retire(old)
	q.mu.Unlock()
	old.closeBut(now)
}

// limit is max_conns when it is set, else what the app says it can serve.
func (u *upstream) limit() int {
	if u.plan != nil && u.plan.limits.MaxConns > 0 {
		return u.plan.limits.MaxConns
	}
	return u.stateLimit
}

// regroup makes a generation of the new servers and keeps the peers that stay.
func (u *upstream) regroup(list []address) *generation {
	g := &generation{}
	if old := u.queue.current; old != nil {
		g.number = old.number + 1
	}
	for _, a := range list {
		g.peers = append(g.peers, u.queue.peer(a, u.background))
	}
	u.queue.generations[g.number] = g
	return g
}

func (q *queue) peers() []*peer {
	if q.current == nil {
		return nil
	}
	return q.current.peers
}

// peer returns the current peer of that address or a new one.
func (q *queue) peer(a address, background *sync.WaitGroup) *peer {
	for _, p := range q.peers() {
		if p.text == a.text {
			return p
		}
	}
	return newPeer(a, background)
}

func newPeer(a address, background *sync.WaitGroup) *peer {
	p := &peer{address: a}
	p.pool.background = background
	return p
}

// generation returns an app's generation of that number and socket, made when it
// is new. The caller holds mu.
func (q *queue) generation(number int, at address, background *sync.WaitGroup) *generation {
	if g := q.generations[number]; g != nil && g.peers[0].text == at.text {
		return g
	}
	g := &generation{number: number, peers: []*peer{newPeer(at, background)}}
	q.generations[number] = g
	return g
}

// retire forgets a generation that was current if nothing is in flight there.
// The caller holds mu.
func (q *queue) retire(g *generation) {
	if g != nil && g != q.current {
		q.settle(g)
	}
}

// closeBut closes the idle connections of a generation that gets no new requests,
// but for the peers that live on in next; those in use are closed when they come back.
func (g *generation) closeBut(next *generation) {
	if g == nil || g == next {
		return
	}
	for _, p := range g.peers {
		if next == nil || !slices.Contains(next.peers, p) {
			p.pool.close()
		}
	}
}

// drain closes the idle connections of one generation and returns when none of
// its requests is in flight, or with ctx's error.
func (u *upstream) drain(ctx context.Context, number int) error {
	q := &u.queue
	q.mu.Lock()
	g := q.generations[number]
	if g == nil || g.inFlight == 0 {
		q.mu.Unlock()
		if g != nil {
			g.empty()
		}
		return nil
	}
	done := make(chan struct{})
	g.drained = append(g.drained, done)
	left := g.inFlight
	q.mu.Unlock()
	g.empty()
	select {
	case <-done:
		g.empty()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("drain generation %d of %s, %d requests were in flight: %w", number, u.name, left, ctx.Err())
	}
}

// empty closes idle connections; the generation may get more.
func (g *generation) empty() {
	for _, p := range g.peers {
		p.pool.empty()
	}
}

// drop ends an upstream that no configuration has any more. Requests under way
// finish, those in the queue too: but for an app's, which will be stopped.
func (u *upstream) drop() {
	q := &u.queue
	q.mu.Lock()
	if u.app {
		q.phase = phaseDown
		q.flush()
	}
	last := q.current
	q.mu.Unlock()
	last.closeBut(nil)
}

// pick returns the next server in turn, alive ones first; tried ones are never
// picked again. It returns nil when all were tried.
func (g *generation) pick(tried []*peer, now time.Time) *peer {
	n := uint32(len(g.peers))
	start := g.turn.Add(1) - 1
	var fallback *peer
	for i := range n {
		p := g.peers[(start+i)%n]
		switch {
		case slices.Contains(tried, p):
		case p.failed.Load() <= now.UnixNano():
			return p
		case fallback == nil:
			fallback = p
		}
	}
	return fallback
}

// fail takes a server out of the turn for a while (nginx: max_fails=1, fail_timeout=10s).
func (p *peer) fail(now time.Time) { p.failed.Store(now.Add(peerFailTime).UnixNano()) }

// dial connects to the peer.
func (p *peer) dial(poller *netpoll.Poller, deadline time.Time) (*peerConn, error) {
	nc, err := poller.Dial(p.address.dial, deadline)
	if err != nil {
		return nil, err
	}
	c := &peerConn{Conn: nc, peer: p}
	c.onHangup = c.evict
	return c, nil
}
