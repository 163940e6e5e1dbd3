package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"paddock/internal/value"
	"paddock/proxy/netpoll"
)

// listener is one listening socket. It outlives snapshots.
type listener struct {
	proxy     *Proxy
	key       string
	addr      string // $server_addr, unless wildcard
	port      string // $server_port
	wildcard  bool   // the address is known only by the connection
	hostName  []byte // $host of a request that names none
	ready     chan struct{}
	retired   atomic.Bool // accepts no more; connections end with the request under way
	last      atomic.Pointer[server]
	proxied   atomic.Bool // each connection begins with a PROXY protocol header
	speaksTLS atomic.Bool // each connection begins with a handshake
	http2     atomic.Bool // a connection may begin as one of HTTP/2
	secure    *tls.Config // finds the server that a client asks for
	accepts   *netpoll.Listener
}

// listen starts what the snapshot needs and does not run yet. The new listeners
// hold their connections until commit says that they are ready.
func (p *Proxy) listen(next *snapshot, fds map[string]int) (started []*listener, err error) {
	for key, spec := range next.listen {
		if p.listeners[key] != nil {
			continue
		}
		l, err := p.startListener(key, spec, fds)
		if err != nil {
			for _, l := range started {
				l.abandon()
			}
			return nil, err
		}
		started = append(started, l)
	}
	return started, nil
}

func (p *Proxy) startListener(key string, spec value.Listen, fds map[string]int) (*listener, error) {
	fd, ok := fds[key]
	if !ok {
		return nil, fmt.Errorf("no socket for the listen address %s", key)
	}
	l := &listener{proxy: p, key: key, ready: make(chan struct{})}
	l.hostName = listenerHost(spec.Addr)
	l.secure = &tls.Config{GetConfigForClient: l.chooseConfig, MinVersion: tls.VersionTLS12}
	if spec.Addr.IsValid() {
		l.addr, l.port = spec.Addr.Addr().String(), strconv.Itoa(int(spec.Addr.Port()))
		l.wildcard = spec.Addr.Addr().IsUnspecified()
	} else {
		l.addr = "unix:" + spec.Unix
	}
	accepts, err := p.poller.ListenInline(fd, l.accept)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", key, err)
	}
	l.accepts = accepts
	return l, nil
}

// abandon ends a listener that was never made ready.
func (l *listener) abandon() {
	l.retired.Store(true)
	close(l.ready) // whom it has accepted is closed
	l.accepts.Close()
}

// retire stops accepting and has every connection end: idle ones now, others with
// the request under way.
func (l *listener) retire() {
	l.retired.Store(true)
	l.accepts.Close()
	l.proxy.conns.wake(l)
}

// add registers a connection; false: its listener never came to serve.
func (l *listener) add(c *conn) bool {
	if l.last.Load() == nil {
		return false
	}
	l.proxy.conns.add(c)
	if l.retired.Load() { // retire may have looked before it was there
		c.nc.Wake()
	}
	return true
}

// connCount holds every client connection of the proxy, so that Shutdown can
// wait for them and cut them.
type connCount struct {
	open  atomic.Int64 // the length of all, for who does not wait for mu
	mu    sync.Mutex
	all   map[*conn]struct{}
	empty chan struct{} // closed when the last connection goes; nil when nobody waits
}

func (n *connCount) add(c *conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all == nil {
		n.all = map[*conn]struct{}{}
	}
	n.all[c] = struct{}{}
	n.open.Store(int64(len(n.all)))
}

func (n *connCount) remove(c *conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.all, c)
	n.open.Store(int64(len(n.all)))
	if len(n.all) == 0 && n.empty != nil {
		close(n.empty)
		n.empty = nil
	}
}

// wake has the idle connections of a listener end.
func (n *connCount) wake(l *listener) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.all {
		if c.listener != l {
			continue
		}
		c.nc.Wake()
		if h := c.http2.Load(); h != nil {
			h.Shutdown()
		}
	}
}

func (n *connCount) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.all)
}

func (n *connCount) wait(ctx context.Context) error {
	n.mu.Lock()
	if len(n.all) == 0 {
		n.mu.Unlock()
		return nil
	}
	if n.empty == nil {
		n.empty = make(chan struct{})
	}
	empty, left := n.empty, len(n.all)
	n.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %d connections: %w", left, ctx.Err())
	}
}

// cut breaks every connection, whatever it is doing.
func (n *connCount) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.all {
		c.nc.Interrupt()
		c.hungUp()
	}
}
