package proxy

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"paddock/accesslog"
	"paddock/internal/value"
)

// v2 is a header of version 2 with any contents.
func v2(command, family byte, body string) string {
	h := append([]byte(proxySignature), command, family, 0, 0)
	binary.BigEndian.PutUint16(h[14:], uint16(len(body)))
	return string(h) + body
}

const (
	pair4 = "\xc0\x00\x02\x01\xc6\x33\x64\x02\x04\x00\x00\x50" // 192.0.2.1:1024 to 198.51.100.2:80
	pair6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x04\x00\x00\x50"
	tlv = "\x03\x00\x04abcd"
)

// proxyHeaders are headers and what is to be made of them: "client server", "-" for
// a valid one without addresses, or an error.
var proxyHeaders = []struct{ name, header, want string }{
	{"TCP4", "PROXY TCP4 192.0.2.1 198.51.100.2 1024 80\r\n", "192.0.2.1:1024 198.51.100.2:80"},
	{"TCP6", "PROXY TCP6 2001:db8::1 2001:db8::2 1024 80\r\n", "[2001:db8::1]:1024 [2001:db8::2]:80"},
	{"longest", "PROXY TCP6 " + strings.Repeat("ffff:", 7) + "ffff " + strings.Repeat("ffff:", 7) + "ffff 65535 65535\r\n", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
	{"mapped", "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n", "192.0.2.1:1 192.0.2.2:2"},
	{"UNKNOWN", "PROXY UNKNOWN\r\n", "-"},
	{"UNKNOWN with more", "PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", "-"},
	{"port 0", "PROXY TCP4 192.0.2.1 198.51.100.2 0 80\r\n", "192.0.2.1:0 198.51.100.2:80"},
	{"107 bytes", "PROXY UNKNOWN" + strings.Repeat(" ", 92) + "\r\n", "-"},
	{"108 bytes", "PROXY UNKNOWN" + strings.Repeat(" ", 93) + "\r\n", errProxyLong.Error()},
	{"no end", "PROXY TCP4 " + strings.Repeat("1", 200), errProxyLong.Error()},
	{"nothing", "PROXY \r\n", errProxyLine.Error()},
	{"UNKNOWNX", "PROXY UNKNOWNX\r\n", errProxyLine.Error()},
	{"lower case", "proxy TCP4 192.0.2.1 198.51.100.2 1024 80\r\n", errProxyMissing.Error()},
	{"another family", "PROXY UDP4 192.0.2.1 198.51.100.2 1024 80\r\n", errProxyLine.Error()},
	{"of the other family", "PROXY TCP4 2001:db8::1 2001:db8::2 1024 80\r\n", errProxyLine.Error()},
	{"of two families", "PROXY TCP6 2001:db8::1 192.0.2.1 1024 80\r\n", errProxyLine.Error()},
	{"two blanks", "PROXY TCP4  192.0.2.1 198.51.100.2 1024 80\r\n", errProxyLine.Error()},
	{"a blank at the end", "PROXY TCP4 192.0.2.1 198.51.100.2 1024 80 \r\n", errProxyLine.Error()},
	{"too few", "PROXY TCP4 192.0.2.1 198.51.100.2 1024\r\n", errProxyLine.Error()},
	{"a zone", "PROXY TCP6 fe80::1%e fe80::2 1024 80\r\n", errProxyLine.Error()},
	{"a large port", "PROXY TCP4 192.0.2.1 198.51.100.2 65536 80\r\n", errProxyLine.Error()},
	{"a signed port", "PROXY TCP4 192.0.2.1 198.51.100.2 +1 80\r\n", errProxyLine.Error()},
	{"a zero in front", "PROXY TCP4 192.0.2.1 198.51.100.2 080 80\r\n", errProxyLine.Error()},
	{"a bare LF", "PROXY TCP4 192.0.2.1 198.51.100.2 1024 80\n" + strings.Repeat(" ", 100), errProxyLong.Error()},
	{"a request", "GET / HTTP/1.1\r\n", errProxyMissing.Error()},
	{"TLS", "\x16\x03\x01", errProxyMissing.Error()},

	{"v2 TCP4", v2(0x21, 0x11, pair4), "192.0.2.1:1024 198.51.100.2:80"},
	{"v2 TCP6", v2(0x21, 0x21, pair6), "[2001:db8::1]:1024 [2001:db8::2]:80"},
	{"v2 with TLVs", v2(0x21, 0x11, pair4+tlv+tlv), "192.0.2.1:1024 198.51.100.2:80"},
	{"v2 with 4096 bytes", v2(0x21, 0x11, pair4+strings.Repeat("x", 4096-16-12)), "192.0.2.1:1024 198.51.100.2:80"},
	{"v2 with 4097 bytes", v2(0x21, 0x11, pair4+strings.Repeat("x", 4097-16-12)), errProxyLong.Error()},
	{"v2 LOCAL", v2(0x20, 0x00, ""), "-"},
	{"v2 LOCAL with addresses", v2(0x20, 0x11, pair4+tlv), "-"},
	{"v2 UNSPEC", v2(0x21, 0x00, tlv), "-"},
	{"v2 UDP4", v2(0x21, 0x12, pair4), "-"},
	{"v2 unix", v2(0x21, 0x31, strings.Repeat("\x00", 216)), "-"},
	{"v2 of an unknown family", v2(0x21, 0xf1, pair4), "-"},
	{"v2 TCP4 that is short", v2(0x21, 0x11, pair4[:11]), errProxyBinary.Error()},
	{"v2 TCP6 that is short", v2(0x21, 0x21, pair4), errProxyBinary.Error()},
	{"version 1 in binary", v2(0x11, 0x11, pair4), errProxyBinary.Error()},
	{"version 3", v2(0x31, 0x11, pair4), errProxyBinary.Error()},
	{"v2 with another command", v2(0x22, 0x11, pair4), errProxyBinary.Error()},
	{"a broken signature", "\r\n\r\n\x00\r\nQUIT\r", errProxyMissing.Error()},
}

func described(h proxyHeader, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case !h.client.IsValid():
		return "-"
	}
	return h.client.String() + " " + h.server.String()
}

