package proxy

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"paddock/proxy/netpoll"
)

// Bounds of looking up the names of servers. They have no key: a name's own TTL says
// when it is looked up again.
const (
	resolveTime  = 5 * time.Second  // how long a configuration waits for names that are new
	lookupTime   = 10 * time.Second // of one look-up in the background
	minTTL       = time.Second      // nginx asks no more often
	maxTTL       = time.Hour
	hostsTTL     = 30 * time.Second // of an answer without a TTL, which is that of /etc/hosts
	lookupRetry  = 5 * time.Second  // after one that failed; the old addresses are used on
	maxAddresses = 64               // of one name
)

// resolver knows the addresses of the host names of all upstreams. One goroutine looks
// them up again as their TTLs say; no request waits for that.
type resolver struct {
	lookup lookup
	logger *zap.Logger
	wake   chan struct{} // of size 1

	mu    sync.Mutex
	known map[string]*name
}

// lookup asks for the addresses of a host name, and for how long they hold.
type lookup func(ctx context.Context, host string) ([]netip.Addr, time.Duration, error)

type name struct {
	addrs  []netip.Addr // sorted; empty before the first answer
	until  time.Time    // then it is asked for again
	failed bool         // the last time
}

func newResolver(ask lookup, logger *zap.Logger) *resolver {
	return &resolver{lookup: ask, logger: logger, wake: make(chan struct{}, 1), known: map[string]*name{}}
}

// learn looks up the names of a configuration that are new, at most resolveTime. A
// name without an answer is asked for again and again: its servers come when it has
// one. nginx does not start then.
func (n *resolver) learn(hosts []string) {
	ctx, cancel := context.WithTimeout(context.Background(), resolveTime)
	defer cancel()
	n.mu.Lock()
	hosts = slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return n.known[h] != nil })
	n.mu.Unlock()
	n.ask(ctx, hosts)
}

// ask looks up names, all at once, and reports whether any has other addresses now.
func (n *resolver) ask(ctx context.Context, hosts []string) (changed bool) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for _, host := range hosts {
		wg.Go(func() {
			addrs, ttl, err := n.look(ctx, host)
			if n.note(host, addrs, ttl, err) {
				mu.Lock()
				changed = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return changed
}

// look is lookup. What a name server sent must not end the process.
func (n *resolver) look(ctx context.Context, host string) (addrs []netip.Addr, ttl time.Duration, err error) {
	defer caught(n.logger, "a look-up panicked", &err)
	return n.lookup(ctx, host)
}

// note keeps an answer. After a failure the old addresses stay, whatever it was: a
// name server that says "no such name" may be as wrong as one that says nothing.
func (n *resolver) note(host string, addrs []netip.Addr, ttl time.Duration, err error) (changed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	k := n.known[host]
	if k == nil {
		k = &name{}
		n.known[host] = k
	}
	if err == nil && len(addrs) == 0 {
		err = errNoAddress
	}
	if err != nil {
		if !k.failed {
			n.logger.Warn("the name of an upstream server could not be looked up; its last addresses are used on",
				zap.String("host", host), zap.Int("addresses", len(k.addrs)), zap.Error(err))
		}
		k.failed, k.until = true, time.Now().Add(lookupRetry)
		return false
	}
	if k.failed {
		n.logger.Info("the name of an upstream server is found again", zap.String("host", host))
	}
	k.failed, k.until = false, time.Now().Add(min(max(ttl, minTTL), maxTTL))
	addrs = sortedAddrs(addrs)
	changed = !slices.Equal(k.addrs, addrs)
	k.addrs = addrs
	return changed
}

var errNoAddress = errors.New("it has no address")

// sortedAddrs makes two answers with the same addresses equal: name servers rotate
// them.
func sortedAddrs(addrs []netip.Addr) []netip.Addr {
	out := make([]netip.Addr, 0, len(addrs))
	for _, a := range addrs {
		out = append(out, a.Unmap())
	}
	slices.SortFunc(out, netip.Addr.Compare)
	out = slices.Compact(out)
	return out[:min(len(out), maxAddresses)]
}

// targets are the addresses of servers, as far as they are known.
func (n *resolver) targets(servers []*serverPlan) (out []target) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range servers {
		if s.isUnix() {
			out = append(out, s.unixTarget())
			continue
		}
		for _, ip := range n.addresses(s.host) {
			ap := netip.AddrPortFrom(ip, s.port)
			out = append(out, target{address{ap.String(), netpoll.TCPAddr(ap)}, s})
		}
	}
	return out
}

func (n *resolver) addresses(host string) []netip.Addr {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}
	}
	if k := n.known[host]; k != nil {
		return k.addrs
	}
	return nil
}

// keep forgets the names that are not in use, and has the goroutine look at the rest.
func (n *resolver) keep(hosts []string) {
	n.mu.Lock()
	maps.DeleteFunc(n.known, func(h string, _ *name) bool { return !slices.Contains(hosts, h) })
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// due returns the names whose time is over, and when the next one's is.
func (n *resolver) due(now time.Time) (hosts []string, next time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	next = maxTTL
	for host, k := range n.known {
		if left := k.until.Sub(now); left <= 0 {
			hosts = append(hosts, host)
		} else {
			next = min(next, left)
		}
	}
	return hosts, next
}

// run looks names up again until ctx ends, and tells when addresses have changed.
func (n *resolver) run(ctx context.Context, changed func()) {
	timer := time.NewTimer(maxTTL)
	defer timer.Stop()
	for {
		hosts, next := n.due(time.Now())
		if len(hosts) > 0 {
			if n.askInTime(ctx, hosts) {
				changed()
			}
			continue
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-n.wake:
		}
	}
}

func (n *resolver) askInTime(ctx context.Context, hosts []string) (changed bool) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	return n.ask(ctx, hosts)
}

// hosts are the names that the servers of a snapshot have.
func (s *snapshot) hosts() []string {
	var hosts []string
	for _, g := range s.groups {
		for _, server := range g.servers {
			if _, err := netip.ParseAddr(server.host); err != nil && !server.isUnix() {
				hosts = append(hosts, server.host)
			}
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// renew gives every upstream the addresses that its names have now.
func (p *Proxy) renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.upstreams {
		u.renew(p.names)
	}
}

func (u *upstream) renew(n *resolver) {
	q := &u.queue
	q.mu.Lock()
	if u.app || u.plan == nil {
		q.mu.Unlock()
		return
	}
	old := u.setServers(u.plan.balancing, n.targets(u.plan.servers))
	q.limit = u.limit()
	now := q.current
	q.advance()
	q.mu.Unlock()
	old.closeBut(now)
}

// systemLookup asks as the system is set up (/etc/hosts, /etc/resolv.conf). The TTL,
// which Go's resolver does not tell, is read from the messages on their way.
func systemLookup(ctx context.Context, host string) ([]netip.Addr, time.Duration, error) {
	w := &ttlWatch{}
	r := net.Resolver{PreferGo: true, Dial: w.dial}
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	return addrs, w.ttl(), err
}
