package proxy

import (
	"slices"
	"strings"
	"time"

	"paddock/accesslog"
	"paddock/internal/value"
	"paddock/proxy/http1"
)

// snapshot is one configuration, compiled: it never changes, and an exchange
// keeps the one that it began with.
type snapshot struct {
	sites  map[string]*site // by Listen.Key
	listen map[string]value.Listen
	groups map[string]*groupPlan // by the name that a pass has
	passes []*pass
	logs   []*logTarget // of every place
	waits  bool         // a text with $variables asks the file system: nothing is expanded inline
	all    []*server

	zones   map[string]*limitZone
	users   map[string]*users            // by path
	targets map[string]*accesslog.Target // of logs, by path
}

// site is the servers of one listen address.
type site struct {
	names    nameTable
	fallback *server // the default server
	explicit bool    // by default_server; otherwise the first
	proxied  bool    // by proxy_protocol of any of them, as in nginx
	secure   bool    // by ssl of any of them
	http2    bool    // by http2 of any of them
}

// server is one compiled [[server]].
type server struct {
	name              string              // the first name: $server_name
	hostName          []byte              // the same as bytes
	siteName          string              // in metrics
	counters          laned[siteCounters] // linked when the snapshot serves
	answer            *answer
	whole             *location // the server itself as a place: its return, and what no location matches
	table             locationTable
	head              http1.Limits
	headerTimeout     time.Duration
	keepaliveTimeout  time.Duration
	keepaliveRequests int
	hsts              []byte // the field line; nil: none
	toHTTPS           bool   // plain HTTP is redirected
	httpsPort         string // ":8443" where TLS is not spoken on 443
	secure            Secure // Config is nil in the keeper, and for a server without TLS
	http2             http2Rules
	settings
}

// compiler turns a Config into a snapshot and collects what is wrong on its way.
type compiler struct {
	cfg      *Config
	problems *value.Problems
	formats  map[string]*accesslog.Format
	folders  map[string]*folder   // by path
	places   map[string]*location // of the server at hand, by key
	out      *snapshot
}

// compile returns a snapshot that is complete but for what lives: upstreams and
// logs. It is of use only when no problem was added.
func compile(cfg *Config, problems *value.Problems) *snapshot {
	c := &compiler{cfg: cfg, problems: problems, out: &snapshot{
		sites:  map[string]*site{},
		listen: map[string]value.Listen{},
		groups: map[string]*groupPlan{},
	}}
	c.atLeast("paddock", "worker_connections", int64(cfg.WorkerConnections), 0)
	c.compileFormats()
	c.compileZones()
	c.compileGroups()
	base := defaultSettings()
	base.logs = c.accessLogs("access_log", accesslog.Settings{cfg.AccessLog})
	for i := range cfg.Servers {
		s := c.compileServer(value.Index("server", i), &cfg.Servers[i], base)
		if i < len(cfg.Secure) {
			s.secure = cfg.Secure[i]
		}
	}
	return c.out
}

func (c *compiler) compileServer(key string, cfg *Server, base settings) *server {
	s := &server{
		headerTimeout:     defaultClientHeaderTimeout,
		keepaliveTimeout:  defaultKeepaliveTimeout,
		keepaliveRequests: defaultKeepaliveRequests,
		settings:          c.settings(key, &cfg.Settings, base),
	}
	s.head = c.headLimits(key, cfg)
	setDuration(&s.headerTimeout, cfg.ClientHeaderTimeout)
	setDuration(&s.keepaliveTimeout, cfg.KeepaliveTimeout)
	if cfg.KeepaliveRequests != nil {
		s.keepaliveRequests = *cfg.KeepaliveRequests
		c.atLeast(key, "keepalive_requests", int64(s.keepaliveRequests), 1)
	}
	c.above0(key, "client_header_timeout", cfg.ClientHeaderTimeout)
	if len(cfg.ServerName) > 0 {
		s.name = strings.ToLower(cfg.ServerName[0])
		s.hostName = []byte(s.name)
	}
	s.siteName = siteName(cfg)
	c.out.all = append(c.out.all, s)
	c.compileHTTP2(key, cfg, s)
	c.compilePlaces(key, cfg, s)
	c.enterListens(key, cfg, s)
	c.compileHTTPS(key, cfg, s)
	return s
}

// settings resolves what a server or location sets over what it inherits.
func (c *compiler) settings(key string, own *Settings, base settings) settings {
	s := base.with(own).withBuffers(own)
	c.checkBuffers(key, own)
	s.site = c.site(key, &own.SiteSettings, base.site)
	if own.AccessLog != nil {
		s.logs = c.accessLogs(value.Join(key, "access_log"), own.AccessLog)
	}
	c.out.logs = append(c.out.logs, s.logs...)
	if own.ClientBodyBuffer != nil {
		c.within(key, "client_body_buffer_size", int64(*own.ClientBodyBuffer), 1, maxBodyBuffer)
	}
	for name, d := range map[string]*value.Duration{
		"client_body_timeout":   own.ClientBodyTimeout,
		"send_timeout":          own.SendTimeout,
		"proxy_connect_timeout": own.ProxyConnectTimeout,
		"proxy_send_timeout":    own.ProxySendTimeout,
		"proxy_read_timeout":    own.ProxyReadTimeout,
	} {
		c.above0(key, name, d)
	}
	s.next = c.nextUpstream(key, own, base.next)
	s.realip = c.realip(key, own, base.realip)
	s.limit = c.limits(key, own, base.limit)
	s.auth = c.auth(key, own, base.auth)
	c.out.waits = c.out.waits || s.wait()
	return s
}

func (c *compiler) enterListens(key string, cfg *Server, s *server) {
	if len(cfg.Listen) == 0 {
		c.problems.Addf(value.Join(key, "listen"), `the server has no listen address; expected one such as listen = "80"`)
	}
	for i, l := range cfg.Listen {
		if slices.ContainsFunc(cfg.Listen[:i], func(o value.Listen) bool { return o.Key() == l.Key() }) {
			c.problems.Addf(value.Join(key, "listen"), "%q: the server has this address twice", l.Text)
		}
		at := c.out.sites[l.Key()]
		if at == nil {
			at = &site{fallback: s}
			c.out.sites[l.Key()], c.out.listen[l.Key()] = at, l
		}
		at.proxied = at.proxied || l.ProxyProtocol
		at.secure = at.secure || l.SSL
		at.http2 = at.http2 || l.HTTP2
		if l.DefaultServer {
			if at.explicit {
				c.problems.Addf(value.Join(key, "listen"), "%q: another server is the default_server of this address", l.Text)
			}
			at.fallback, at.explicit = s, true
		}
		for _, name := range cfg.ServerName {
			if err := at.names.add(name, s); err != nil {
				c.problems.Addf(value.Join(key, "server_name"), "%v", err)
			}
		}
	}
}

func (c *compiler) above0(key, name string, d *value.Duration) {
	if d != nil && *d <= 0 {
		c.problems.Addf(value.Join(key, name), "expected a time above 0, got %q", d)
	}
}

func (c *compiler) atLeast(key, name string, n, low int64) {
	if n < low {
		c.problems.Addf(value.Join(key, name), "expected %d or more, got %d", low, n)
	}
}

func (c *compiler) within(key, name string, n, low, high int64) {
	if n < low || n > high {
		c.problems.Addf(value.Join(key, name), "expected %d to %d bytes, got %d", low, high, n)
	}
}

// list prints names for an error message.
func list(names func(func(string) bool)) string {
	sorted := slices.Sorted(names)
	if len(sorted) == 0 {
		return "none"
	}
	return strings.Join(sorted, ", ")
}
