package proxy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"paddock/accesslog"
	"paddock/internal/value"
)

// getWith is a good request with more field lines.
func getWith(lines string) string { return "GET /p HTTP/1.1\r\nHost: a.test\r\n" + lines + "\r\n" }

func TestRule1DecodedBytesBecomeNoFieldsAndNoTargets(t *testing.T) {
	r := newStrictRig(t, func(c *Config) {
		c.Servers[0].Location = append(c.Servers[0].Location,
			Location{Path: "/set/", ProxyPass: "http://up", Settings: Settings{SiteSettings: SiteSettings{ProxySetHeader: map[string]string{"X-Path": "$uri", "X-Arg": "$arg_a", "X-Ref": "$http_referer"}}}},
			Location{Path: "/cut/", ProxyPass: "http://up/uri/"},
			Location{Path: "/to/", Return: "301 http://b.test$uri"}, Location{Path: "/rel/", Return: "302 $uri"}, Location{Path: "/text/", Return: "200 $uri"},
			Location{Path: "/add/", Return: "200 x", Settings: Settings{SiteSettings: SiteSettings{AddHeader: AddedHeaders{{"X-Path", "$uri", true}}}}})
	})
	for _, trick := range []string{
		"%0d%0aX-Evil:%20a", "%0aX-Evil:a", "%0d%0a%0d%0aGET%20/SMUGGLED%20HTTP/1.1%0d%0a", "%0dX-Evil:a", "%20HTTP/1.1%0d%0aX-Evil:a", "%00", "%7f%01%1f", "%c4%8a%c4%8dX-Evil:a", "%e5%98%8a%e5%98%8dX-Evil:a",
		"%250d%250aX-Evil:a", "%85X-Evil:a", "%0b%0c", "%09x", "%20", "?a=%0d%0aX-Evil:a", "%5c%23%3f",
	} {
		for _, place := range []string{"/set/", "/cut/", "/to/", "/rel/", "/text/", "/add/", "/p"} {
			got := r.say("GET " + place + trick + " HTTP/1.1\r\nHost: a.test\r\nReferer: /" + trick + "\r\n\r\n" + lastOne)
			head := got
			if place == "/text/" {
				head, _, _ = strings.Cut(got, "\r\n\r\n")
			}
			answers, err := readAnswers(got, false)
			seen, faults := r.app.take()
			if err != nil || len(answers) == 0 || len(faults) > 0 || strings.Contains(head, "\nX-Evil") {
				t.Errorf("%s%s: got %q, %v; the app %q", place, trick, got, err, faults)
			}
			for _, q := range seen {
				if strings.Contains(strings.ToLower(q.head), "\nx-evil") || strings.Contains(q.target, "SMUGGLED HTTP") || len(seen) > 2 {
					t.Errorf("%s%s: the app got %q", place, trick, q.head)
				}
			}
		}
	}
}

