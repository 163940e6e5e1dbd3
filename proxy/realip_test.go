package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"paddock/accesslog"
	"paddock/internal/value"
)

// addressFormat logs whom a request came from, and through whom.
const addressFormat = "$remote_addr|$remote_port|$realip_remote_addr|$http_x_forwarded_for"

func logAddresses(c *Config) {
	c.Formats["test"] = accesslog.FormatSetting{Format: addressFormat}
}

func yes() *bool { b := true; return &b }

// forwardedFields are the fields of a head that tell an app of its client.
func forwardedFields(head string) string {
	var out []string
	for line := range strings.SplitSeq(head, "\r\n") {
		lower := strings.ToLower(line)
		for _, prefix := range []string{"x-forwarded", "x-real-ip", "forwarded", "cf-", "proxy"} {
			if strings.HasPrefix(lower, prefix) {
				out = append(out, line)
			}
		}
	}
	return strings.Join(out, "\n")
}

// said is what a hostile client says of itself.
const said = "X-Forwarded-For: 6.6.6.6\r\nX-Real-IP: 6.6.6.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\n" +
	"X-Forwarded-Ssl: on\r\nX-Forwarded-Prefix: /evil\r\nForwarded: for=6.6.6.8\r\nCF-Connecting-IP: 6.6.6.9\r\n"

func TestForwardedFieldsAreBelievedFromTrustedPeersOnly(t *testing.T) {
	const (
		none = "X-Real-IP: 127.0.0.1\nX-Forwarded-For: 127.0.0.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: a.test"
		kept = "X-Forwarded-Proto: https\nX-Forwarded-Host: evil.test\nX-Forwarded-Prefix: /evil\nForwarded: for=6.6.6.8"
	)
	cases := []struct {
		name      string
		from      value.Strings
		header    *string
		recursive *bool
		send      string
		log, app  string // $remote_addr, and the fields that the app gets
	}{
		{"nobody is trusted", nil, nil, nil, said, "127.0.0.1", none + "\nCF-Connecting-IP: 6.6.6.9"},
		{"somebody else is trusted", value.Strings{"10.0.0.0/8", "::1", "unix:"}, new("CF-Connecting-IP"), nil, said, "127.0.0.1", none},
		{"nobody is trusted but the field is named", value.Strings{}, new("cf-connecting-ip"), yes(), said, "127.0.0.1", none},
		{
			"X-Real-IP is the default",
			value.Strings{"127.0.0.1"},
			nil, nil, said, "6.6.6.7",
			"X-Real-IP: 6.6.6.7\nX-Forwarded-For: 6.6.6.6, 6.6.6.7\n" + kept + "\nCF-Connecting-IP: 6.6.6.9",
		},
		{
			"Cloudflare",
			value.Strings{"127.0.0.0/8"},
			new("CF-Connecting-IP"), nil, said, "6.6.6.9",
			"X-Real-IP: 6.6.6.9\nX-Forwarded-For: 6.6.6.6, 6.6.6.9\n" + kept + "\nCF-Connecting-IP: 6.6.6.9",
		},
		{
			"the last of a list",
			value.Strings{"::ffff:127.0.0.0/104"},
			new("X-Forwarded-For"), nil, "X-Forwarded-For: 6.6.6.6, 10.0.0.1\r\n", "10.0.0.1",
			"X-Real-IP: 10.0.0.1\nX-Forwarded-For: 6.6.6.6, 10.0.0.1, 10.0.0.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: a.test",
		},
		{
			"recursion over two fields",
			value.Strings{"127.0.0.1", "10.0.0.0/8"},
			new("X-Forwarded-For"), yes(),
			"X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\nX-Forwarded-For: 10.1.1.1,10.0.0.1\r\n", "192.0.2.1",
			"X-Real-IP: 192.0.2.1\nX-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.1.1.1,10.0.0.1, 192.0.2.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: a.test",
		},
		{
			"nothing but the connection", value.Strings{"127.0.0.1"}, new("X-Forwarded-For"), nil, "", "127.0.0.1", none,
		},
		{
			"garbage",
			value.Strings{"127.0.0.1"},
			new("X-Forwarded-For"), nil,
			"X-Forwarded-For: unknown\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-Host: a b\r\n", "127.0.0.1",
			"X-Real-IP: 127.0.0.1\nX-Forwarded-For: unknown, 127.0.0.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: a.test",
		},
		{
			"the scheme of a WebSocket and of a chain",
			value.Strings{"127.0.0.1"},
			nil, nil, "X-Forwarded-Proto: http\r\nX-Forwarded-Proto: http, WSS\r\n", "127.0.0.1",
			"X-Real-IP: 127.0.0.1\nX-Forwarded-For: 127.0.0.1\nX-Forwarded-Proto: https\nX-Forwarded-Host: a.test",
		},
		{
			"proxy_protocol on a listener without it", value.Strings{"127.0.0.1"}, new("proxy_protocol"), nil, said, "127.0.0.1", none + "\nCF-Connecting-IP: 6.6.6.9",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, func(cfg *Config) {
				logAddresses(cfg)
				s := &cfg.Servers[0].Settings
				s.SetRealIPFrom, s.RealIPHeader, s.RealIPRecursive = c.from, c.header, c.recursive
			})
			b := r.backend(1, answers(ok("x")))
			r.ready(1, 0)
			r.raw("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n" + c.send + "\r\n")
			if got := forwardedFields(b.seen()[0].head); got != c.app {
				t.Errorf("the app got\n%s\nwant\n%s", got, c.app)
			}
			if lines := r.lines(); len(lines) != 1 || !strings.HasPrefix(lines[0], c.log+"|") || !strings.Contains(lines[0], "|127.0.0.1|") {
				t.Errorf("logged %q, want %s and the peer", lines, c.log)
			}
		})
	}
}

