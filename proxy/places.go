package proxy

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"

	"paddock/internal/value"
)

// pass is a compiled `proxy_pass`.
type pass struct {
	name     string // of the app, the upstream, or the address itself
	host     string // $proxy_host
	uri      string // replaces the location's prefix when hasURI
	hasURI   bool
	prefix   int       // length of that prefix
	upstream *upstream // linked when the snapshot is made
}

const passForm = `expected "http://NAME" of an app or upstream, "http://host:port" or "http://unix:/path"`

// compilePlaces compiles what a server does with its requests.
func (c *compiler) compilePlaces(key string, cfg *Server, s *server) {
	if cfg.Return != "" {
		s.answer = c.compileReturn(value.Join(key, "return"), cfg.Return)
	}
	s.whole = &location{settings: s.settings, answer: s.answer}
	c.places = map[string]*location{}
	c.compileWhole(key, cfg, s)
	if cfg.App == "" && cfg.Return == "" && len(cfg.Location) == 0 && s.site.root == nil {
		c.problems.Addf(key, "no location, app or return: nothing to serve")
	}
	if cfg.App != "" {
		c.compileApp(value.Join(key, "app"), cfg.App, s)
	}
	for i := range cfg.Location {
		c.compileLocation(value.Index(value.Join(key, "location"), i), &cfg.Location[i], s)
	}
	c.checkNamed(key, s, c.places)
}

// compileApp makes the location "/" that `app` is short for.
func (c *compiler) compileApp(key, name string, s *server) {
	if _, ok := c.cfg.Apps[name]; !ok {
		c.problems.Addf(key, "unknown app %q; known are %s", name, list(maps.Keys(c.cfg.Apps)))
		return
	}
	l := &location{settings: s.settings, pass: &pass{name: name, host: name}}
	c.out.passes = append(c.out.passes, l.pass)
	if err := s.table.add("/", l); err != nil {
		c.problems.Addf(key, "%v", err)
	}
}

func (c *compiler) compileLocation(key string, cfg *Location, s *server) {
	l := &location{settings: c.settings(key, &cfg.Settings, s.settings)}
	switch {
	case cfg.Return != "" && cfg.ProxyPass != "":
		c.problems.Addf(key, "return and proxy_pass stand in one location; expected one of them")
	case cfg.Return != "":
		l.answer = c.compileReturn(value.Join(key, "return"), cfg.Return)
	case cfg.ProxyPass != "":
		l.pass = c.compilePass(value.Join(key, "proxy_pass"), cfg.ProxyPass)
	case cfg.Alias != "" || l.site.root != nil:
	default:
		c.problems.Addf(key, "no proxy_pass or return, and no root or alias: nothing to serve")
	}
	c.compileContent(key, cfg, l)
	c.places[key] = l
	if cfg.Path == "" {
		c.problems.Addf(key, `no path; expected one such as path = "/"`)
		return
	}
	if err := s.table.add(cfg.Path, l); err != nil {
		c.problems.Addf(value.Join(key, "path"), "%v", err)
		return
	}
	c.fitPass(value.Join(key, "proxy_pass"), l)
	c.checkAlias(value.Join(key, "alias"), cfg, l)
}

// fitPass tells a pass with a URI which part of the path that URI replaces.
func (c *compiler) fitPass(key string, l *location) {
	if l.pass == nil || !l.pass.hasURI {
		return
	}
	if l.regexp != nil || l.prefix == "" {
		c.problems.Addf(key, "a location given by a name or a regular expression passes no URI; expected %q without %q", "http://"+l.pass.host, l.pass.uri)
	}
	l.pass.prefix = len(l.prefix)
}

func (c *compiler) compileReturn(key, text string) *answer {
	a, err := compileReturn(text)
	if err != nil {
		c.problems.Addf(key, "%v", err)
	} else if asksDisk(a.text) {
		c.out.waits = true
	}
	return a
}

func (c *compiler) compilePass(key, text string) *pass {
	p, err := parsePass(text)
	if err == nil {
		err = c.bindPass(p)
	}
	if err != nil {
		c.problems.Addf(key, "%v", err)
		return nil
	}
	c.out.passes = append(c.out.passes, p)
	return p
}

// parsePass splits a proxy_pass into where to and with which URI.
func parsePass(text string) (*pass, error) {
	rest, ok := strings.CutPrefix(text, "http://")
	if !ok {
		return nil, fmt.Errorf("%q: %s", text, passForm)
	}
	if strings.ContainsAny(text, "$ \t\r\n#") {
		return nil, fmt.Errorf("%q holds a variable or a space; %s", text, passForm)
	}
	if path, ok := strings.CutPrefix(rest, "unix:"); ok {
		path, uri, has := strings.Cut(path, ":")
		p := &pass{name: "unix:" + path, host: "localhost", uri: uri, hasURI: has && uri != ""}
		return p, p.checkURI()
	}
	host, uri := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		host, uri = rest[:i], rest[i:]
	}
	p := &pass{name: host, host: host, uri: uri, hasURI: uri != ""}
	return p, p.checkURI()
}

// checkURI refuses what would not be a target on the request line of the app.
func (p *pass) checkURI() error {
	if p.hasURI && (p.uri[0] != '/' || strings.ContainsFunc(p.uri, notInTarget)) {
		return fmt.Errorf("the URI %q: expected a path such as %q, without blanks, controls and bytes from 0x7f", p.uri, "/path/")
	}
	return nil
}

// bindPass checks that the name is known, or makes an upstream of an address.
func (c *compiler) bindPass(p *pass) error {
	if c.out.groups[p.name] != nil {
		return nil
	}
	if _, err := netip.ParseAddr(p.name); err == nil {
		p.name += ":80" // nginx: proxy_pass
		return c.bindPass(p)
	}
	if !strings.ContainsAny(p.name, ":") {
		return fmt.Errorf("unknown app or upstream %q; known are %s", p.name, list(maps.Keys(c.out.groups)))
	}
	s := &serverPlan{text: p.name, weight: 1}
	if err := s.parseAddress(); err != nil {
		return err
	}
	c.out.groups[p.name] = &groupPlan{name: p.name, servers: []*serverPlan{s}, limits: defaultLimits(0)}
	return nil
}
