package proxy

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"paddock/internal/value"
)

// serverPlan is one `server` of an upstream as nginx writes it: the address and its
// parameters.
type serverPlan struct {
	text        string // the address as written: what `hash … consistent` goes by
	host        string // of a TCP address
	port        uint16
	weight      int   // 1 to maxWeight; 1
	maxConns    int   // requests at once; 0: any number
	maxFails    int   // 1; 0: it is never taken out of the turn
	failTimeout int64 // seconds in which maxFails count, and then without it; 10
	backup      bool  // only when no other server can be had
	down        bool
}

// Defaults and bounds of the parameters of `server` (nginx, ngx_http_upstream_module).
const (
	defaultMaxFails    = 1
	defaultFailTimeout = 10
	maxWeight          = 65535
	maxServers         = 1024 // of one upstream
)

func (s *serverPlan) isUnix() bool { return strings.HasPrefix(s.text, "unix:") }

// parseServer reads "address [parameter…]" (nginx: server of an upstream).
func parseServer(text string) (*serverPlan, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil, fmt.Errorf("the address is empty; expected %s", addressForm)
	}
	s := &serverPlan{text: words[0], weight: 1, maxFails: defaultMaxFails, failTimeout: defaultFailTimeout}
	if err := s.parseAddress(); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, word := range words[1:] {
		name, val, given := strings.Cut(word, "=")
		if seen[name] {
			return nil, fmt.Errorf("%q: %s stands there twice", text, name)
		}
		seen[name] = true
		if err := s.parseParameter(word, name, val, given); err != nil {
			return nil, err
		}
	}
	return s, nil
}

const addressForm = `"host:port", "host" (port 80) or "unix:/path"`

func (s *serverPlan) parseAddress() error {
	if path, ok := strings.CutPrefix(s.text, "unix:"); ok {
		if !strings.HasPrefix(path, "/") {
			return fmt.Errorf("%q: expected %s", s.text, addressForm)
		}
		return nil
	}
	host, port, err := net.SplitHostPort(s.text)
	if err != nil {
		host, port, err = net.SplitHostPort(s.text + ":80")
	}
	if err != nil || host == "" || strings.ContainsAny(host, "/=") {
		return fmt.Errorf("%q: expected %s", s.text, addressForm)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("%q: expected a port from 1 to 65535", s.text)
	}
	s.host, s.port = host, uint16(n)
	return nil
}

func (s *serverPlan) parseParameter(word, name, val string, given bool) error {
	switch name {
	case "weight":
		return serverNumber(word, val, 1, maxWeight, &s.weight)
	case "max_conns":
		return serverNumber(word, val, 0, maxLimit, &s.maxConns)
	case "max_fails":
		return serverNumber(word, val, 0, maxLimit, &s.maxFails)
	case "fail_timeout":
		var d value.Duration
		if err := d.UnmarshalText([]byte(val)); err != nil || d.D()%time.Second != 0 {
			return fmt.Errorf(`%q: expected a time in whole seconds such as fail_timeout=10s`, word)
		}
		s.failTimeout = int64(d.D() / time.Second)
		return nil
	case "backup", "down":
		if given {
			return fmt.Errorf("%q: %s takes no value", word, name)
		}
		s.backup, s.down = s.backup || name == "backup", s.down || name == "down"
		return nil
	case "resolve":
		return fmt.Errorf("%q: every name is looked up again as its TTL says; leave it out", word)
	}
	return fmt.Errorf("%q: unknown parameter; expected weight=N, max_conns=N, max_fails=N, fail_timeout=TIME, backup or down", word)
}

// maxLimit bounds numbers of requests, so that sums of them do not overflow.
const maxLimit = 1 << 20

func serverNumber(word, val string, low, high int, to *int) error {
	n, err := strconv.Atoi(val)
	if err != nil || n < low || n > high {
		return fmt.Errorf("%q: expected a number from %d to %d", word, low, high)
	}
	*to = n
	return nil
}