func TestRule5LinesAreFieldsOrTheMessageIsRefused(t *testing.T) {
	r := newStrictRig(t, nil)
	for _, line := range []string{
		"X : y", "X\t: y", " X: y", "\tX: y", ": y", ":", "X", "X y", "X(: y", "\"X\": y", "X@: y", "X\xe9: y", "X\x7f: y", "X\x00: y", "X;: y", "X,Y: y", "X/Y: y", "X=: y", "[X]: y", "{X}: y", "X\\: y",
		"X: y\r\n z", "X: y\r\n\tz", "X:\r\n y", "X: y\r\n ", "X: a\x00b", "X: a\rb", "X: a\r", "X: \x01", "X: \x0b", "X: \x0c", "X: \x1b[31m", "X: \x7f", "X: 01234567\x1f", "X: y\n", "X: y\nZ: z", "\nX: y", "\r",
	} {
		for _, where := range []string{"GET /p HTTP/1.1\r\nHost: a.test\r\n%s\r\n\r\n", "GET /p HTTP/1.1\r\n%s\r\nHost: a.test\r\n\r\n", "POST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n%s\r\nY: z\r\n\r\n", "GET /p HTTP/1.0\r\n%s\r\n\r\n"} {
			r.refuses(fmt.Sprintf("%q in %q", line, where), fmt.Sprintf(where, line), 400)
		}
	}
	for _, message := range []string{
		"GET /p HTTP/1.1\nHost: a.test\n\n", "GET /p HTTP/1.1\r\nHost: a.test\n\r\n", "GET /p HTTP/1.1\r\nHost: a.test\r\n\n", "GET /p HTTP/1.1\r\n\nHost: a.test\r\n\r\n", "GET /p HTTP/1.1\rHost: a.test\r\r",
		"\nGET /p HTTP/1.1\r\nHost: a.test\r\n\r\n", "\r\n\r\nGET /p HTTP/1.1\r\nHost: a.test\r\n\r\n", "\rGET /p HTTP/1.1\r\nHost: a.test\r\n\r\n", " GET /p HTTP/1.1\r\nHost: a.test\r\n\r\n", "\x00GET /p HTTP/1.1\r\nHost: a.test\r\n\r\n",
		"\xef\xbb\xbfGET /p HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET /p HTTP/1.1\r\n \r\nHost: a.test\r\n\r\n",
	} {
		r.refuses(fmt.Sprintf("%q", message), message, 400)
	}
	q := r.passes("what a value may hold", getWith("X-A: \t a\tb \xe9\xff \"\\()<>@,;:/[]?={}|^~`\t \r\nX-Empty:\r\nX-Blank: \t \r\n"))
	if got := fmt.Sprintf("%q", append(append(q.values("x-a"), q.values("x-empty")...), q.values("x-blank")...)); got != `["a\tb \xe9\xff \"\\()<>@,;:/[]?={}|^~`+"`"+`" "" ""]` {
		t.Errorf("the app got %s", got)
	}
}

func TestRule5RequestLineIsReadToTheLetter(t *testing.T) {
	r := newStrictRig(t, nil)
	for line, statuses := range map[string][]int{
		"GET  /p HTTP/1.1": {400}, "GET /p  HTTP/1.1": {400}, "GET\t/p HTTP/1.1": {400}, "GET /p\tHTTP/1.1": {400}, "GET /p HTTP/1.1 ": {400}, "GET /p HTTP/1.1\t": {400}, "GET /p HTTP/1.1\x00": {400},
		"GET\x0b/p HTTP/1.1": {400}, "GET\x0c/p HTTP/1.1": {400}, "GET\r/p HTTP/1.1": {400}, "GET\xa0/p HTTP/1.1": {400}, "GET /p": {400}, "GET": {400}, "GET /p HTTP": {400}, "GET /p HTTP/": {400}, "GET /p HTTP/1": {400},
		"GET /p HTTP/1.": {400}, "GET /p HTTP/.1": {400}, "GET /p HTTP/1.1.1": {400}, "GET /p HTTP/1.10": {400}, "GET /p HTTP/11.1": {400}, "GET /p HTTP/01.1": {400}, "GET /p HTTP/1.01": {400}, "GET /p HTTP/1,1": {400},
		"GET /p http/1.1": {400}, "GET /p Http/1.1": {400}, "GET /p HTTPS/1.1": {400}, "GET /p HTTP /1.1": {400}, "GET /p HTTP/ 1.1": {400}, "GET /p HTTP/1. 1": {400}, "GET /p HTTP/-1.1": {400}, "GET /p HTTP/+1.1": {400}, "GET /p HTTP/1.x": {400},
		"GET /p HTTP/0.9": {400}, "GET /p HTTP/2.0": {505}, "GET /p HTTP/3.0": {505}, "GET /p HTTP/9.9": {505}, "GET /p ICY/1.1": {400}, "GET /p FTP/1.1": {400}, "GET /p RTSP/1.0": {400}, "GET /p SIP/2.0": {400},
		"get /p HTTP/1.1": {400}, "Get /p HTTP/1.1": {400}, "GE\x00T /p HTTP/1.1": {400}, "G:T /p HTTP/1.1": {400}, "\"GET\" /p HTTP/1.1": {400}, "GET( /p HTTP/1.1": {400}, "G\xc9T /p HTTP/1.1": {400}, "GET, /p HTTP/1.1": {400},
		"CONNECT a.test:80 HTTP/1.1": {405}, "CONNECT /p HTTP/1.1": {405}, "CONNECT a.test HTTP/1.1": {405}, "CONNECT * HTTP/1.1": {405}, "CONNECT http://a.test/ HTTP/1.1": {405}, "TRACE /p HTTP/1.1": {405}, "TRACE * HTTP/1.1": {400, 405},
		"HTTP/1.1 200 OK": {400}, "SSH-2.0-OpenSSH_9.2": {400}, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": {400}, "PRI * HTTP/2.0": {505}, "PRI * HTTP/1.1": {400}, strings.Repeat("G", 9000) + " /p HTTP/1.1": {400, 414},
	} {
		r.refuses(fmt.Sprintf("%.40q", line), line+"\r\nHost: a.test\r\n\r\n", statuses...)
	}
	for line, want := range map[string]string{"M-SEARCH /p HTTP/1.1": "M-SEARCH /p", "GET /p HTTP/1.2": "GET /p", "PROPFIND /p HTTP/1.9": "PROPFIND /p", "PRI /p HTTP/1.1": "PRI /p", "HEAD /p HTTP/1.1": "HEAD /p", "TRACK /p HTTP/1.1": "TRACK /p"} {
		if q := r.passes(line, line+"\r\nHost: a.test\r\n\r\n"); q.method+" "+q.target != want {
			t.Errorf("%s: the app got %q", line, q.head)
		}
	}
}

