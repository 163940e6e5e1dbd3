package proxy

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"
)

func TestServerNameIsFoundInNginxOrder(t *testing.T) {
	names := []string{"example.com", "*.example.com", "*.a.example.com", "www.example.*", "www.*", ".dot.org", `~^r\d+\.example\.com$`, "~example", "UPPER.com", ""}
	var table nameTable
	for _, n := range names {
		must(t, table.add(n, &server{name: n}))
	}
	cases := map[string]string{
		"example.com": "example.com", "example.com.": "example.com", "x.example.com": "*.example.com", "y.x.example.com": "*.example.com",
		"x.a.example.com": "*.a.example.com", "www.example.org": "www.example.*", "www.x.org": "www.*",
		"dot.org": ".dot.org", "x.dot.org": ".dot.org", "r1.example.com": "*.example.com", "r1.example.net": "~example",
		"upper.com": "UPPER.com", "": "", "other.net": "none", ".example.com": "~example",
	}
	for host, want := range cases {
		got := "none"
		if s := table.find([]byte(host)); s != nil {
			got = s.name
		}
		if got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
	for _, bad := range []string{"a.*.com", "*", "*.x.*", "a b", "a/b", "~(", "~(?=x)", "example.com"} {
		if err := table.add(bad, &server{}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestLocationIsFoundInNginxOrder(t *testing.T) {
	patterns := []string{"/", "/a/", "/a/b", "= /a/b", "^~ /static/", `~ \.php$`, `~* \.JPG$`, "= /", "/p", "/proxied/", "= /one/"}
	var table locationTable
	places := map[*location]string{}
	for _, p := range patterns {
		l := &location{}
		if p == "/proxied/" || p == "= /one/" {
			l.pass = &pass{}
		}
		must(t, table.add(p, l))
		places[l] = p
	}
	cases := []struct {
		path, want string
		redirect   bool
	}{
		{"/", "= /", false},
		{"/x", "/", false},
		{"/a/x", "/a/", false},
		{"/a", "/", false},
		{"/a/b", "= /a/b", false},
		{"/a/bc", "/a/b", false},
		{"/a/x.php", `~ \.php$`, false},
		{"/static/x.php", "^~ /static/", false},
		{"/x.jpg", `~* \.JPG$`, false},
		{"/proxied", "/proxied/", true},
		{"/proxied/x", "/proxied/", false},
		{"/one", "= /one/", true},
		{"/one/", "= /one/", false},
		{"/one/x", "/", false},
	}
	for _, c := range cases {
		got, redirect := table.find([]byte(c.path))
		if places[got] != c.want || redirect != c.redirect {
			t.Errorf("%s: %q %v, want %q %v", c.path, places[got], redirect, c.want, c.redirect)
		}
	}
	for _, bad := range []string{"a", "", "~ (", "@", "@a b", "/a/", "= /a/b", "~"} {
		if err := table.add(bad, &location{}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func returning(text string) func(*Config) {
	return func(c *Config) {
		c.Servers[0].App = ""
		c.Servers[0].Location = []Location{{Path: "/", Return: text}, {Path: "/px/", ProxyPass: "http://web"}}
	}
}

func TestReturnAnswersAsNginxDoes(t *testing.T) {
	cases := []struct{ text, target, status, fields, body string }{
		{`200 "hi $uri"`, "/t", "200 OK", "Content-Type: text/plain\nContent-Length: 5\n", "hi /t"},
		{"200", "/", "200 OK", "Content-Type: text/plain\nContent-Length: 0\n", ""},
		{"204", "/", "204 No Content", "", ""},
		{"418", "/", "418 ", "Content-Length: 0\n", ""},
		{"404 nope", "/", "404 Not Found", "Content-Type: text/plain\nContent-Length: 4\n", "nope"},
		{"404", "/", "404 Not Found", "Content-Type: text/html\nContent-Length: 148\n", page("404 Not Found")},
		{"307 https://$host$request_uri", "/x?y", "307 Temporary Redirect", "Content-Type: text/html\nContent-Length: 166\nConnection: close\nLocation: https://h.test/x?y\n", page("307 Temporary Redirect")},
		{"http://b.test/", "/", "302 Moved Temporarily", "Content-Type: text/html\nContent-Length: 140\nConnection: close\nLocation: http://b.test/\n", page("302 Found")},
		{"301 /x?y", "/", "301 Moved Permanently", "Content-Type: text/html\nContent-Length: 164\nLocation: http://h.test:PORT/x?y\n", page("301 Moved Permanently")},
		{"301 /$uri", "/a%0d%0aSet-Cookie:x", "301 Moved Permanently", "Content-Type: text/html\nContent-Length: 164\nLocation: http://h.test:PORT//a  Set-Cookie:x\n", page("301 Moved Permanently")},
		{"200", "/px?a=1", "301 Moved Permanently", "Content-Type: text/html\nContent-Length: 164\nLocation: http://h.test:PORT/px/?a=1\n", page("301 Moved Permanently")},
	}
	for _, c := range cases {
		t.Run(c.text, func(t *testing.T) {
			r := newRig(t, returning(c.text))
			_, port, _ := strings.Cut(r.addr, ":")
			got, _ := r.raw("GET " + c.target + " HTTP/1.1\r\nHost: h.test:99\r\nConnection: close\r\n\r\n")
			fields := strings.Replace(c.fields, "PORT", port, 1)
			if !strings.Contains(fields, "Connection: ") { // a full URL comes behind it, as in nginx
				fields += "Connection: close\n"
			}
			want := crlfs("HTTP/1.1 " + c.status + "\nServer: paddock\n" + fields + "\n" + c.body)
			if got != want {
				t.Errorf("\n got %q\nwant %q", got, want)
			}
		})
	}
}

func TestReturnOfSomeCodesClosesWithoutAnAnswer(t *testing.T) {
	for _, code := range []string{"408", "444", "499"} {
		r := newRig(t, returning(code))
		if got, broken := r.raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n"); got != "" || broken {
			t.Errorf("%s: got %q, broken %v", code, got, broken)
		}
		wantLines(t, r, `"GET / HTTP/1.1" `+code+` 0 "-" "-" `)
	}
}

func TestReturnSkipsABodyAndKeepsTheConnection(t *testing.T) {
	r := newRig(t, returning("200 yes"))
	c := r.dial()
	br := bufio.NewReader(c)
	for range 3 {
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n"+strings.Repeat("x", 50000))
		if status, body := readAnswer(t, br, "POST"); status != 200 || body != "yes" {
			t.Fatalf("got %d %q", status, body)
		}
	}
	if s := r.proxy.Stats(); s.SpoolBytes != 0 {
		t.Errorf("a body that nobody wants is in a file: %+v", s)
	}
}

func TestProxyPassWithURIReplacesThePrefix(t *testing.T) {
	cases := []struct{ path, pass, target, want string }{
		{"/", "http://web", "/a%2Fb//c?q", "/a%2Fb//c?q"},
		{"/api/", "http://web/", "/api/x%20y?q", "/x%20y?q"},
		{"/api/", "http://web/v1/", "/api//a/../b", "/v1/b"},
		{"= /api", "http://web/exact", "/api?", "/exact?"},
	}
	for _, c := range cases {
		r := newRig(t, func(cfg *Config) {
			cfg.Servers[0].App = ""
			cfg.Servers[0].Location = []Location{{Path: c.path, ProxyPass: c.pass}}
		})
		r.backend(1, echo)
		r.ready(1, 0)
		if status, body := r.get(c.target); status != 200 || body != c.want {
			t.Errorf("%s to %s: %s: %d %q, want %q", c.path, c.pass, c.target, status, body, c.want)
		}
	}
}

func TestServersOfOneAddressAreToldApartByName(t *testing.T) {
	r := newRig(t, func(c *Config) {
		named := func(text string, names ...string) Server {
			s := Server{ServerName: names, Return: `200 "` + text + ` $server_name $host"`}
			return s
		}
		c.Servers = []Server{{}, named("b", "b.test", "*.b.test"), named("d", "d.test")}
		c.Servers[0] = named("first", "a.test")
	})
	r.cfg.Servers[2].Listen[0].DefaultServer = true
	must(t, r.configure())
	for host, want := range map[string]string{"A.test:81": "first a.test a.test", "x.b.test": "b b.test x.b.test", "other": "d d.test other", "": "d d.test d.test"} {
		request := "GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n"
		if host == "" {
			request = "GET / HTTP/1.0\r\n\r\n"
		}
		if got, _ := r.raw(request); !strings.HasSuffix(got, "\r\n\r\n"+want) {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
	}
}

func TestUnknownLocationIs404(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Servers[0].App = ""
		c.Servers[0].Location = []Location{{Path: "/only", Return: "200"}}
		c.Servers[0].ClientBodyTimeout = duration(time.Second)
	})
	if status, _ := r.get("/other"); status != 404 {
		t.Errorf("got %d", status)
	}
}
