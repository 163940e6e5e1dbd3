package value

import (
	"slices"
	"strings"
	"testing"
)

func TestListenReadsNginxAddresses(t *testing.T) {
	for text, want := range map[string]Listen{
		"80":                          {Backlog: 511},
		"*:80":                        {Backlog: 511},
		"0.0.0.0:80":                  {Backlog: 511},
		":80":                         {Both: true, Backlog: 511},
		"80 default_server":           {DefaultServer: true, Backlog: 511},
		"80 default_server backlog=9": {DefaultServer: true, Backlog: 9},
		"80 proxy_protocol":           {ProxyProtocol: true, Backlog: 511},
		"80 http2":                    {HTTP2: true, Backlog: 511},
		"443 ssl http2":               {SSL: true, HTTP2: true, Backlog: 511},
		"unix:/run/x.sock":            {Unix: "/run/x.sock", Backlog: 511},
		"unix:run/x:y.sock":           {Unix: "run/x:y.sock", Backlog: 511},
	} {
		var got Listen
		if err := got.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		want.Text, want.Addr = text, got.Addr
		if got != want {
			t.Errorf("%q: got %+v, want %+v", text, got, want)
		}
	}
}

func TestListenKeyIsTheSameForOneSocket(t *testing.T) {
	for text, want := range map[string]string{
		"80":                        "0.0.0.0:80",
		"*:80":                      "0.0.0.0:80",
		"0.0.0.0:80 default_server": "0.0.0.0:80",
		":80":                       ":80",
		"[::]:80":                   "[::]:80",
		"[::1]:80":                  "[::1]:80",
		"[::ffff:127.0.0.1]:80":     "127.0.0.1:80",
		"localhost:80":              "127.0.0.1:80",
		"127.0.0.1:8080":            "127.0.0.1:8080",
		"unix:/a b":                 "",
		"unix:/a":                   "unix:/a",
	} {
		var l Listen
		err := l.UnmarshalText([]byte(text))
		if want == "" {
			if err == nil {
				t.Errorf("%q: read as %s", text, l.Key())
			}
			continue
		}
		if err != nil || l.Key() != want {
			t.Errorf("%q: got %s, %v; want %s", text, l.Key(), err, want)
		}
	}
}

func TestListenRefusesWhatIsNoAddress(t *testing.T) {
	for _, text := range []string{
		"", " ", "0", "65536", "-1", "+80", "http", "127.0.0.1", "127.0.0.1:", "[127.0.0.1]:80", "::1:80", "[::1]", "[::1:80", "::1]:80",
		"example.com:80", "1.2.3:80", "unix:", "80 tls", "80 ssl=on", "80 ssl=", "80 backlog=0", "80 backlog=x", "80 backlog", "80 default_server=1", "80 default_server=", "80 proxy_protocol=on", "80 http2=on", "80 http2=", "80 proxy_protocol=",
	} {
		var l Listen
		if err := l.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: read as %s", text, l.Key())
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: the error is more than a line: %v", text, err)
		}
	}
}

func TestListensTakesOneOrSeveral(t *testing.T) {
	for _, raw := range []any{int64(80), "80", []any{int64(80)}, []any{"80"}} {
		var l Listens
		if err := l.UnmarshalTOML(raw); err != nil || len(l) != 1 || l[0].Key() != "0.0.0.0:80" {
			t.Errorf("%v: got %v, %v", raw, l, err)
		}
	}
}

func TestStringsTakesOneOrSeveral(t *testing.T) {
	var s Strings
	if err := s.UnmarshalTOML("a"); err != nil || !slices.Equal(s, Strings{"a"}) {
		t.Errorf("one: got %q, %v", s, err)
	}
	if err := s.UnmarshalTOML([]any{"a", "b"}); err != nil || !slices.Equal(s, Strings{"a", "b"}) {
		t.Errorf("two: got %q, %v", s, err)
	}
	if err := s.UnmarshalTOML([]any{"a", int64(1)}); err == nil || !strings.Contains(err.Error(), "entry 2") {
		t.Errorf("a number was read as %q, %v", s, err)
	}
}

func TestJoinQuotesWhatIsNoBareKey(t *testing.T) {
	for _, c := range []struct{ path, key, want string }{
		{"", "a", "a"},
		{"a", "b-_1", "a.b-_1"},
		{"a", "b.c", `a."b.c"`},
		{"a", "", `a.""`},
		{Index("server", 1), `"`, `server[1]."\""`},
	} {
		if got := Join(c.path, c.key); got != c.want {
			t.Errorf("Join(%q, %q) = %s, want %s", c.path, c.key, got, c.want)
		}
	}
}