// badHosts are no authority (RFC 9110 7.2) or none that can be told from another.
var badHosts = []string{
	"", ".", "..", ".a", "a..b", "a b", "a,b", "a.test, b.test", "u@a.test", "u:p@a.test", "a.test@b.test", "a.test/", "a.test/x", "a.test?x", "a.test#x", "a.test\\x", "<a>", "a%2eb", "a%00", "%61", "a!b", "a'b", "\"a\"", "*.a", "a*", "a_b ", "\xe9.test", "a\tb",
	":80", "a:http", "a:65536", "a:99999", "a:080808", "a:80:90", "a:-1", "a:+1", "a: 1", "a:80 ", "a:80/", "a:0x50", "::1", "[::1", "::1]", "[::1]a", "[::1]80", "[::1]]", "[[::1]]", "[]", "[:]", "[:::]", "[1::2::3]", "[12345::]", "[g::]", "[::1%25eth0]", "[::1%eth0]", "[v1.a]",
	"[192.0.2.1]", "[::256.0.0.1]", "[a.test]", "a.test;b", "a.test&b", "a.test=b", "a.test$b", "a.test(b)", "a.test{", "a.test|b", "a.test^b", "a.test`b", "a.test\"", "a.test~:x", strings.Repeat("a", 254), strings.Repeat("a.", 127) + "b",
}

