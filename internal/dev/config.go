package dev

import (
	"bytes"
	"fmt"
	"path/filepath"

	"github.com/BurntSushi/toml"

	"paddock/internal/config"
)

// appName is the app's name in the configuration.
const appName = "app"

// requestFormat is the access log that parseRequest reads.
const requestFormat = "$status $request_time $request_method $request_uri"

// table is a table of the configuration.
type table map[string]any

// configuration is what is served, checked as a file would be. Times are long and
// sizes without limit: who waits is a person with a debugger.
func configuration(plan Plan, p *place, listen []string) (*config.Config, error) {
	app := table{
		"command": plan.Command, "directory": plan.Dir, "environment": plan.Env,
		"redirect_stderr": true, "stdout_logfile": p.path("output"), "stdout_logfile_maxbytes": 0,
		"startretries":  0, // a failed start waits for the next change, not for a time
		"stopsignal":    plan.Stop,
		"stopwaitsecs":  3,     // a request that does not end must not hold up a restart
		"queue_timeout": "10m", // a refresh waits as long as the restart takes
	}
	if plan.Venv != "" {
		app["venv"] = plan.Venv
	}
	text := new(bytes.Buffer)
	err := toml.NewEncoder(text).Encode(table{
		"paddock":    table{"run_dir": p.path("run"), "state_dir": p.path("state"), "log_dir": p.path("log")},
		"log":        table{"level": "error"},
		"log_format": table{"dev": requestFormat},
		"app":        table{appName: app},
		"server": []table{{
			"listen": listen, "app": appName, "access_log": table{"path": p.path("requests"), "format": "dev"},
			"client_max_body_size": "0", "proxy_read_timeout": "1h", "proxy_send_timeout": "1h",
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("configuration of dev: %w", err)
	}
	return config.Parse(filepath.Join(plan.Dir, "(paddock dev)"), text.String(), show)
}

// show has the app's own words shown when it does not start, and takes any answer of
// its probe: a page that raises is still a page to look at.
func show(c *config.Config) {
	a := c.Apps[appName]
	a.Dev = true
	c.Apps[appName] = a
}
