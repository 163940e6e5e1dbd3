package proxy

import (
	"maps"
	"slices"
	"strings"

	"paddock/internal/value"
	"paddock/proxy/netpoll"
)

// groupPlan is what a configuration says of one app or upstream.
type groupPlan struct {
	name      string
	app       bool
	limits    Limits
	servers   []*serverPlan // of an upstream
	balancing balancing
	health    string   // of an app: the path of its probe
	host      string   // of an app: the Host that the probe names
	dev       bool     // of an app: App.Dev
	resolved  []target // of the servers, by the names as they were last looked up
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
	plan := &groupPlan{name: name, limits: u.Limits, servers: c.compileServers(value.Join(key, "server"), u.Server)}
	plan.balancing = c.compileBalancing(key, u)
	c.checkBalancing(key, plan)
	c.checkLimits(key, &u.Limits)
	c.out.groups[name] = plan
}

func (c *compiler) compileServers(key string, texts []string) (servers []*serverPlan) {
	if len(texts) > maxServers {
		c.problems.Addf(key, "%d servers; expected %d at most", len(texts), maxServers)
	}
	for _, text := range texts {
		s, err := parseServer(text)
		if err != nil {
			c.problems.Addf(key, "%v", err)
			continue
		}
		servers = append(servers, s)
	}
	return servers
}

// checkBalancing refuses what nginx refuses too, and a ring that is too large.
func (c *compiler) checkBalancing(key string, g *groupPlan) {
	primary, weights := 0, 0
	for _, s := range g.servers {
		if s.backup && (g.balancing.method != roundRobin && g.balancing.method != leastConn) {
			c.problems.Addf(value.Join(key, "server"), "%q: ip_hash and hash know no backup", s.text)
		}
		if !s.backup {
			primary++
			weights += s.weight
		}
	}
	if primary == 0 && len(g.servers) > 0 {
		c.problems.Addf(value.Join(key, "server"), "every server is a backup; expected one that is not")
	}
	if g.balancing.method == hashConsistent && weights > maxWeightsOnRing {
		c.problems.Addf(value.Join(key, "hash"), "the weights of the servers add up to %d; expected %d at most", weights, maxWeightsOnRing)
	}
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
	c.atLeast(key, "keepalive_requests", int64(l.KeepaliveRequests), 1)
	c.above0(key, "keepalive_timeout", &l.KeepaliveTimeout)
	c.above0(key, "keepalive_time", &l.KeepaliveTime)
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
