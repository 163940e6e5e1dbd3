package proxy

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"paddock/internal/value"
	"paddock/proxy/netpoll"
)

// groupPlan is what a configuration says of one app or upstream.
type groupPlan struct {
	name      string
	app       bool
	limits    Limits
	addresses []string // of an upstream: "host:port" or "unix:/path"
	health    string   // of an app: the path of its probe
	host      string   // of an app: the Host that the probe names
	dev       bool     // of an app: App.Dev
	resolved  []address
}

// address is one server of an upstream, ready to be dialled.
type address struct {
	text string // $upstream_addr
	dial netpoll.Addr
}

func (c *compiler) compileGroups() {
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Upstreams)) {
		u := c.cfg.Upstreams[name]
		c.compileUpstream(value.Join("upstream", name), name, &u)
	}
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Apps)) {
		a := c.cfg.Apps[name]
		c.compileAppGroup(value.Join("app", name), name, &a)
	}
}

func (c *compiler) compileUpstream(key, name string, u *Upstream) {
	if len(u.Server) == 0 {
		c.problems.Addf(key, `the upstream has no server; expected server = "host:port" or "unix:/path"`)
	}
	for _, text := range u.Server {
		if err := checkAddress(text); err != nil {
			c.problems.Addf(value.Join(key, "server"), "%v", err)
		}
	}
	c.checkLimits(key, &u.Limits)
	c.out.groups[name] = &groupPlan{name: name, limits: u.Limits, addresses: u.Server}
}

func (c *compiler) compileAppGroup(key, name string, a *App) {
	if _, ok := c.cfg.Upstreams[name]; ok {
		c.problems.Addf(key, "an upstream has the name %q too; apps and upstreams share one name space", name)
		return
	}
	if !strings.HasPrefix(a.Health, "/") || strings.ContainsFunc(a.Health, notInTarget) {
		c.problems.Addf(value.Join(key, "health"), `%q: expected a path such as "/healthz"`, a.Health)
	}
	c.above0(key, "health_timeout", &a.HealthTimeout)
	c.checkLimits(key, &a.Limits)
	c.out.groups[name] = &groupPlan{name: name, app: true, limits: a.Limits, health: a.Health, host: c.probeHost(name), dev: a.Dev}
}

func notInTarget(r rune) bool { return r <= ' ' || r == '#' || r == '\\' || r >= 0x7f }

func (c *compiler) checkLimits(key string, l *Limits) {
	c.atLeast(key, "max_conns", int64(l.MaxConns), 0)
	c.atLeast(key, "queue_size", int64(l.QueueSize), 0)
	c.atLeast(key, "keepalive", int64(l.Keepalive), 0)
	if l.QueueTimeout < 0 {
		c.problems.Addf(value.Join(key, "queue_timeout"), "expected a time of 0 or more")
	}
}

// probeHost is the first plain name of a server that passes to the app: an app
// may refuse a Host that it does not know (Django, ALLOWED_HOSTS).
func (c *compiler) probeHost(app string) string {
	for i := range c.cfg.Servers {
		s := &c.cfg.Servers[i]
		if !passesTo(s, app) {
			continue
		}
		for _, name := range s.ServerName {
			if name != "" && name != "_" && !strings.ContainsAny(name[:1]+name[len(name)-1:], "*.~") {
				return strings.ToLower(name)
			}
		}
	}
	return "localhost"
}

func passesTo(s *Server, app string) bool {
	return s.App == app || slices.ContainsFunc(s.Location, func(l Location) bool {
		p, err := parsePass(l.ProxyPass)
		return err == nil && p.name == app
	})
}

// checkAddress checks the form of one upstream server without a look-up.
func checkAddress(text string) error {
	const want = `expected "host:port" or "unix:/path"`
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("%q: %s", text, want)
		}
		return nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" || strings.ContainsAny(host, " \t/") {
		return fmt.Errorf("%q: %s", text, want)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q: expected a port from 1 to 65535", text)
	}
	return nil
}

// resolve looks up the host names of an upstream, once, as nginx does at load.
func (g *groupPlan) resolve(ctx context.Context) error {
	for _, text := range g.addresses {
		if path, ok := strings.CutPrefix(text, "unix:"); ok {
			g.resolved = append(g.resolved, address{text, netpoll.UnixAddr(path)})
			continue
		}
		host, port, err := net.SplitHostPort(text)
		if err != nil {
			return fmt.Errorf("upstream %s: %w", g.name, err)
		}
		ips, err := lookup(ctx, host)
		if err != nil {
			return fmt.Errorf("upstream %s: find the address of %q: %w", g.name, host, err)
		}
		n, _ := strconv.ParseUint(port, 10, 16) // checked by checkAddress
		for _, ip := range ips {
			ap := netip.AddrPortFrom(ip.Unmap(), uint16(n))
			g.resolved = append(g.resolved, address{ap.String(), netpoll.TCPAddr(ap)})
		}
	}
	return nil
}

func lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}
