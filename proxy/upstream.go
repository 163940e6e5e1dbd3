package proxy

import (
	"context"
	"errors"
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
	name     string
	app      bool
	counters laned[upstreamCounters]
	keep     atomic.Pointer[keepRules]

	_     [cacheLine]byte // between what is read with each request and what it writes
	queue queue

	plan       *groupPlan // guarded by queue.mu, as are the next two
	state      AppState
	stateLimit int
	health     atomic.Pointer[groupPlan] // the same plan, for probes
	balancing  sync.Mutex                // guards the standing of all peers
	born       time.Time
}

// generation is one set of servers that requests go to: an app's start with its
// socket, or an upstream's list of servers as one configuration has it.
type generation struct {
	number int
	group
	_        [cacheLine]byte
	inFlight int             // guarded by queue.mu, as are the next two
	exempt   int             // of them, those outside of the limit
	drained  []chan struct{} // closed when inFlight is 0
}

func newUpstream(plan *groupPlan, lanes int) *upstream {
	u := &upstream{name: plan.name, app: plan.app, born: time.Now(), counters: newLaned[upstreamCounters](lanes)}
	u.keep.Store(plan.limits.keepRules())
	u.queue.generations = map[int]*generation{}
	if !plan.app {
		u.queue.phase = phaseReady
	}
	return u
}

// configure applies what a configuration says. Servers that stay keep their idle
// connections; requests on servers that go finish there.
func (u *upstream) configure(plan *groupPlan) {
	u.keep.Store(plan.limits.keepRules())
	u.health.Store(plan)
	q := &u.queue
	q.mu.Lock()
	u.plan = plan
	q.size, q.timeout = plan.limits.QueueSize, plan.limits.QueueTimeout.D()
	old := u.setServers(plan.balancing, plan.resolved)
	q.limit = u.limit()
	now := q.current
	q.advance()
	q.mu.Unlock()
	old.closeBut(now)
}

// limit is max_conns when it is set, else what the app or the servers can serve.
func (u *upstream) limit() int {
	switch {
	case u.plan == nil:
		return u.stateLimit
	case u.plan.limits.MaxConns > 0:
		return u.plan.limits.MaxConns
	case u.app:
		return u.stateLimit
	}
	return u.queue.current.capacity()
}

// regroup makes a generation of the new servers. The caller holds mu.
func (u *upstream) regroup(how balancing, targets []target) *generation {
	g := &generation{}
	var old *group
	if current := u.queue.current; current != nil {
		g.number, old = current.number+1, &current.group
	}
	g.group = u.newGroup(how, targets, old)
	u.queue.generations[g.number] = g
	return g
}

// setServers takes the servers of an upstream, which a configuration or a look-up of
// their names changed. The caller holds mu; what it returns is retired by closeBut.
func (u *upstream) setServers(how balancing, targets []target) (old *generation) {
	q := &u.queue
	old = q.current
	if u.app || old != nil && old.is(how, targets) {
		return old
	}
	q.current = u.regroup(how, targets)
	q.retire(old)
	return old
}

// generation returns an app's generation of that number and socket, made when it
// is new. The caller holds mu.
func (u *upstream) generation(number int, at address) *generation {
	q := &u.queue
	if g := q.generations[number]; g != nil && g.peers[0].text == at.text {
		return g
	}
	g := &generation{number: number, group: u.newGroup(balancing{}, []target{{at, appServer}}, nil)}
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

// dial connects to the peer.
func (p *peer) dial(near *netpoll.Conn, poller *netpoll.Poller, deadline time.Time) (*peerConn, error) {
	return p.dialled(poller.DialNear(near, p.address.dial, deadline))
}

// dialAtOnce connects to a unix socket that takes the connection without any wait, or
// fails with errDetach.
func (p *peer) dialAtOnce(near *netpoll.Conn, poller *netpoll.Poller) (*peerConn, error) {
	if !p.address.dial.IsUnix() {
		return nil, errDetach
	}
	nc, err := poller.TryDialNear(near, p.address.dial)
	if errors.Is(err, netpoll.ErrWouldBlock) {
		err = errDetach
	}
	return p.dialled(nc, err)
}

func (p *peer) dialled(nc *netpoll.Conn, err error) (*peerConn, error) {
	if err != nil {
		return nil, err
	}
	c := &peerConn{Conn: nc, peer: p, made: time.Now()}
	c.evict = c.evicted
	return c, nil
}