func TestRule6HostIsOneAuthority(t *testing.T) {
	r := newStrictRig(t, nil)
	for _, host := range badHosts {
		trimmed := strings.Trim(host, " \t")
		if trimmed == host {
			r.refuses(fmt.Sprintf("Host %.30q", host), "GET /p HTTP/1.1\r\nHost: "+host+"\r\n\r\n", 400)
			r.refuses(fmt.Sprintf("1.0, Host %.30q", host), "GET /p HTTP/1.0\r\nhOST:"+host+"\r\nX: y\r\n\r\n", 400)
		}
		r.refuses(fmt.Sprintf("beside http://a, Host %.30q", host+"/"), "GET http://a.test/p HTTP/1.1\r\nHost: "+host+"/\r\n\r\n", 400)
		if !strings.ContainsAny(host, "/?") {
			r.refuses(fmt.Sprintf("authority %.30q", host), "GET http://"+host+"/p HTTP/1.1\r\nHost: a.test\r\n\r\n", 400)
		}
	}
	for _, lines := range []string{
		"", "X: y\r\n", "Host: a\r\nHost: a\r\n", "Host: a\r\nhost: b\r\n", "Host:\r\nHost: a\r\n", "HOST: a\r\nX: y\r\nHost:\r\n", "Host : a\r\n", " Host: a\r\n", "Host\x00: a\r\n", "Host\r\n", "Host: a\r\n b\r\n", "Host:\r\n a\r\n", "Host: a\rb\r\n", "Host: a\x00\r\n", "Ho st: a\r\n",
		"Host_: a\r\n", "H\xc3\xb6st: a\r\n",
	} {
		r.refuses(fmt.Sprintf("%q", lines), "GET /p HTTP/1.1\r\n"+lines+"\r\n", 400)
	}
	for host, want := range map[string]string{
		"a.test": "a.test", "A.Test": "A.Test", "a.test:80": "a.test:80", "a.test:": "a.test:", "a.test.": "a.test.", "[::1]": "[::1]", "[2001:DB8::1]:8080": "[2001:DB8::1]:8080", "127.0.0.1:1": "127.0.0.1:1", "a_b": "a_b", "\t a.test \t": "a.test", "xn--bcher-kva.test": "xn--bcher-kva.test",
	} {
		if q := r.passes(host, "GET /p HTTP/1.1\r\nhOsT:"+host+"\r\n\r\n"); !slices.Equal(q.values("host"), []string{want}) || !slices.Equal(q.values("x-forwarded-host"), []string{want}) {
			t.Errorf("Host %q: the app got %q", host, q.head)
		}
		if want == strings.Trim(host, " \t") && want == host {
			if q := r.passes("absolute "+host, "GET hTTp://"+host+"/p?q HTTP/1.1\r\nHost: evil.test\r\n\r\n"); !slices.Equal(q.values("host"), []string{host}) || q.target != "/p?q" {
				t.Errorf("authority %q: the app got %q", host, q.head)
			}
		}
	}
	if q := r.passes("1.0", "GET /p HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"); len(q.values("host")) != 1 {
		t.Errorf("of HTTP/1.0 the app got %q", q.head)
	}
}

func TestRule7TargetGoesOnAsItCameOrNotAtAll(t *testing.T) {
	r := newStrictRig(t, nil)
	for _, target := range []string{
		"p", "p/", "a.test:80", "a.test", "?q", "//", "", "*", "/*#", "/a#b", "/a?b#c", "#", "/a\\b", "\\a", "/a?b\\c", "/\x00", "/\x01", "/a\x1fb", "/\x7f", "/a b", "/a HTTP/1.1", "/a\tb", "/a\rb", "/%", "/%0", "/%zz", "/%0g", "/a%", "/%u0041", "/%00", "/a%00.html", "/%2500%00",
		"/..", "/../", "/../x", "/a/../..", "/a/../../x", "/%2e%2e", "/%2E./x", "/.%2e/", "/a/%2e%2e/%2e%2e/x", "/./..", "//..", "/a//../../..", "/%2f..%2f..", "http:/a.test/p", "http:a.test", "http://", "http:///p", "https:///", "ftp://a.test/p", "file:///etc/passwd", "javascript:alert(1)",
		"data:x", "//a.test\\p", "http://a.test\\p", "http://a.test#p", "http://a.test/..", "http://a.test/%", "http://a.test/p q", "ws://a.test/", "http://u@a.test/p", "http://a.test@b.test/p", "://a.test/", "http//a.test/",
	} {
		if target == "//" {
			continue
		}
		r.refuses(fmt.Sprintf("%q", target), "GET "+target+" HTTP/1.1\r\nHost: a.test\r\n\r\n", 400)
	}
	for _, target := range []string{
		"/", "//", "///a//b", "/a/./b", "/a/../b", "/a/..", "/a/b/..", "/%2e/a", "/a/%2e%2e/b", "/a%2fb", "/a%2Fb%5c", "/%41", "/a%25%32%66", "/a?", "/a?b?c", "/a?%zz%", "/a?../..", "/a?b=[x]", "/a;b=c/..;/d", "/a%23b%3fc", "/\xc3\xa9", "/\xff", "/%c0%af", "/%c0%ae%c0%ae/", "/a|b\"<>^`{}", "/~a!$&'()*+,;=:@",
		"/" + strings.Repeat("a", 7900), "/a?x=http://b.test/", "/http://b.test/", "/a:b@c", "/.", "/a/.", "/...", "/..a", "/a/...", "/.well-known/x",
	} {
		for _, form := range []string{"", "http://a.test"} {
			if q := r.passes(target, "GET "+form+target+" HTTP/1.1\r\nHost: a.test\r\n\r\n"); q.target != target {
				t.Errorf("%q: the app got %q", form+target, q.target)
			}
		}
	}
	for target, want := range map[string]string{"http://a.test": "/", "http://a.test?q": "/?q", "https://a.test:443/p": "/p"} {
		if q := r.passes(target, "GET "+target+" HTTP/1.1\r\nHost: a.test\r\n\r\n"); q.target != want {
			t.Errorf("%q: the app got %q", target, q.target)
		}
	}
}

