package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// paddockConf leaves everything at its default: access log in combined, buffering of
// requests and answers on. It names what the comparison needs: places, metrics, and the
// limits of connections and bodies that nginx has here.
const paddockConf = `[paddock]
run_dir = "{dir}/run"
state_dir = "{dir}/state"
log_dir = "{dir}"

[metrics]
listen = "{metrics}"

[upstream.app]
server = "unix:{socket}"
keepalive = 256
keepalive_requests = 100000000

[[server]]
listen = ["{plain} backlog=4096", "{tls} ssl http2 backlog=4096"]
ssl_certificate = "{certificate}"
ssl_certificate_key = "{key}"
keepalive_requests = 100000000
keepalive_timeout = "300s"
client_max_body_size = "64m"

  [[server.location]]
  path = "/"
  proxy_pass = "http://app"
`

func newPaddock(l *lab, binary string) (*proxy, error) {
	p, err := l.newProxy("Paddock")
	if err != nil {
		return nil, err
	}
	p.conf = l.fill(p, paddockConf)
	file := filepath.Join(p.dir, "paddock.toml")
	p.args = []string{binary, "run", "-c", file}
	if err := os.WriteFile(file, []byte(p.conf), 0o644); err != nil {
		return nil, fmt.Errorf("configuration of Paddock: %w", err)
	}
	return p, nil
}
