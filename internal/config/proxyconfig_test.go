package config

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"paddock/proxy"
)

// The configuration travels to the proxy as JSON: what was checked is what runs.
func TestProxyConfigSurvivesItsJourney(t *testing.T) {
	const text = `
[app.web]
command = "true"
max_conns = 3
queue_timeout = "1m 500ms"
[upstream.other]
server = ["unix:/run/x.sock", "127.0.0.1:81"]
[log_format]
mine = { escape = "json", format = "$status" }
[[server]]
listen = ["127.0.0.1:8080 default_server backlog=7", "[::]:8081 proxy_protocol", "unix:/run/y.sock", "unix:z.sock backlog=9"]
server_name = ["a.test", "*.b.test"]
access_log = { path = "x.log", format = "mine" }
client_max_body_size = "2m"
keepalive_timeout = 5
set_real_ip_from = ["10.0.0.0/8", "unix:"]
real_ip_header = "X-Forwarded-For"
[[server.location]]
path = "/"
proxy_pass = "http://web"
client_max_body_size = 0
proxy_read_timeout = "90s"
access_log = "off"
set_real_ip_from = []
real_ip_recursive = true
[server.location.proxy_set_header]
Host = "$host"
X-None = ""
[[server.location]]
path = "/static/"
alias = "static/"
expires = 60
add_header = { X-A = ["1", { value = "2", always = true }], X-B = "3" }
error_page = ["404 /404.html", "500 =200 @app"]
try_files = "$uri @app"
gzip = true
gzip_types = []
internal = true
[[server.location]]
path = "@app"
add_header = {}
proxy_pass = "http://web"
`
	c, problems := loadFiles(t, fakeHost(t, 1000), map[string]string{"main.toml": text})
	if problems != nil {
		t.Fatal(problems)
	}
	want := c.ProxyConfig()
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got proxy.Config
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestFilesAreRelativeToTheirFile(t *testing.T) {
	c, problems := loadFiles(t, fakeHost(t, 1000), map[string]string{"main.toml": `
[[server]]
listen = "8080"
root = "public"
[[server.location]]
path = "/static/"
alias = "static/"
`})
	if problems != nil {
		t.Fatal(problems)
	}
	dir := filepath.Dir(c.File)
	if s := c.Servers[0]; s.Root != dir+"/public" || s.Location[0].Alias != dir+"/static/" {
		t.Errorf("root %s, alias %s in %s", s.Root, s.Location[0].Alias, dir)
	}
}

func TestWrongFieldOfATableIsNamed(t *testing.T) {
	_, problems := loadFiles(t, fakeHost(t, 1000), map[string]string{"main.toml": `
[[server]]
listen = "8080"
root = "/srv"
[server.add_header]
X-A = "fine"
X-B = { value = "x", alway = true }
X-C = 8
[server.proxy_set_header]
Content-Length = "1"
`})
	for i, want := range []string{`main.toml:7: server[0].add_header.X-B: unknown key "alway"`, "main.toml:8: server[0].add_header.X-C: expected a string", "main.toml:10: server[0].proxy_set_header.Content-Length: "} {
		if i >= len(problems) || !strings.HasPrefix(problems[i], want) {
			t.Errorf("want %s… in\n%s", want, strings.Join(problems, "\n"))
		}
	}
}
