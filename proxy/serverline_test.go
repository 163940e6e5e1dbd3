package proxy

import (
	"strings"
	"testing"
)

func TestServerLineIsReadAsNginxReadsIt(t *testing.T) {
	for text, want := range map[string]serverPlan{
		"10.0.0.5:8000":     {text: "10.0.0.5:8000", host: "10.0.0.5", port: 8000, weight: 1, maxFails: 1, failTimeout: 10},
		"app.test":          {text: "app.test", host: "app.test", port: 80, weight: 1, maxFails: 1, failTimeout: 10},
		"[::1]":             {text: "[::1]", host: "::1", port: 80, weight: 1, maxFails: 1, failTimeout: 10},
		"unix:/run/a.sock":  {text: "unix:/run/a.sock", weight: 1, maxFails: 1, failTimeout: 10},
		"a:1 weight=5 down": {text: "a:1", host: "a", port: 1, weight: 5, maxFails: 1, failTimeout: 10, down: true},
		"a:1  max_fails=0 fail_timeout=1m backup max_conns=7": {text: "a:1", host: "a", port: 1, weight: 1, maxConns: 7, failTimeout: 60, backup: true},
	} {
		if got, err := parseServer(text); err != nil || *got != want {
			t.Errorf("%q: got %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "the address is empty", "a:0": "a port from", "a:http": "a port from", "unix:a": "expected", "http://a:1": "expected", "a:1:2": "expected",
		"a:1 weight=0": "from 1 to", "a:1 weight=x": "from 1 to", "a:1 weight": "from 1 to", "a:1 max_conns=-1": "from 0 to", "a:1 max_fails=9999999": "from 0 to",
		"a:1 fail_timeout=1ms": "whole seconds", "a:1 fail_timeout=": "whole seconds", "a:1 backup=1": "takes no value",
		"a:1 down down": "twice", "a:1 resolve": "leave it out", "a:1 slow_start=30s": "unknown parameter",
	} {
		if got, err := parseServer(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %+v, %v; want an error with %q", text, got, err, want)
		}
	}
}

func FuzzServerLine(f *testing.F) {
	for _, text := range []string{"a:1 weight=2", "unix:/x backup", "[::1]:80 fail_timeout=1h", "a max_conns=3 down"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseServer(text)
		if err != nil {
			return
		}
		if s.weight < 1 || s.weight > maxWeight || s.maxConns < 0 || s.maxFails < 0 || s.failTimeout < 0 {
			t.Errorf("%q is %+v", text, s)
		}
		if s.isUnix() == (s.port > 0) {
			t.Errorf("%q is %+v, neither a socket nor a port", text, s)
		}
	})
}
