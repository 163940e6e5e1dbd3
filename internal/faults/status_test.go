package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"
)

// status is what the tests read of `paddock status --json`.
type status struct {
	Goroutines int `json:"goroutines"`
	Proxy      struct {
		Pid        int `json:"pid"`
		Goroutines int `json:"goroutines"`
	} `json:"proxy"`
	Apps []struct {
		Name     string `json:"name"`
		State    string `json:"state"`
		InFlight int    `json:"in_flight"`
		Queued   int    `json:"queued"`
	} `json:"apps"`
	Logs []struct {
		Path    string `json:"path"`
		Lines   int    `json:"lines"`
		Dropped int    `json:"dropped"`
	} `json:"logs"`

	ProxyFiles, KeeperFiles int `json:"-"`
}

func (d *daemon) status(t *testing.T) status {
	t.Helper()
	out, code := d.command("status", "--json")
	if code != 0 {
		t.Fatalf("status: exit %d: %s", code, out)
	}
	var s status
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatalf("status --json: %v: %s", err, out)
	}
	s.ProxyFiles, s.KeeperFiles = openFiles(t, s.Proxy.Pid), openFiles(t, d.cmd.Process.Pid)
	return s
}

// untilInFlight waits until the app web has n requests in flight.
func (d *daemon) untilInFlight(n int) {
	d.t.Helper()
	d.until(fmt.Sprintf("%d requests in flight", n), func() bool {
		s := d.status(d.t)
		return len(s.Apps) > 0 && s.Apps[0].InFlight == n
	})
}

// until asks again and again; there is no event outside the daemon to wait for.
func (d *daemon) until(what string, ok func() bool) {
	d.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			d.t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func openFiles(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func compile(pattern string) *regexp.Regexp { return regexp.MustCompile(pattern) }
