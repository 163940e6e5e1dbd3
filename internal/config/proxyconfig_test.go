package config

import (
	"encoding/json"
	"reflect"
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
