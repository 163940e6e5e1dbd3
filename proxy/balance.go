package proxy

import (
	"sync"
	"time"

	"paddock/accesslog"
)

// balanceMethod is how a server is chosen for a request.
type balanceMethod int

const (
	roundRobin balanceMethod = iota // nginx's smooth weighted one
	leastConn
	ipHash
	hashKey
	hashConsistent
)

// balancing is the method of an upstream with what it goes by.
type balancing struct {
	method balanceMethod
	key    *accesslog.Template // of hash
	text   string              // of that key
}

// balancer chooses among the servers of one generation, step by step as nginx does
// (ngx_http_upstream_round_robin.c and its neighbours), so that the same requests go
// to the same servers.
type balancer struct {
	balancing
	mu      *sync.Mutex // of the upstream: what is known of a server outlives a generation
	born    time.Time   // of the upstream
	single  bool        // one server and no backup: it is never ejected, as in nginx
	primary tier
	backup  tier
	tries   int     // servers that are not down
	ring    []point // of hashConsistent
}

// tier is the servers among which one is chosen: the primary ones, or the backups.
type tier struct {
	slots []slot
	total int // of the weights
}

// slot is a server in a tier.
type slot struct {
	*peer
	plan  *serverPlan
	index int
}

// standing is what is known of a server, guarded by the mutex of its balancer. nginx
// has the same under the same names.
type standing struct {
	weight    int // that effective was made for
	current   int // current_weight
	effective int // effective_weight: less after failures, back to weight one step a turn
	conns     int // requests that it has
	fails     int
	accessed  int64 // time of the last failure
	checked   int64 // time of the last failure, or of the try that comes after fail_timeout
}

// turn is the way of one request through the servers.
type turn struct {
	at     *slot // has the request; nil: none
	begun  time.Time
	left   int // tries that are left, this one included (nginx: peer.tries)
	second bool
	tried  []uint64 // bits by index in the tier
	hash   uint32
	rehash int
	misses int // of the hash (nginx: tries)
	key    []byte
}

func (t *turn) reset() {
	t.at, t.begun, t.left, t.second = nil, time.Time{}, 0, false
	t.tried, t.key = t.tried[:0], t.key[:0]
	t.hash, t.rehash, t.misses = 0, 0, 0
}

func (t *turn) hasTried(i int) bool {
	return i>>6 < len(t.tried) && t.tried[i>>6]&(1<<(i&63)) != 0
}

func (t *turn) note(i int) {
	for i>>6 >= len(t.tried) {
		t.tried = append(t.tried, 0)
	}
	t.tried[i>>6] |= 1 << (i & 63)
}

// newBalancer enters the servers of a generation. The caller holds mu.
func newBalancer(how balancing, targets []target, peers []*peer, mu *sync.Mutex, born time.Time) *balancer {
	b := &balancer{balancing: how, mu: mu, born: born}
	for i, t := range targets {
		to := &b.primary
		if t.plan.backup {
			to = &b.backup
		}
		to.add(peers[i], t.plan)
		if !t.plan.down {
			b.tries++
		}
	}
	b.single = len(b.primary.slots) == 1 && len(b.backup.slots) == 0
	if how.method == hashConsistent {
		b.ring = newRing(b.primary.slots)
	}
	return b
}

func (t *tier) add(p *peer, plan *serverPlan) {
	if p.weight != plan.weight {
		p.weight, p.effective, p.current = plan.weight, plan.weight, 0
	}
	t.slots = append(t.slots, slot{peer: p, plan: plan, index: len(t.slots)})
	t.total += plan.weight
}