func TestClientIsFoundInAList(t *testing.T) {
	r := realip{networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	for _, c := range []struct{ list, last, recursive string }{
		{"", "", ""},
		{" , ,", "", ""},
		{"192.0.2.1", "192.0.2.1", "192.0.2.1"},
		{"192.0.2.1:80", "192.0.2.1:80", "192.0.2.1:80"},
		{"2001:db8::1", "2001:db8::1", "2001:db8::1"},
		{"[2001:db8::1]", "2001:db8::1", "2001:db8::1"},
		{"[2001:db8::1]:443", "[2001:db8::1]:443", "[2001:db8::1]:443"},
		{"::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"},
		{"192.0.2.1, 10.0.0.1", "10.0.0.1", "192.0.2.1"},
		{"192.0.2.1,\t10.0.0.1 ,, ", "10.0.0.1", "192.0.2.1"},
		{"6.6.6.6, 192.0.2.1, ::ffff:10.0.0.1, fd00::1", "fd00::1", "192.0.2.1"},
		{"10.0.0.2 10.0.0.1", "10.0.0.1", "10.0.0.2"}, // nobody but proxies: the first of them
		{"192.0.2.1, unknown, 10.0.0.1", "10.0.0.1", "10.0.0.1"},
		{"192.0.2.1, x", "", ""},
		{"fe80::1%eth0", "", ""},
		{`fe80::1%"; drop`, "", ""},
		{"[192.0.2.1]", "", ""},
		{"[::1", "", ""},
		{"[::1]x", "", ""},
		{"[]", "", ""},
		{":", "", ""},
		{"192.0.2.1:", "", ""},
		{"192.0.2.1:0", "", ""},
		{"192.0.2.1:65536", "", ""},
		{"192.0.2.1:+1", "", ""},
		{"192.0.2.01", "", ""},
		{"192.0.2", "", ""},
		{"unix:", "", ""},
		{strings.Repeat("1", 5000), "", ""},
	} {
		for _, recursive := range []bool{false, true} {
			r.recursive = recursive
			want := c.last
			if recursive {
				want = c.recursive
			}
			got := ""
			if ap := r.clientIn([]byte(c.list)); ap.Port() > 0 {
				got = ap.String()
			} else if ap.IsValid() {
				got = ap.Addr().String()
			}
			if got != want {
				t.Errorf("%q, recursive %v: %s, want %s", c.list, recursive, got, want)
			}
		}
	}
}

func FuzzClientInAList(f *testing.F) {
	for _, s := range []string{"", "192.0.2.1", "6.6.6.6, [2001:db8::1]:443 ,10.0.0.1", "a,::1%x", ",", "[", ":"} {
		f.Add(s, true)
	}
	r := realip{networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	f.Fuzz(func(t *testing.T, list string, recursive bool) {
		r.recursive = recursive
		client := r.clientIn([]byte(list))
		if !client.IsValid() {
			return
		}
		if a := client.Addr(); a.Zone() != "" || a.Is4In6() {
			t.Errorf("%q: %v", list, a)
		}
		if recursive && !r.trusts(client.Addr()) {
			return
		}
		// What comes in front can not change who is found.
		if again := r.clientIn([]byte("192.0.2.99, " + list)); !recursive && again != client {
			t.Errorf("%q: %v, with another in front %v", list, client, again)
		}
	})
}

func TestPeersOfEveryFamilyAreTold(t *testing.T) {
	cases := []struct {
		network, addr string
		from          value.Strings
		want          string // $remote_addr|$remote_port|$realip_remote_addr
	}{
		{"unix", "", value.Strings{"unix:"}, "2001:db8::7|99|unix:|"},
		{"unix", "", value.Strings{"0.0.0.0/0", "::/0"}, "unix:||unix:|"},
		{"tcp", "[::1]:0", value.Strings{"::1"}, "2001:db8::7|99|::1|"},
		{"tcp", "[::1]:0", value.Strings{"::/127", "127.0.0.0/8"}, "2001:db8::7|99|::1|"},
		{"tcp", "127.0.0.1:0", value.Strings{"0.0.0.0/0"}, "2001:db8::7|99|127.0.0.1|"},
	}
	for _, c := range cases {
		t.Run(c.network+c.addr+strings.Join(c.from, ","), func(t *testing.T) {
			if c.network == "unix" {
				c.addr = filepath.Join(t.TempDir(), "l.sock")
			}
			r := newRigOn(t, c.network, c.addr, "", func(cfg *Config) {
				logAddresses(cfg)
				cfg.Servers[0].SetRealIPFrom, cfg.Servers[0].RealIPHeader = c.from, new("X-Forwarded-For")
			})
			r.backend(1, answers(ok("x")))
			r.ready(1, 0)
			r.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: [2001:db8::7]:99\r\n\r\n")
			if lines := r.lines(); len(lines) != 1 || !strings.HasPrefix(lines[0], c.want) {
				t.Errorf("logged %q, want %s…", lines, c.want)
			}
		})
	}
}

func TestEachRequestOfAConnectionHasItsOwnClient(t *testing.T) {
	r := newRig(t, func(cfg *Config) {
		logAddresses(cfg)
		cfg.Servers[0].App = ""
		cfg.Servers[0].SetRealIPFrom = value.Strings{"127.0.0.1"}
		cfg.Servers[0].RealIPHeader = new("X-Forwarded-For")
		cfg.Servers[0].Location = []Location{
			{Path: "/", ProxyPass: "http://web"},
			{Path: "/real/", ProxyPass: "http://web", Settings: Settings{RealIPHeader: new("X-Real-IP")}},
		}
	})
	b := r.backend(1, answers(ok("x")))
	r.ready(1, 0)
	c := r.dial()
	br := bufio.NewReader(c)
	want := []string{}
	for _, q := range []struct{ path, fields, client string }{
		{"/", "X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"},
		{"/", "X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"}, // the same words again
		{"/", "X-Forwarded-For: 192.0.2.2\r\n", "192.0.2.2"},
		{"/", "", "127.0.0.1"},
		{"/real/", "X-Forwarded-For: 192.0.2.3\r\nX-Real-IP: 192.0.2.4\r\n", "192.0.2.3"}, // the server comes first, as in nginx
		{"/none", "X-Forwarded-For: 192.0.2.5\r\n", "192.0.2.5"},
	} {
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", q.path, q.fields)
		readAnswer(t, br, "GET")
		want = append(want, q.client)
	}
	for i, q := range b.seen() {
		if !strings.Contains(q.head, "X-Real-IP: "+want[i]+"\r\n") {
			t.Errorf("request %d: want %s in\n%s", i, want[i], q.head)
		}
	}
	c.Close()
	var got []string
	for _, line := range r.lines() {
		got = append(got, line[:strings.IndexByte(line, '|')])
	}
	if !slices.Equal(got, want) {
		t.Errorf("logged %q, want %q", got, want)
	}
}

func TestLocationMayTrustWhomItsServerDoesNot(t *testing.T) {
	r := newRig(t, func(cfg *Config) {
		logAddresses(cfg)
		cfg.Servers[0].App = ""
		cfg.Servers[0].SetRealIPFrom = value.Strings{"10.0.0.1"}
		cfg.Servers[0].Location = []Location{
			{Path: "/", ProxyPass: "http://web"},
			{Path: "/in/", ProxyPass: "http://web", Settings: Settings{SetRealIPFrom: value.Strings{"127.0.0.1"}}},
		}
	})
	b := r.backend(1, answers(ok("x")))
	r.ready(1, 0)
	for _, path := range []string{"/", "/in/"} {
		r.raw("GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Real-IP: 192.0.2.1\r\n\r\n")
	}
	for i, want := range []string{"X-Real-IP: 127.0.0.1", "X-Real-IP: 192.0.2.1"} {
		if head := b.seen()[i].head; !strings.Contains(head, want) {
			t.Errorf("want %s in\n%s", want, head)
		}
	}
}

func TestRedirectBehindATrustedProxyIsOfItsSchemeAndHost(t *testing.T) {
	for _, c := range []struct{ from, fields, want string }{
		{"127.0.0.1", "X-Forwarded-Proto: https\r\n", "Location: https://a.test/app/?q\r\n"},
		{"127.0.0.1", "X-Forwarded-Proto: https\r\nX-Forwarded-Host: www.test:8443\r\n", "Location: https://www.test:8443/app/?q\r\n"},
		{"10.0.0.1", "X-Forwarded-Proto: https\r\nX-Forwarded-Host: www.test\r\n", "Location: http://a.test:PORT/app/?q\r\n"},
	} {
		r := newRig(t, func(cfg *Config) {
			cfg.Servers[0].App = ""
			cfg.Servers[0].SetRealIPFrom = value.Strings{c.from}
			cfg.Servers[0].Location = []Location{{Path: "/app/", ProxyPass: "http://web"}}
		})
		got := r.say("GET /app?q HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n" + c.fields + "\r\n")
		_, port, _ := net.SplitHostPort(r.addr)
		if want := strings.Replace(c.want, "PORT", port, 1); !strings.Contains(got, want) {
			t.Errorf("%s: want %s in\n%s", c.fields, want, got)
		}
	}
}

func TestRequestOfATrustedProxyAllocatesNothingOfItsOwn(t *testing.T) {
	many := 1 << 30
	r := newRig(t, func(c *Config) {
		toUpstream(8, quickBackend(t))(c)
		c.Servers[0].KeepaliveRequests = &many
		c.Servers[0].SetRealIPFrom, c.Servers[0].RealIPHeader = value.Strings{"127.0.0.1"}, new("X-Forwarded-For")
	})
	c := r.dial()
	request, buf := []byte("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.1\r\nX-Forwarded-Proto: https\r\n\r\n"), make([]byte, 4096)
	once := func() {
		c.Write(request)
		if n, err := c.Read(buf); n == 0 || err != nil {
			t.Fatalf("read: %d, %v", n, err)
		}
	}
	for range 100 {
		once()
	}
	if n := testing.AllocsPerRun(2000, once); n > 1 && !raceEnabled {
		t.Errorf("%v allocations a request, want none but the poller's", n)
	}
}

func TestProblemsOfTrustedPeersNameTheirKey(t *testing.T) {
	for _, from := range []string{"", "example.com", "10.0.0.0/33", "10.0.0.0/", "fe80::1%eth0", "fe80::1%eth0/64", "unix:/path", "1.2.3.4:80"} {
		c := validConfig(t)
		c.Servers[1].Location[0].SetRealIPFrom = value.Strings{"::1", from}
		wantProblem(t, &c, "server[1].location[0].set_real_ip_from", `expected an address, a network such as "10.0.0.0/8", or "unix:"`)
	}
	for _, header := range []string{"", "X Y", "X:", "proxy protocol"} {
		c := validConfig(t)
		c.Servers[0].RealIPHeader = &header
		wantProblem(t, &c, "server[0].real_ip_header", "expected the name of a field")
	}
}

func wantProblem(t *testing.T, c *Config, key, text string) {
	t.Helper()
	var problems value.Problems
	c.Validate(&problems)
	if len(problems) != 1 || problems[0].Key != key || !strings.Contains(problems[0].Text, text) {
		t.Errorf("got %+v, want %s: %s", problems, key, text)
	}
}

// say sends text on a new connection and returns the rest of what comes.
func (r *rig) say(text string) string {
	r.t.Helper()
	c := r.dial()
	defer c.Close()
	io.WriteString(c, text)
	out, _ := io.ReadAll(c)
	return string(out)
}
