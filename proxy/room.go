package proxy

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"paddock/proxy/netpoll"
)

// room bounds the client connections, so that descriptors are left for apps, files and
// logs.
type room struct {
	asked  atomic.Int64 // worker_connections; 0: as many as descriptors allow
	limit  atomic.Int64 // what of it there is room for
	tight  atomic.Int64 // the bound until eased, after descriptors ran out all the same
	eased  atomic.Int64 // Unix nanoseconds
	warned atomic.Int64 // when the log was last told
}

const (
	// clientShare of the descriptors that the process may open is for clients: 3 of 4.
	// A request has at most one more for its app and one for a file.
	clientShare, clientParts = 3, 4

	tightTime = 10 * time.Second
	warnPause = time.Minute
)

// configureRoom takes a new worker_connections.
func (p *Proxy) configureRoom(asked int) {
	p.room.asked.Store(int64(asked))
	p.measureRoom()
	if limit := p.room.limit.Load(); int64(asked) > limit {
		p.logger.Warn("worker_connections is more than three quarters of the open files that are allowed; these are the limit",
			zap.Int("worker_connections", asked), zap.Int64("limit", limit))
	}
}

// measureRoom asks what the process may open, which can change while it lives (prlimit).
func (p *Proxy) measureRoom() {
	limit := int64(1 << 30)
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil {
		limit = max(int64(min(files.Cur, 1<<30))*clientShare/clientParts, 1)
	}
	if asked := p.room.asked.Load(); asked > 0 {
		limit = min(limit, asked)
	}
	p.room.limit.Store(limit)
}

// gate is asked by the poller before each accept.
func (p *Proxy) gate() *netpoll.Gate {
	return &netpoll.Gate{Full: p.isFull, Wants: p.clientWaits, Short: p.outOfDescriptors}
}

// isFull reports whether there is no room for one more client.
func (p *Proxy) isFull() bool { return p.conns.open.Load() >= p.roomNow() }

func (p *Proxy) roomNow() int64 {
	limit := p.room.limit.Load()
	if tight := p.room.tight.Load(); tight > 0 && time.Now().UnixNano() < p.room.eased.Load() {
		limit = min(limit, tight)
	}
	return limit
}

// clientWaits closes the idle connections that have waited longest, as nginx does. With
// none, new clients wait in the socket's queue, where nginx closes their connections.
func (p *Proxy) clientWaits() {
	p.warnRoom("worker_connections are not enough", p.conns.makeRoom(p.roomNow()))
}

// outOfDescriptors lowers the bound for a while.
func (p *Proxy) outOfDescriptors() {
	p.measureRoom()
	open := p.conns.open.Load()
	p.room.tight.Store(max(open*clientShare/clientParts, 1))
	p.room.eased.Store(time.Now().Add(tightTime).UnixNano())
	p.warnRoom("no descriptor is left for a connection", p.conns.makeRoom(p.roomNow()))
}

func (p *Proxy) warnRoom(what string, closed int) {
	now := time.Now().UnixNano()
	last := p.room.warned.Load()
	if now-last < int64(warnPause) || !p.room.warned.CompareAndSwap(last, now) {
		return
	}
	p.logger.Warn(what+": idle connections are closed, new ones wait",
		zap.Int64("connections", p.conns.open.Load()), zap.Int64("limit", p.room.limit.Load()), zap.Int("closing", closed))
}

// maxEvicted is how many idle connections are closed at once, and at most an eighth of
// them (nginx: ngx_drain_connections).
const maxEvicted = 32

// makeRoom has the idle connections that have waited longest end, and tells how many:
// none while those that are about to end leave fewer than limit. One of HTTP/2 takes
// until its client knows.
func (n *connCount) makeRoom(limit int64) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	type resting struct {
		c    *conn
		left time.Duration
	}
	var idle []resting
	stay := int64(len(n.all))
	for c := range n.all {
		until, ok := c.nc.Resting()
		if h := c.http2.Load(); h != nil {
			var ending bool
			if until, ok, ending = h.Idle(); ok && ending {
				stay--
				continue
			}
		}
		if ok && !c.nc.Woken() {
			idle = append(idle, resting{c, until})
		}
	}
	if len(idle) == 0 || stay < limit {
		return 0
	}
	slices.SortFunc(idle, func(a, b resting) int { return cmp.Compare(a.left, b.left) })
	idle = idle[:min(max(len(idle)/8, 1), maxEvicted)]
	for _, r := range idle {
		if h := r.c.http2.Load(); h != nil {
			h.Shutdown()
		} else {
			r.c.nc.Wake()
		}
	}
	return len(idle)
}
