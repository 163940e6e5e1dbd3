package proxy

import (
	"strings"
	"testing"
	"time"

	"paddock/accesslog"
	"paddock/internal/value"
)

func listenOn(t *testing.T, texts ...string) value.Listens {
	var out value.Listens
	for _, text := range texts {
		var l value.Listen
		must(t, l.UnmarshalText([]byte(text)))
		out = append(out, l)
	}
	return out
}

func validConfig(t *testing.T) Config {
	u := DefaultUpstream()
	u.Server = value.Strings{"127.0.0.1:9000", "unix:/run/x.sock"}
	return Config{
		Apps:      map[string]App{"web": DefaultApp()},
		Upstreams: map[string]Upstream{"up": u},
		Formats:   map[string]accesslog.FormatSetting{"f": {Format: "$status"}},
		Servers: []Server{
			{Listen: listenOn(t, "80"), ServerName: value.Strings{"a.test"}, App: "web"},
			{Listen: listenOn(t, "80", "81"), ServerName: value.Strings{"b.test"}, Location: []Location{
				{Path: "/", ProxyPass: "http://up"},
				{Path: "/d/", ProxyPass: "http://localhost:8000/x"},
				{Path: "/port80/", ProxyPass: "http://127.0.0.1/x"},
				{Path: "/u/", ProxyPass: "http://unix:/run/y.sock:/z"},
			}},
		},
	}
}

func TestValidConfigurationHasNoProblems(t *testing.T) {
	c := validConfig(t)
	var problems value.Problems
	c.Validate(&problems)
	if len(problems) > 0 {
		t.Errorf("%+v", problems)
	}
}

func TestEachProblemNamesItsKeyAndWhatWasExpected(t *testing.T) {
	negative := -1
	zero := value.Duration(0)
	cases := []struct {
		change    func(*Config)
		key, text string
	}{
		{func(c *Config) { c.Servers[0].App = "nope" }, "server[0].app", `unknown app "nope"; known are web`},
		{func(c *Config) { c.Servers[0].App = "" }, "server[0]", "no location, app or return: nothing to serve"},
		{func(c *Config) { c.Servers[0].Listen = nil }, "server[0].listen", "no listen address"},
		{func(c *Config) { c.Servers[0].Listen = listenOn(t, "80", "0.0.0.0:80") }, "server[0].listen", "twice"},
		{func(c *Config) { c.Servers[0].ServerName = value.Strings{"b.test"} }, "server[1].server_name", "another server"},
		{func(c *Config) { c.Servers[0].ServerName = value.Strings{"~(?<=x)y"} }, "server[0].server_name", "RE2"},
		{func(c *Config) {
			c.Servers[1].Listen = listenOn(t, "80 default_server")
			c.Servers[0].Listen = listenOn(t, "80 default_server")
		}, "server[1].listen", "default_server"},
		{func(c *Config) { c.Servers[1].Location[0].ProxyPass = "http://nope" }, "server[1].location[0].proxy_pass", "known are up, web"},
		{func(c *Config) { c.Servers[1].Location[0].ProxyPass = "up" }, "server[1].location[0].proxy_pass", `expected "http://NAME"`},
		{func(c *Config) { c.Servers[1].Location[1].ProxyPass = "http://h:99999" }, "server[1].location[1].proxy_pass", "port from 1 to 65535"},
		{func(c *Config) { c.Servers[1].Location[1].ProxyPass = "http://unix:/s:uri" }, "server[1].location[1].proxy_pass", `the URI "uri"`},
		{func(c *Config) { c.Servers[1].Location[1].ProxyPass = "http://up/\x01" }, "server[1].location[1].proxy_pass", "the URI"},
		{func(c *Config) { c.Servers[1].Location[1].Path = "~ ^/d" }, "server[1].location[1].proxy_pass", "regular expression passes no URI"},
		{func(c *Config) { c.Servers[1].Location[1].Path = "/" }, "server[1].location[1].path", "twice"},
		{func(c *Config) { c.Servers[1].Location[1].ProxyPass = "" }, "server[1].location[1]", "no proxy_pass or return"},
		{func(c *Config) { c.Servers[1].Location[1].Return = "200" }, "server[1].location[1]", "one of them"},
		{func(c *Config) { c.Servers[0].Return = "301" }, "server[0].return", "a redirect needs a URL"},
		{func(c *Config) { c.Servers[0].Return = "200 two words" }, "server[0].return", "quotes"},
		{func(c *Config) { c.Servers[0].Return = "100" }, "server[0].return", "200 to 999"},
		{func(c *Config) { c.Servers[0].Return = "200 $nope" }, "server[0].return", "nope"},
		{func(c *Config) { c.Servers[0].KeepaliveRequests = &negative }, "server[0].keepalive_requests", "expected 1 or more"},
		{func(c *Config) { c.Servers[1].Location[0].ProxyReadTimeout = &zero }, "server[1].location[0].proxy_read_timeout", "above 0"},
		{func(c *Config) { c.Servers[0].AccessLog = accesslog.Settings{{Format: "g"}} }, "server[0].access_log", `unknown log format "g"; known are combined, f, json`},
		{func(c *Config) { c.Formats["f"] = accesslog.FormatSetting{Format: "$nope"} }, "log_format.f", "nope"},
		{func(c *Config) { c.Upstreams["up"] = DefaultUpstream() }, "upstream.up", "no server"},
		{func(c *Config) { c.Upstreams["web"] = c.Upstreams["up"] }, "app.web", "one name space"},
		{func(c *Config) { a := DefaultApp(); a.Health = "x y"; c.Apps["web"] = a }, "app.web.health", `such as "/healthz"`},
		{func(c *Config) { a := DefaultApp(); a.QueueSize = -1; c.Apps["web"] = a }, "app.web.queue_size", "0 or more"},
	}
	for _, c := range cases {
		cfg := validConfig(t)
		c.change(&cfg)
		var problems value.Problems
		cfg.Validate(&problems)
		if len(problems) != 1 || problems[0].Key != c.key || !strings.Contains(problems[0].Text, c.text) || strings.Contains(problems[0].Text, "\n") {
			t.Errorf("want %s: …%s…, got %+v", c.key, c.text, problems)
		}
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	c := validConfig(t)
	c.Servers[0].App = "nope"
	c.Servers[1].Location[0].ProxyPass = "x"
	c.Servers[1].Location[1].Path = "y"
	var problems value.Problems
	c.Validate(&problems)
	if len(problems) != 3 {
		t.Errorf("got %d problems: %+v", len(problems), problems)
	}
}

func TestDefaultsAreThoseOfTheDocumentation(t *testing.T) {
	a, u := DefaultApp(), DefaultUpstream()
	if a.Health != "/" || a.HealthTimeout.D() != time.Minute || a.QueueSize != 1000 || a.QueueTimeout.D() != 30*time.Second || a.Keepalive != 0 || a.MaxConns != 0 {
		t.Errorf("app %+v", a)
	}
	if u.QueueSize != 1000 || u.Keepalive != 32 {
		t.Errorf("upstream %+v", u)
	}
}

func TestLogTargetsAreListedOnce(t *testing.T) {
	c := validConfig(t)
	c.AccessLog.Path = "/var/log/a"
	c.Servers[1].AccessLog = accesslog.Settings{{Path: "/var/log/b", Format: "f"}}
	c.Servers[1].Location[0].AccessLog = accesslog.Settings{{Off: true}}
	got := c.LogTargets()
	if len(got) != 2 || got[0].Path != "/var/log/a" || got[1].Path != "/var/log/b" {
		t.Errorf("got %+v", got)
	}
}