// spell writes a path in one of the ways that decode to it.
func spell(random *rand.Rand, path string) string {
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		switch k := random.IntN(8); {
		case c == '/' && i > 0 && k == 0:
			b.WriteString("//")
		case c == '/' && k == 1:
			b.WriteString("/./")
		case c == '/' && k == 2:
			b.WriteString("/x/../")
		case c == '/' && i > 0 && k == 3:
			b.WriteString("%2f")
		case c == '/' && k == 4:
			b.WriteString("/%2e/y/.%2E/")
		case c != '/' && k == 5:
			fmt.Fprintf(&b, "%%%02x", c)
		case c != '/' && k == 6:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func TestRule7EverySpellingOfAPathIsRoutedAlike(t *testing.T) {
	r := newStrictRig(t, func(c *Config) {
		c.Servers[0].Location = append(c.Servers[0].Location, Location{Path: "/private/", Return: "403"}, Location{Path: "= /secret", Return: "403"}, Location{Path: `~ \.php$`, Return: "403"})
	})
	random := rand.New(rand.NewPCG(7, 7))
	for i := range 600 {
		path := []string{"/private/x", "/secret", "/a/b.php", "/private/"}[i%4]
		target := spell(random, path)
		if i%3 == 0 {
			target += "?a=/b"
		}
		if i%5 == 0 {
			target = "HTTP://b.test" + target
		}
		got := r.say("GET " + target + " HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
		if seen, _ := r.app.take(); len(seen) > 0 || !strings.HasPrefix(got, "HTTP/1.1 403 ") {
			t.Errorf("%s: the app got %q, the client %.100q", target, seen, got)
		}
	}
	for _, target := range []string{"/privatex", "/%70rivat", "/%2570rivate/x", "/private%252fx", "/x/private/x", "/secret/", "/secrets", "/%73ecret%20", "/a/b.php/", "/a/b.phpx", "/Private/x", "/SECRET"} {
		if q := r.passes(target, "GET "+target+" HTTP/1.1\r\nHost: a.test\r\n\r\n"); q.target != target {
			t.Errorf("%s: the app got %q", target, q.target)
		}
	}
}

// A table that is faster for many names must find what the one for few finds
// (Caddy CVE-2026-27588).
func TestRule8ManyNamesAndPlacesMatchAsFewDo(t *testing.T) {
	for _, many := range []int{0, 300} {
		r := newStrictRig(t, func(c *Config) {
			c.Servers[0].ServerName = value.Strings{"other.test"}
			named := Server{ServerName: value.Strings{"Shop.Test", "*.Wild.test", "end.*"}, Location: []Location{{Path: "/", Return: "200 named"}, {Path: "/Deep/", Return: "200 deep"}, {Path: "= /one", Return: "200 one"}}}
			for i := range many {
				named.ServerName = append(named.ServerName, fmt.Sprintf("n%d.test", i), fmt.Sprintf("*.w%d.test", i))
				named.Location = append(named.Location, Location{Path: fmt.Sprintf("/l%d/", i), Return: "200 l"}, Location{Path: fmt.Sprintf("= /e%d", i), Return: "200 e"})
			}
			c.Servers = append(c.Servers, named)
		})
		for host, want := range map[string]string{
			"shop.test": "named", "SHOP.TEST": "named", "sHoP.tEsT.": "named", "Shop.Test:8080": "named", "x.wild.test": "named", "X.Y.WILD.TEST": "named", "END.example": "named", "end.x.y": "named", "wild.test": "/p", "xshop.test": "/p", "shop.testx": "/p", "shop-test": "/p",
		} {
			got := r.say("GET /p HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
			if !strings.HasSuffix(got, "\r\n\r\n"+want) {
				t.Errorf("%d names, %s: %q, want %q", many, host, got, want)
			}
		}
		for target, want := range map[string]string{"/Deep/x": "deep", "/%44eep/x": "deep", "//Deep//x": "deep", "/deep/x": "named", "/one": "one", "/%6fne": "one", "/x/../one": "one", "/ONE": "named", "/one/": "named"} {
			got := r.say("GET " + target + " HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
			if !strings.HasSuffix(got, "\r\n\r\n"+want) {
				t.Errorf("%d places, %s: %q, want %q", many, target, got, want)
			}
		}
	}
}

func TestRule9ConnectionNamesAwayHopByHopFieldsOnly(t *testing.T) {
	r := newStrictRig(t, nil)
	const protected = "Cookie: a=1\r\nAuthorization: Basic eA==\r\nContent-Length: 2\r\n"
	for _, named := range []string{
		"Host", "hOST", "Content-Length", "Cookie", "AUTHORIZATION", "X-Forwarded-For", "x-real-ip", "X-Forwarded-Proto", "X-FORWARDED-HOST", "Transfer-Encoding", "Connection", "close, X-Forwarded-For", "keep-alive, Host, Cookie, Authorization", ", ,X-Real-IP,,", "\tX-Forwarded-For\t,\tHost\t",
		"X-Hop\r\nConnection: X-Forwarded-For", "x-hop, Forwarded, X-Forwarded", "Host;q=1", "\"Host\"", strings.Repeat("X-A,", 120) + "Host",
	} {
		message := "POST /p HTTP/1.1\r\nHost: a.test\r\nConnection: " + named + "\r\nX-Hop: gone\r\n" + protected + "\r\nhi"
		if strings.Contains(named, "close") {
			got := r.say(message)
			if !strings.HasPrefix(got, "HTTP/1.1 200 ") {
				t.Errorf("%q: got %q", named, got)
			}
		} else {
			r.passes(fmt.Sprintf("%.40q", named), message)
			r.say("POST /p HTTP/1.1\r\nHost: a.test\r\nConnection: close, " + named + "\r\nX-Hop: gone\r\n" + protected + "\r\nhi")
		}
		seen, _ := r.app.take()
		for _, q := range seen {
			for name, want := range map[string]string{"host": "a.test", "cookie": "a=1", "authorization": "Basic eA==", "content-length": "2", "x-real-ip": "unix:", "x-forwarded-for": "unix:", "x-forwarded-proto": "http", "x-forwarded-host": "a.test"} {
				if got := q.values(name); !slices.Equal(got, []string{want}) {
					t.Errorf("Connection: %.40q: the app's %s is %q", named, name, got)
				}
			}
		}
	}
	for _, hop := range []string{"TE", "te", "Trailer", "Keep-Alive", "Proxy-Connection", "Upgrade", "HTTP2-Settings", "Proxy-Authorization", "Proxy-Authenticate2, X-Hop", "X-Hop", "x-HOP", "Connection"} {
		name, _, _ := strings.Cut(hop, ",")
		q := r.passes(hop, getWith("X-Keep: 1\r\n"+strings.TrimSpace(name)+": trailers\r\nConnection: "+hop+"\r\nX-hop: a\r\n"))
		if len(q.values(strings.ToLower(name))) > 0 || strings.Contains(strings.ToLower(hop), "x-hop") && len(q.values("x-hop")) > 0 || len(q.values("x-keep")) != 1 {
			t.Errorf("%s: the app got %q", hop, q.head)
		}
	}
}

func TestRule10NothingThatAClientSaysOfItselfReachesTheApp(t *testing.T) {
	r := newStrictRigOn(t, "tcp", "127.0.0.1:0", nil)
	r.app.take()
	for _, name := range []string{
		"Forwarded", "X-Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Protocol", "X-Forwarded-Ssl", "X-Forwarded-Scheme", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Server", "X-Forwarded-Uri", "X-Forwarded-By", "X-Forwarded-Any-Thing", "X-Real-IP", "Proxy",
	} {
		for i, form := range []string{name, strings.ToLower(name), strings.ToUpper(name), strings.ToLower(name[:1]) + strings.ToUpper(name[1:])} {
			line := form + ": 6.6.6.6, evil.test\r\n"
			message := getWith(line)
			switch i {
			case 1:
				message = "GET /p HTTP/1.1\r\n" + line + "Host: a.test\r\n" + line + "\r\n"
			case 2:
				message = getWith("Connection: X-Real-IP\r\n" + line + form + ":\r\n")
			}
			got := r.say(message + lastOne)
			seen, faults := r.app.take()
			if len(seen) != 2 || len(faults) > 0 {
				t.Errorf("%s: the app got %q, %q; the client %q", form, seen, faults, got)
				continue
			}
			want := "X-Real-IP: 127.0.0.1\nX-Forwarded-For: 127.0.0.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: a.test"
			if fields := forwardedFields(seen[0].head); fields != want || strings.Contains(seen[0].head, "evil") {
				t.Errorf("%s: the app got %q", form, seen[0].head)
			}
		}
	}
}

// WSGI folds "-" and "_" into one; some servers fold more (CVE-2026-88011).
func TestRule11NamesThatAnAppMayTakeForOthersAreDropped(t *testing.T) {
	r := newStrictRig(t, nil)
	for _, c := range "_.!#$%&'*+^`|~" {
		for _, name := range []string{"X%sForwarded-For", "X-Forwarded%sFor", "Remote%sUser", "SCRIPT%sNAME", "%sPATH-INFO", "Content-Length%s", "Content%sLength", "Transfer%sEncoding", "Host%s", "X-A%s%s"} {
			name = strings.ReplaceAll(name, "%s", string(c))
			q := r.passes(name, "POST /p HTTP/1.1\r\n"+name+": 6\r\nHost: a.test\r\nX-Keep: 1\r\nContent-Length: 2\r\n"+name+": 7\r\n\r\nhi")
			if len(q.fields) != 7 || len(q.values("x-keep")) != 1 || q.body != "hi" {
				t.Errorf("%s: the app got %q", name, q.head)
			}
		}
	}
}

func TestRule12NoUpgradeButTheAskedForWebSocketGoesOn(t *testing.T) {
	r := newStrictRig(t, nil)
	for _, upgrade := range []string{"h2c", "H2C", "h2", "h2c, websocket", "websocket, h2c", "TLS/1.2", "HTTP/2.0", "websocket/13", "websocket ;a", "\"websocket\"", "web socket", "foo", "", "websocket\x0b"} {
		for _, connection := range []string{"Upgrade", "upgrade, HTTP2-Settings", "UPGRADE,Host", "keep-alive"} {
			for _, method := range []string{"GET", "POST", "OPTIONS"} {
				message := method + " /p HTTP/1.1\r\nHost: a.test\r\nConnection: " + connection + "\r\nUpgrade: " + upgrade + "\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
				if strings.Contains(upgrade, "\x0b") {
					r.refuses(fmt.Sprintf("%s %q %q", method, connection, upgrade), message, 400)
					continue
				}
				q := r.passes(fmt.Sprintf("%s %q %q", method, connection, upgrade), message)
				if len(q.values("upgrade"))+len(q.values("connection")) > 0 {
					t.Errorf("%s %q %q: the app got %q", method, connection, upgrade, q.head)
				}
			}
		}
	}
}

func TestRule14LimitsOfAHeadAreNginxs(t *testing.T) {
	r := newStrictRig(t, nil)
	fields := func(n int) string { return strings.Repeat("X-A: b\r\n", n) }
	line := func(n int) string {
		return "GET /" + strings.Repeat("a", n-len("GET / HTTP/1.1\r\n")) + " HTTP/1.1\r\nHost: a\r\n\r\n"
	}
	field := func(n int) string { return "X: " + strings.Repeat("y", n-len("X: \r\n")) + "\r\n" }
	r.passes("a line of 8 KiB", line(8<<10))
	r.passes("a field of 8 KiB", getWith(field(8<<10)))
	r.passes("100 fields", getWith(fields(99)))
	r.passes("a head of 32 KiB", getWith(strings.Repeat(field(8000), 4)+field(32<<10-4*8000-len(getWith("")))))
	r.refuses("a line of 8 KiB and a byte", line(8<<10+1), 414)
	r.refuses("a line of 100 KiB", line(100<<10), 414)
	r.refuses("a field of 8 KiB and a byte", getWith(field(8<<10+1)), 400)
	r.refuses("101 fields", getWith(fields(100)), 400)
	r.refuses("10,000 fields", getWith(fields(10000)), 400)
	r.refuses("a head of 32 KiB and a byte", getWith(strings.Repeat(field(8000), 4)+field(32<<10-4*8000-len(getWith(""))+1)), 400)
	r.refuses("a field of 2 MB", getWith(field(2<<20)), 400)
	r.refuses("a name of 100 KiB", getWith(strings.Repeat("n", 100<<10)+": x\r\n"), 400)
	r.refuses("129 connection options", getWith("Connection: "+strings.Repeat("a,", 129)+"\r\n"), 400)
	for what, body := range map[string]string{
		"length": "Content-Length: 1048577\r\n\r\n", "chunked": "Transfer-Encoding: chunked\r\n\r\n" + "100000\r\n" + strings.Repeat("x", 1<<20) + "\r\n1\r\nx",
	} {
		got := r.say(post + "Host: a\r\n" + body)
		if seen, _ := r.app.take(); len(seen) > 0 || !strings.HasPrefix(got, "HTTP/1.1 413 ") {
			t.Errorf("a body over 1 MB, %s: the app got %d requests, the client %.100q", what, len(seen), got)
		}
	}
}

// C14: what a client says becomes a part of one line, as nginx writes it.
func TestHostileBytesStayInOneLogLine(t *testing.T) {
	r := newStrictRig(t, func(c *Config) {
		c.Formats["test"] = accesslog.FormatSetting{Format: `$remote_user "$request" $status "$http_referer" "$http_user_agent" $uri`}
	})
	for _, trick := range []string{`a"b`, `a\b`, "a\xe9\xff", "%0d%0aevil", "a%22b%5c"} {
		r.say("GET /" + strings.ReplaceAll(trick, `\`, "%5c") + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\nReferer: " + trick + "\r\nUser-Agent: \t" + trick + "\ttab\r\nAuthorization: Basic " + "YSINCmI6eA==" + "\r\n\r\n")
	}
	r.say("GET /\x1b[31m HTTP/1.1\r\nHost: a\r\n\r\n")
	r.say("\x00\x01\"\\\x7f\xff\r\n")
	want := []string{
		`a\x22\x0D\x0Ab "GET /a\x22b HTTP/1.1" 200 "a\x22b" "a\x22b\x09tab" /a\x22b`,
		`a\x22\x0D\x0Ab "GET /a%5cb HTTP/1.1" 200 "a\x5Cb" "a\x5Cb\x09tab" /a\x5Cb`,
		`a\x22\x0D\x0Ab "GET /a\xE9\xFF HTTP/1.1" 200 "a\xE9\xFF" "a\xE9\xFF\x09tab" /a\xE9\xFF`,
		`a\x22\x0D\x0Ab "GET /%0d%0aevil HTTP/1.1" 200 "%0d%0aevil" "%0d%0aevil\x09tab" /\x0D\x0Aevil`,
		`a\x22\x0D\x0Ab "GET /a%22b%5c HTTP/1.1" 200 "a%22b%5c" "a%22b%5c\x09tab" /a\x22b\x5C`,
		`- "GET /\x1B[31m HTTP/1.1" 400 "-" "-" -`,
		`- "\x00\x01\x22\x5C\x7F\xFF" 400 "-" "-" -`,
	}
	wantLines(t, r.rig, want...)
}
