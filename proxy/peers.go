package proxy

import (
	"slices"

	"paddock/proxy/netpoll"
)

// target is an address that requests may go to, with the server that it is of.
type target struct {
	address
	plan *serverPlan
}

func (t target) equal(o target) bool { return t.text == o.text && *t.plan == *o.plan }

// appServer is the plan of an app's socket, which has no parameters.
var appServer = &serverPlan{weight: 1}

// group is the servers of a generation. The lists have one order.
type group struct {
	targets []target
	peers   []*peer
	balance *balancer
}

// newGroup enters targets, with the peers of old that stay: their idle connections and
// what is known of them live on.
func (u *upstream) newGroup(how balancing, targets []target, old *group) group {
	g := group{targets: targets}
	u.balancing.Lock()
	defer u.balancing.Unlock()
	left := map[string][]*peer{}
	if old != nil {
		for _, p := range old.peers {
			left[p.text] = append(left[p.text], p)
		}
	}
	for _, t := range targets {
		var p *peer
		if same := left[t.text]; len(same) > 0 {
			p, left[t.text] = same[0], same[1:]
		} else {
			p = u.newPeer(t.address)
		}
		g.peers = append(g.peers, p)
	}
	g.balance = newBalancer(how, targets, g.peers, &u.balancing, u.born)
	return g
}

// is reports whether the group has these servers already.
func (g *group) is(how balancing, targets []target) bool {
	b := g.balance.balancing
	return b.method == how.method && b.text == how.text && slices.EqualFunc(g.targets, targets, target.equal)
}

// peer is one server: an address and its idle connections.
type peer struct {
	address
	_    [cacheLine]byte
	pool pool
	standing
}

func (u *upstream) newPeer(a address) *peer {
	p := &peer{address: a}
	p.pool.rules = &u.keep
	return p
}

func (l *Limits) keepRules() *keepRules {
	return &keepRules{conns: l.Keepalive, requests: l.KeepaliveRequests, timeout: l.KeepaliveTimeout.D(), time: l.KeepaliveTime.D()}
}

// capacity is the sum of the servers' own max_conns, when each has one: what is
// beyond it waits in the queue, where nginx answers 502. 0: no limit.
func (g *group) capacity() int {
	sum := 0
	for _, t := range g.targets {
		switch {
		case t.plan.down:
		case t.plan.maxConns == 0:
			return 0
		default:
			sum += t.plan.maxConns
		}
	}
	return sum
}

// unixTarget is the one address of a unix socket.
func (s *serverPlan) unixTarget() target {
	return target{address{s.text, netpoll.UnixAddr(s.text[len("unix:"):])}, s}
}