func TestProxyHeadersAreReadByteByByteAsAtOnce(t *testing.T) {
	for _, c := range proxyHeaders {
		h, n, err := parseProxyHeader([]byte(c.header + "GET"))
		if got := described(h, err); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if err == nil && n != len(c.header) {
			t.Errorf("%s: %d bytes were taken of %d", c.name, n, len(c.header))
		}
		for i := range len(c.header) {
			if _, _, early := parseProxyHeader([]byte(c.header[:i])); early != errProxyMore && (err == nil || early != err) {
				t.Errorf("%s: after %d bytes: %v", c.name, i, early)
				break
			}
		}
	}
}

// A header that is taken says the same when it is written anew, and no byte behind
// it matters.
func FuzzProxyHeader(f *testing.F) {
	for _, c := range proxyHeaders {
		f.Add([]byte(c.header))
	}
	f.Fuzz(func(t *testing.T, buf []byte) {
		h, n, err := parseProxyHeader(buf)
		if err != nil {
			return
		}
		if n <= 0 || n > len(buf) || n > maxProxyHeader {
			t.Fatalf("%d of %d bytes taken", n, len(buf))
		}
		if again, m, err := parseProxyHeader(buf[:n]); err != nil || m != n || again != h {
			t.Errorf("%q: alone %v, %d, %v; before %v, %d", buf[:n], again, m, err, h, n)
		}
		if _, _, err := parseProxyHeader(buf[:n-1]); err != errProxyMore {
			t.Errorf("%q: without its last byte %v", buf[:n], err)
		}
		if !h.client.IsValid() || h.client.Addr().Is4() != h.server.Addr().Is4() {
			return
		}
		if again, _, err := parseProxyHeader(written(h)); err != nil || again != h {
			t.Errorf("%q: written anew %v, %v; was %v", buf[:n], again, err, h)
		}
	})
}

// written is a line of version 1 that says what h says.
func written(h proxyHeader) []byte {
	family := "TCP6"
	if h.client.Addr().Is4() {
		family = "TCP4"
	}
	return fmt.Appendf(nil, "PROXY %s %s %s %d %d\r\n", family, h.client.Addr(), h.server.Addr(), h.client.Port(), h.server.Port())
}

const proxyFormat = "$remote_addr|$remote_port|$realip_remote_addr|$proxy_protocol_addr|$proxy_protocol_port|$proxy_protocol_server_addr|$proxy_protocol_server_port"

// newProxiedRig listens with proxy_protocol and logs all that its headers say.
func newProxiedRig(t *testing.T, from ...string) *rig {
	return newRigOn(t, "tcp", "127.0.0.1:0", " proxy_protocol", func(c *Config) {
		c.Formats["test"] = accesslog.FormatSetting{Format: proxyFormat}
		c.Servers[0].ClientHeaderTimeout = duration(200 * time.Millisecond)
		c.Servers[0].SetRealIPFrom, c.Servers[0].RealIPHeader = value.Strings(from), new("proxy_protocol")
	})
}