// pick gives the request a server that it has not tried, or nil when none is to be
// had. free gives it back.
func (b *balancer) pick(t *turn) *slot {
	if b.unwatched() {
		if !b.primary.slots[0].plan.down {
			t.at = &b.primary.slots[0]
		}
		return t.at
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	s := b.choose(t, now)
	if s == nil {
		return nil
	}
	t.note(s.index)
	s.conns++
	if now-s.checked > s.plan.failTimeout {
		s.checked = now
	}
	t.at = s
	return s
}

// unwatched reports whether there is nothing to choose and nothing to count.
func (b *balancer) unwatched() bool { return b.single && b.primary.slots[0].plan.maxConns == 0 }

// now is in seconds, as nginx counts here, on the monotonic clock. It is far from the
// zero that a new server has.
func (b *balancer) now() int64 { return 1<<32 + int64(time.Since(b.born)/time.Second) }

func (b *balancer) choose(t *turn, now int64) *slot {
	if b.single {
		return b.turns(t, now)
	}
	switch b.method {
	case leastConn:
		return b.least(t, now)
	case ipHash, hashKey:
		return b.hashed(t, now)
	case hashConsistent:
		return b.onRing(t, now)
	}
	return b.turns(t, now)
}

// turns is the round robin: the primary servers, then the backups.
func (b *balancer) turns(t *turn, now int64) *slot {
	if s := b.tier(t).next(t, now, b.single); s != nil {
		return s
	}
	if !b.fallBack(t) {
		return nil
	}
	return b.backup.next(t, now, false)
}

func (b *balancer) tier(t *turn) *tier {
	if t.second {
		return &b.backup
	}
	return &b.primary
}

// fallBack goes on to the backups.
func (b *balancer) fallBack(t *turn) bool {
	if t.second || len(b.backup.slots) == 0 {
		return false
	}
	t.second, t.tried = true, t.tried[:0]
	return true
}

// usable reports whether a server may get the request.
func (s *slot) usable(t *turn, now int64) bool {
	return !t.hasTried(s.index) && s.healthy(now)
}

func (s *slot) healthy(now int64) bool {
	if s.plan.maxFails > 0 && s.fails >= s.plan.maxFails && now-s.checked <= s.plan.failTimeout {
		return false
	}
	return s.hasRoom()
}

func (s *slot) hasRoom() bool {
	return !s.plan.down && (s.plan.maxConns == 0 || s.conns < s.plan.maxConns)
}

// step adds to the weight of a server whose turn may be now, and returns by how much.
func (s *slot) step() int {
	by := s.effective
	s.current += by
	if s.effective < s.weight {
		s.effective++
	}
	return by
}

// next is one round of the smooth weighted round robin.
func (g *tier) next(t *turn, now int64, single bool) *slot {
	var best *slot
	total := 0
	for i := range g.slots {
		s := &g.slots[i]
		if single && s.hasRoom() {
			return s
		}
		if !s.usable(t, now) {
			continue
		}
		total += s.step()
		if best == nil || s.current > best.current {
			best = s
		}
	}
	if best != nil {
		best.current -= total
	}
	return best
}

// least is the server with the fewest requests for its weight (nginx: least_conn).
func (b *balancer) least(t *turn, now int64) *slot {
	if s := b.tier(t).least(t, now); s != nil {
		return s
	}
	if !b.fallBack(t) {
		return nil
	}
	return b.backup.least(t, now)
}

func (g *tier) least(t *turn, now int64) *slot {
	var best *slot
	many := false
	for i := range g.slots {
		s := &g.slots[i]
		if !s.usable(t, now) {
			continue
		}
		switch {
		case best == nil, s.conns*best.plan.weight < best.conns*s.plan.weight:
			best, many = s, false
		case s.conns*best.plan.weight == best.conns*s.plan.weight:
			many = true
		}
	}
	if best == nil || !many {
		return best
	}
	// Of equal ones the round robin takes one. nginx begins with the first of them, and
	// compares with the best so far.
	total := 0
	for i := best.index; i < len(g.slots); i++ {
		s := &g.slots[i]
		if !s.usable(t, now) || s.conns*best.plan.weight != best.conns*s.plan.weight {
			continue
		}
		total += s.step()
		if s.current > best.current {
			best = s
		}
	}
	best.current -= total
	return best
}

// verdict is what a try says of its server.
type verdict int

const (
	served verdict = iota
	skipped
	failing
)

// free gives back what pick gave.
func (b *balancer) free(t *turn, v verdict) {
	s := t.at
	if s == nil {
		return
	}
	t.at = nil
	if b.single {
		t.left = 0
	} else {
		t.left = max(t.left-1, 0)
	}
	if b.unwatched() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.conns--
	switch {
	case b.single:
	case v == failing:
		s.fail(b.now())
	case s.accessed < s.checked:
		s.fails = 0
	}
}

func (s *slot) fail(now int64) {
	s.fails++
	s.accessed, s.checked = now, now
	if s.plan.maxFails > 0 {
		s.effective = max(s.effective-s.plan.weight/s.plan.maxFails, 0)
	}
}
