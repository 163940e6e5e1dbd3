package http1

import (
	"strings"
	"testing"
)

func TestParseHostSplitsNameAndPort(t *testing.T) {
	tests := []struct{ host, name, port string }{
		{"a.test", "a.test", ""},
		{"A.Test.:8080", "A.Test", "8080"},
		{"a_b-c.test:", "a_b-c.test", ""},
		{"192.0.2.1:65535", "192.0.2.1", "65535"},
		{"localhost:0", "localhost", "0"},
		{"[::1]", "[::1]", ""},
		{"[::]:80", "[::]", "80"},
		{"[2001:DB8::1]:8080", "[2001:DB8::1]", "8080"},
		{"[1:2:3:4:5:6:7:8]", "[1:2:3:4:5:6:7:8]", ""},
		{"[1::]", "[1::]", ""},
		{"[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]", ""},
		{"[1:2:3:4:5:6:192.0.2.1]", "[1:2:3:4:5:6:192.0.2.1]", ""},
		{strings.Repeat("a", maxHostName), strings.Repeat("a", maxHostName), ""},
	}
	for _, tt := range tests {
		name, port, ok := ParseHost([]byte(tt.host))
		if !ok || string(name) != tt.name || string(port) != tt.port {
			t.Errorf("%s: %q, %q, %v", tt.host, name, port, ok)
		}
	}
}

func TestParseHostRefuses(t *testing.T) {
	for _, host := range []string{
		"", ".", "..", ".a", "a..b", "a..", " a", "a b", "a,b", "a, b", "u@a", "a/x", "a?x", "a#x", "a\\x", "<a>", "a%2fb", "a%41",
		"a!b", "a'b", "\"a\"", "*.a", "\xe9.test", "a\x00", "a\tb", ":80", "a:http", "a:65536", "a:99999", "a:080808", "a:80:90", "a:-1", "a:+1", "a: 1",
		"::1", "[::1", "::1]", "[::1]a", "[::1]80", "[::1]]", "[]", "[:]", "[:::]", "[1:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:8:9]", "[1::2::3]",
		"[12345::]", "[g::]", "[::1%25eth0]", "[v1.a]", "[192.0.2.1]", "[::192.0.2]", "[::192.0.2.256]", "[::192.0.02.1]", "[1:]", "[:1]",
		"[1:2:3:4:5:6:7:192.0.2.1]", "[1:2:3:4:5:6:7:8::]", "[a.test]", strings.Repeat("a", maxHostName+1),
	} {
		if name, port, ok := ParseHost([]byte(host)); ok {
			t.Errorf("%q: accepted as %q, %q", host, name, port)
		}
	}
}

func TestHostNameIsLowerCaseWithoutPortAndDot(t *testing.T) {
	for host, want := range map[string]string{
		"Shop.Example.COM.:80": "shop.example.com", "a": "a", "[2001:DB8::A]:80": "[2001:db8::a]", "A_B": "a_b",
	} {
		var r Request
		if _, err := r.Parse([]byte("GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"), nil); err != nil {
			t.Fatal(err)
		}
		if string(r.HostName) != want || string(r.Host) != host {
			t.Errorf("%s: name %q, host %q", host, r.HostName, r.Host)
		}
	}
}