func TestProxyProtocolNamesTheClient(t *testing.T) {
	const spoof = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\r\n"
	cases := []struct {
		name, from, header string
		log, app           string
	}{
		{"believed", "127.0.0.1", "PROXY TCP4 192.0.2.1 198.51.100.2 1024 80\r\n", "192.0.2.1|1024|127.0.0.1|192.0.2.1|1024|198.51.100.2|80", "192.0.2.1 192.0.2.1 http"},
		{"not believed", "10.0.0.1", "PROXY TCP4 192.0.2.1 198.51.100.2 1024 80\r\n", "127.0.0.1|*|127.0.0.1|192.0.2.1|1024|198.51.100.2|80", "127.0.0.1 127.0.0.1 http"},
		{"IPv6", "127.0.0.1", v2(0x21, 0x21, pair6+tlv), "2001:db8::1|1024|127.0.0.1|2001:db8::1|1024|2001:db8::2|80", "2001:db8::1 2001:db8::1 http"},
		{"LOCAL", "127.0.0.1", v2(0x20, 0, ""), "127.0.0.1|*|127.0.0.1|-|-|-|-", "127.0.0.1 127.0.0.1 http"},
		{"UNKNOWN", "127.0.0.1", "PROXY UNKNOWN\r\n", "127.0.0.1|*|127.0.0.1|-|-|-|-", "127.0.0.1 127.0.0.1 http"},
		{"named by a proxy that is believed too", "0.0.0.0/0", "PROXY TCP4 192.0.2.1 198.51.100.2 1024 80\r\n", "192.0.2.1|1024|127.0.0.1|192.0.2.1|1024|198.51.100.2|80", "192.0.2.1 6.6.6.6, 192.0.2.1 https"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newProxiedRig(t, c.from)
			b := r.backend(1, answers(ok("x")))
			r.ready(1, 0)
			if got := r.say(c.header + spoof); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
				t.Errorf("answered %q", got)
			}
			var real, list, scheme string
			fields := forwardedFields(b.seen()[0].head)
			fmt.Sscanf(strings.ReplaceAll(fields, ", ", ","), "X-Real-IP: %s\nX-Forwarded-For: %s\nX-Forwarded-Proto: %s\n", &real, &list, &scheme)
			if got := real + " " + strings.ReplaceAll(list, ",", ", ") + " " + scheme; got != c.app {
				t.Errorf("the app got %s, want %s", got, c.app)
			}
			if lines := r.lines(); len(lines) != 1 || !likePorts(lines[0], c.log) {
				t.Errorf("logged %q, want %q", lines, c.log)
			}
		})
	}
}

// likePorts compares parts; "*" is any number.
func likePorts(got, want string) bool {
	g, w := strings.Split(got, "|"), strings.Split(want, "|")
	for i := range w {
		if len(g) != len(w) || g[i] != w[i] && (w[i] != "*" || strings.Trim(g[i], "0123456789") != "") {
			return false
		}
	}
	return true
}

func TestProxyHeaderComesInPiecesAndBeforeManyRequests(t *testing.T) {
	r := newProxiedRig(t, "127.0.0.1")
	b := r.backend(1, echo)
	r.ready(1, 0)
	c := r.dial()
	for _, piece := range strings.SplitAfter("PROXY TCP4 192.0.2.1 198.51.100.2 1024 80\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n", " ") {
		io.WriteString(c, piece)
	}
	br := bufio.NewReader(c)
	readAnswer(t, br, "GET")
	io.WriteString(c, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
	readAnswer(t, br, "GET")
	c.Close()
	for i, q := range b.seen() {
		if want := fmt.Sprintf("GET /%d ", i+1); !strings.HasPrefix(q.head, want) || !strings.Contains(q.head, "X-Real-IP: 192.0.2.1\r\n") {
			t.Errorf("request %d: %s", i+1, q.head)
		}
	}
	if lines := r.lines(); len(lines) != 2 {
		t.Errorf("logged %q", lines)
	}
}

func TestConnectionWithoutAProxyHeaderIsClosed(t *testing.T) {
	r := newProxiedRig(t, "127.0.0.1")
	b := r.backend(1, echo)
	r.ready(1, 0)
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"PROXY TCP4 x y 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"PROXY TCP4 192.0.2.1", // and no more: client_header_timeout
		"",
		v2(0x21, 0x11, pair4)[:20],
		"PROXY UNKNOWN\r\nPROXY UNKNOWN\r\n",
	} {
		if got := r.say(text); strings.Contains(got, "200 OK") {
			t.Errorf("%q was answered %q", text, got)
		}
	}
	c := r.dial()
	io.WriteString(c, "PROXY TCP4 192")
	c.Close()
	if n := len(b.seen()); n != 0 {
		t.Errorf("the app got %d requests", n)
	}
	r.waitFor("no connection is left", func(s Stats) bool { return s.Connections == 0 })
}

func TestProxyProtocolComesAndGoesWithAReload(t *testing.T) {
	r := newRig(t, nil)
	r.backend(1, echo)
	r.ready(1, 0)
	before := r.dial()
	r.waitFor("it is accepted", func(s Stats) bool { return s.Connections == 1 })
	for _, params := range []string{" proxy_protocol", ""} {
		r.params = params
		r.cfg.Servers[0].Listen = r.listens()
		must(t, r.configure())
		header := ""
		if params != "" {
			header = "PROXY UNKNOWN\r\n"
		}
		if got := r.say(header + "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("listen%s: %q", params, got)
		}
	}
	io.WriteString(before, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if status, _ := readAnswer(t, bufio.NewReader(before), "GET"); status != 200 {
		t.Errorf("a connection from before the reloads: %d", status)
	}
}
