package proxy

import (
	"hash/crc32"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// maxMisses is the number of servers that the hash names in vain before the round
// robin takes over (nginx: 20 tries).
const maxMisses = 20

// hashed goes by the client's address or by a key: the hash names a place among the
// weights, and another one while that server may not be had.
func (b *balancer) hashed(t *turn, now int64) *slot {
	for t.misses <= maxMisses && len(t.key) > 0 && b.primary.total > 0 {
		s := b.primary.byWeight(t.nextHash(b.method))
		if s.usable(t, now) {
			return s
		}
		t.misses++
	}
	return b.turns(t, now)
}

// nextHash is the next place that the key names.
func (t *turn) nextHash(m balanceMethod) int {
	if m == ipHash {
		for _, c := range t.key {
			t.hash = (t.hash*113 + uint32(c)) % 6271
		}
		return int(t.hash)
	}
	// Cache::Memcached: ((crc32([REHASH] KEY) >> 16) & 0x7fff) + PREV_HASH
	var sum uint32
	if t.rehash > 0 {
		var digits [20]byte
		sum = crc32.Update(0, crc32.IEEETable, strconv.AppendInt(digits[:0], int64(t.rehash), 10))
	}
	sum = crc32.Update(sum, crc32.IEEETable, t.key)
	t.rehash++
	t.hash += sum >> 16 & 0x7fff
	return int(t.hash)
}

func (g *tier) byWeight(n int) *slot {
	n %= g.total
	for i := range g.slots {
		s := &g.slots[i]
		if n < s.plan.weight {
			return s
		}
		n -= s.plan.weight
	}
	panic("proxy: the weights of a tier do not add up")
}

// point is one of the places that a server has on the ring of a consistent hash: so
// many for each that a server more or less moves only its own share of the keys.
type point struct {
	hash   uint32
	server string // servers of one name share their places
}

const (
	pointsPerWeight  = 160   // nginx
	maxWeightsOnRing = 10000 // of all servers: 25 MB
)

// newRing places the servers as Cache::Memcached::Fast does: crc32(HOST \0 PORT PREV_HASH).
func newRing(slots []slot) []point {
	var ring []point
	for _, s := range slots {
		host, port := ringName(s.plan.text)
		base := crc32.Update(0, crc32.IEEETable, append(append([]byte(host), 0), port...))
		var prev uint32
		for range s.plan.weight * pointsPerWeight {
			prev = crc32.Update(base, crc32.IEEETable, []byte{byte(prev), byte(prev >> 8), byte(prev >> 16), byte(prev >> 24)})
			ring = append(ring, point{prev, s.plan.text})
		}
	}
	slices.SortStableFunc(ring, func(a, b point) int {
		switch {
		case a.hash < b.hash:
			return -1
		case a.hash > b.hash:
			return 1
		}
		return 0
	})
	return slices.CompactFunc(ring, func(a, b point) bool { return a.hash == b.hash })
}

func ringName(text string) (host, port string) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return path, ""
	}
	i := strings.LastIndexByte(text, ':')
	if i < 0 || strings.Trim(text[i+1:], "0123456789") != "" {
		return text, ""
	}
	return text[:i], text[i+1:]
}

// onRing goes to the server whose place on the ring comes next after the key's.
func (b *balancer) onRing(t *turn, now int64) *slot {
	if len(t.key) == 0 || len(b.ring) == 0 {
		return b.turns(t, now)
	}
	if t.rehash == 0 { // the first time
		sum := crc32.ChecksumIEEE(t.key)
		t.hash = uint32(sort.Search(len(b.ring), func(i int) bool { return b.ring[i].hash >= sum }))
		t.rehash = 1
	}
	for ; t.misses <= maxMisses; t.misses++ {
		name := b.ring[int(t.hash)%len(b.ring)].server
		if s := b.primary.nextOf(name, t, now); s != nil {
			return s
		}
		t.hash++
	}
	return b.turns(t, now)
}

// nextOf is the round robin among the addresses of one server.
func (g *tier) nextOf(name string, t *turn, now int64) *slot {
	var best *slot
	total := 0
	for i := range g.slots {
		s := &g.slots[i]
		if s.plan.text != name || !s.usable(t, now) {
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

// hashOf sets what the hash of a request goes by.
func (x *exchange) hashOf(b *balancer, t *turn) {
	switch b.method {
	case ipHash:
		t.key, t.hash = appendHashedAddr(t.key[:0], x.remote), 89
	case hashKey, hashConsistent:
		t.key = b.key.Append(t.key[:0], &x.Entry)
	}
}

// appendHashedAddr appends what ip_hash takes of an address: the network of an IPv4
// one, all of an IPv6 one, zeros for a unix socket.
func appendHashedAddr(dst, text []byte) []byte {
	addr, err := netip.ParseAddr(string(text))
	switch {
	case err != nil:
		return append(dst, 0, 0, 0)
	case addr.Is4():
		b := addr.As4()
		return append(dst, b[:3]...)
	}
	b := addr.As16()
	return append(dst, b[:]...)
}
