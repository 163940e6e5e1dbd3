package metrics

import (
	"testing"

	"paddock/internal/value"
)

func listen(t *testing.T, v any) Listen {
	t.Helper()
	var l Listen
	if err := l.UnmarshalTOML(v); err != nil {
		t.Fatalf("%v: %v", v, err)
	}
	return l
}

func TestBarePortIsLoopback(t *testing.T) {
	for _, c := range []struct {
		in     any
		want   string
		public bool
	}{
		{"9090", "127.0.0.1:9090", false},
		{int64(9090), "127.0.0.1:9090", false},
		{"9090 backlog=5", "127.0.0.1:9090", false},
		{"[::1]:9090", "[::1]:9090", false},
		{"unix:/run/m.sock", "unix:/run/m.sock", false},
		{"*:9090", "0.0.0.0:9090", true},
		{":9090", ":9090", true},
		{"10.0.0.1:9090", "10.0.0.1:9090", true},
	} {
		if l := listen(t, c.in); l.Key() != c.want || l.Public() != c.public || !l.On() {
			t.Errorf("%v: %s, public %v", c.in, l.Key(), l.Public())
		}
	}
	for _, bad := range []any{"", "0", "99999", int64(-1), "9090 ssl", "9090 default_server", true, []any{"9090"}} {
		var l Listen
		if l.UnmarshalTOML(bad) == nil {
			t.Errorf("%v was taken as %s", bad, l.Key())
		}
	}
}

func TestAddressOfAServerIsRefused(t *testing.T) {
	c := Config{Listen: listen(t, "9090")}
	for server, want := range map[string]int{"127.0.0.1:9090": 1, "127.0.0.1:9091": 0} {
		var problems value.Problems
		c.Validate("metrics", []value.Listen{listen(t, server).Listen}, &problems)
		if len(problems) != want || want == 1 && problems[0].Key != "metrics.listen" {
			t.Errorf("%s: %v", server, problems)
		}
	}
}
