package proxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"paddock/accesslog"
	"paddock/internal/value"
	"paddock/proxy/http2"
)

// newRig2 is newRig on an address that speaks HTTP/2.
func newRig2(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	return newRigOn(t, "tcp", "127.0.0.1:0", " http2", change)
}

// peer2 is a client of HTTP/2 that writes its own frames.
type peer2 struct {
	*xhttp2.Framer
	t    *testing.T
	nc   net.Conn
	enc  *hpack.Encoder
	buf  bytes.Buffer
	dec  *hpack.Decoder
	next uint32
	app  *loggedApp      // of a client whose log is compared
	seen strings.Builder // what it got, as an answer of HTTP/1.1
}

// dial2 connects with prior knowledge.
func (r *rig) dial2(settings ...xhttp2.Setting) *peer2 {
	r.t.Helper()
	return r.peer2On(r.dial(), settings...)
}

// peer2On begins HTTP/2 on a connection.
func (r *rig) peer2On(nc net.Conn, settings ...xhttp2.Setting) *peer2 {
	r.t.Helper()
	p := &peer2{Framer: xhttp2.NewFramer(nc, nc), t: r.t, nc: nc, dec: hpack.NewDecoder(4096, nil), next: 1}
	p.enc = hpack.NewEncoder(&p.buf)
	_, err := io.WriteString(nc, http2.Preface)
	must(r.t, err)
	must(r.t, p.WriteSettings(settings...))
	return p
}

// open sends a request head: "METHOD /path", then "name: value" lines.
func (p *peer2) open(end bool, line string, fields ...string) (id uint32) {
	p.t.Helper()
	method, path, _ := strings.Cut(line, " ")
	p.buf.Reset()
	all := append([]string{":method: " + method, ":scheme: http", ":path: " + path, ":authority: " + p.authority()}, fields...)
	for _, f := range all {
		i := strings.LastIndex(f, ": ")
		must(p.t, p.enc.WriteField(hpack.HeaderField{Name: f[:i], Value: f[i+2:]}))
	}
	id = p.next
	p.next += 2
	must(p.t, p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: p.buf.Bytes(), EndHeaders: true, EndStream: end}))
	return id
}

// authority is the name that is asked for.
func (p *peer2) authority() string {
	if p.app != nil {
		return "first.test"
	}
	return "a.test"
}

// answer2 is what came on a stream: heads as "status name=value …", interim ones
// first.
type answer2 struct {
	heads []string
	body  string
	reset int // the code of RST_STREAM; -1: none
}

func (a answer2) String() string {
	return fmt.Sprintf("%q, body %.200q, reset %d", a.heads, a.body, a.reset)
}

// read reads frames until the stream ends, and opens the windows.
func (p *peer2) read(id uint32) (a answer2) {
	p.t.Helper()
	defer func() { fmt.Fprintf(&p.seen, "HTTP/1.1 %q\r\n%s", a.heads, a.body) }()
	a.reset = -1
	for {
		f, err := p.ReadFrame()
		if err != nil {
			p.t.Fatalf("stream %d: %v after %v", id, err, a)
		}
		ended := false
		switch f := f.(type) {
		case *xhttp2.HeadersFrame:
			fields, err := p.dec.DecodeFull(f.HeaderBlockFragment())
			must(p.t, err)
			if f.StreamID == id {
				a.heads = append(a.heads, headOf(fields))
				ended = f.StreamEnded()
			}
		case *xhttp2.DataFrame:
			if n := len(f.Data()); n > 0 {
				must(p.t, p.WriteWindowUpdate(0, uint32(n)))
				if !f.StreamEnded() {
					must(p.t, p.WriteWindowUpdate(f.StreamID, uint32(n)))
				}
			}
			if f.StreamID == id {
				a.body += string(f.Data())
				ended = f.StreamEnded()
			}
		case *xhttp2.RSTStreamFrame:
			if f.StreamID == id {
				a.reset = int(f.ErrCode)
				return a
			}
		}
		if ended {
			return a
		}
	}
}

func headOf(fields []hpack.HeaderField) string {
	var out []string
	for _, f := range fields {
		switch f.Name {
		case "date":
		case ":status":
			out = append(out, f.Value)
		default:
			out = append(out, f.Name+"="+f.Value)
		}
	}
	return strings.Join(out, " ")
}

func (p *peer2) get(path string, fields ...string) answer2 {
	p.t.Helper()
	return p.read(p.open(true, "GET "+path, fields...))
}

func want2(t *testing.T, got, want answer2) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestHTTP2RequestReachesTheAppAsHTTP1(t *testing.T) {
	r := newRig2(t, nil)
	b := r.backend(1, answers(ok("hello")))
	r.ready(1, 0)
	p := r.dial2()
	got := p.get("/a%2fb//c?x=1", "x-odd: v", "cookie: a=b", "under_score: 1", "x-forwarded-for: 6.6.6.6", "cookie: c=d", "te: trailers", "proxy: evil")
	want2(t, got, answer2{heads: []string{"200 server=paddock content-type=text/plain content-length=5"}, body: "hello", reset: -1})
	want := "GET /a%2fb//c?x=1 HTTP/1.1\r\nHost: a.test\r\nX-Real-IP: 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1\r\n" +
		"X-Forwarded-Proto: http\r\nX-Forwarded-Host: a.test\r\nConnection: close\r\nx-odd: v\r\ncookie: a=b; c=d\r\n\r\n"
	if seen := b.seen(); len(seen) != 1 || seen[0].head != want {
		t.Errorf("app\n got %q\nwant %q", seen, want)
	}
	p.nc.Close()
	wantLines(t, r, `"GET /a%2fb//c?x=1 HTTP/2.0" 200 5 "unix:web.1.sock" "200" OK`)
}

func TestHTTP2BodyReachesTheAppWithALength(t *testing.T) {
	r := newRig2(t, nil)
	b := r.backend(1, echo)
	r.ready(1, 0)
	p := r.dial2()
	large := strings.Repeat("0123456789", 6_000)
	for _, c := range []struct {
		fields []string
		parts  []string
	}{
		{nil, []string{"hello"}},
		{nil, []string{"he", "", "llo", ""}},
		{[]string{"content-length: 5"}, []string{"hel", "lo"}},
		{nil, []string{""}},
		{[]string{"content-length: 0"}, []string{""}},
		{nil, split(large, 10_000)}, // it goes to a file
	} {
		id := p.open(false, "POST /", c.fields...)
		for i, part := range c.parts {
			must(t, p.WriteData(id, i == len(c.parts)-1, []byte(part)))
		}
		body := strings.Join(c.parts, "")
		if got := p.read(id); got.body != "/"+body {
			t.Errorf("%d bytes in %d parts: %v", len(body), len(c.parts), got)
		}
		seen := b.seen()
		if head := seen[len(seen)-1].head; !strings.Contains(head, "\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n") || strings.Contains(head, "Transfer-Encoding") {
			t.Errorf("app got %q", head)
		}
	}
}

func split(s string, n int) (parts []string) {
	for len(s) > 0 {
		n = min(n, len(s))
		parts, s = append(parts, s[:n]), s[n:]
	}
	return parts
}

// With proxy_request_buffering off a body goes on as it comes, and the answer may come
// first: one goroutine reads the stream while another one writes to it.
func TestHTTP2BodyMayGoOnAsItComes(t *testing.T) {
	off := false
	r := newRig2(t, func(c *Config) { c.Servers[0].ProxyRequestBuffering = &off })
	first, rest := make(chan string, 1), make(chan string, 1)
	ln, err := net.Listen("unix", filepath.Join(r.dir, socketName(1)))
	must(t, err)
	defer ln.Close()
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		br := bufio.NewReader(c)
		head := readHead(t, br)
		chunk := make([]byte, len("5\r\nhello\r\n"))
		io.ReadFull(br, chunk)
		first <- head + string(chunk)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n")
		end := make([]byte, len("6\r\n world\r\n0\r\n\r\n"))
		io.ReadFull(br, end)
		rest <- string(end)
		io.WriteString(c, "4\r\nlate\r\n0\r\n\r\n")
	}()
	r.ready(1, 0)
	p := r.dial2()
	id := p.open(false, "POST /")
	must(t, p.WriteData(id, false, []byte("hello")))
	if got := receive(t, first, "the first part"); !strings.HasSuffix(got, "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n") {
		t.Errorf("the app got %q", got)
	}
	for { // what comes before the body is whole
		f, err := p.ReadFrame()
		must(t, err)
		if h, ok := f.(*xhttp2.HeadersFrame); ok {
			_, err := p.dec.DecodeFull(h.HeaderBlockFragment())
			must(t, err)
		}
		if d, ok := f.(*xhttp2.DataFrame); ok && string(d.Data()) == "early" {
			break
		}
	}
	must(t, p.WriteData(id, true, []byte(" world")))
	if got := receive(t, rest, "the rest"); got != "6\r\n world\r\n0\r\n\r\n" {
		t.Errorf("then %q", got)
	}
	if got := p.read(id); got.body != "late" || got.reset != -1 {
		t.Errorf("the answer ends with %v", got)
	}
	p.nc.Close()
	wantLines(t, r, `"POST / HTTP/2.0" 200 9 "unix:web.1.sock" "200" OK`)
}

// A body of which the app hears and which then turns out to be another one than was
// announced reaches it broken.
func TestHTTP2BodyThatLiesIsBrokenForTheApp(t *testing.T) {
	off := false
	r := newRig2(t, func(c *Config) { c.Servers[0].ProxyRequestBuffering = &off })
	heard, got := make(chan string, 1), make(chan error, 1)
	ln, err := net.Listen("unix", filepath.Join(r.dir, socketName(1)))
	must(t, err)
	defer ln.Close()
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		br := bufio.NewReader(c)
		heard <- readHead(t, br)
		_, err = io.ReadFull(br, make([]byte, len("hello world")))
		got <- err
	}()
	r.ready(1, 0)
	p := r.dial2()
	id := p.open(false, "POST /", "content-length: 11")
	must(t, p.WriteData(id, false, []byte("hello")))
	receive(t, heard, "the app hears of the request")
	must(t, p.WriteData(id, true, nil))
	if a := p.read(id); a.reset != int(http2.ProtocolError) || len(a.heads) > 0 {
		t.Errorf("got %v", a)
	}
	if err := receive(t, got, "the app's side"); err != io.ErrUnexpectedEOF && err != io.EOF {
		t.Errorf("the app read with %v", err)
	}
}

func TestHTTP2AnswersEndAsTheyShould(t *testing.T) {
	bad := answer2{heads: []string{"502 server=paddock content-type=text/html content-length=152"}, body: crlfs(page("502 Bad Gateway")), reset: -1}
	for name, c := range map[string]struct {
		method, app string
		want        answer2
		log         string
	}{
		"length": {
			"GET", "HTTP/1.1 200 OK\nContent-Length: 3\nX-Accel-Buffering: no\nServer: g\nConnection: x\nKeep-Alive: y\n\nabc",
			answer2{heads: []string{"200 server=paddock content-length=3"}, body: "abc", reset: -1},
			"200 3 OK",
		},
		"chunked": {
			"GET", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n1;x=y\na\n2\nbc\n0\nTrailer: x\n\n",
			answer2{heads: []string{"200 server=paddock"}, body: "abc", reset: -1},
			"200 3 OK",
		},
		"until close": {
			"GET", "HTTP/1.0 200 OK\n\nabc",
			answer2{heads: []string{"200 server=paddock"}, body: "abc", reset: -1},
			"200 3 OK",
		},
		"head": {
			"HEAD", "HTTP/1.1 200 OK\nContent-Length: 3\n\n",
			answer2{heads: []string{"200 server=paddock content-length=3"}, reset: -1},
			"200 0 OK",
		},
		"no content": {
			"GET", "HTTP/1.1 204 No Content\n\n", answer2{heads: []string{"204 server=paddock"}, reset: -1}, "204 0 OK",
		},
		"early hints": {
			"GET", "HTTP/1.1 103 Early Hints\nLink: </a.css>; rel=preload\nConnection: x\n\nHTTP/1.1 102 Processing\n\nHTTP/1.1 200 OK\nContent-Length: 1\n\na",
			answer2{heads: []string{"103 link=</a.css>; rel=preload", "200 server=paddock content-length=1"}, body: "a", reset: -1},
			"200 1 OK",
		},
		"no answer":        {"GET", "", bad, "502 152 OK"},
		"length and codng": {"GET", "HTTP/1.1 200 OK\nContent-Length: 1\nTransfer-Encoding: chunked\n\na", bad, "502 152 OK"},
		"short body": {
			"GET", "HTTP/1.1 200 OK\nContent-Length: 9\n\nabc",
			answer2{heads: []string{"200 server=paddock content-length=9"}, body: "abc", reset: int(http2.InternalError)},
			"200 3 ",
		},
		"short chunk": {
			"GET", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n9\nabc",
			answer2{heads: []string{"200 server=paddock"}, body: "abc", reset: int(http2.InternalError)},
			"200 3 ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig2(t, func(c *Config) {
				c.Formats["test"] = accesslog.FormatSetting{Format: "$status $body_bytes_sent $request_completion"}
			})
			r.backend(1, answers(crlfs(c.app)))
			r.ready(1, 0)
			p := r.dial2()
			want2(t, p.read(p.open(true, c.method+" /")), c.want)
			p.nc.Close()
			wantLines(t, r, c.log)
		})
	}
}

// What the proxy answers by itself: files, ranges, gzip, redirects, pages.
func TestHTTP2GetsWhatHTTP1Gets(t *testing.T) {
	dir := t.TempDir()
	large := strings.Repeat("0123456789", 100_000)
	must(t, os.WriteFile(filepath.Join(dir, "large.txt"), []byte(large), 0o600))
	on := true
	r := newRig2(t, func(c *Config) {
		c.Servers = []Server{{Location: []Location{
			{Path: "/", Settings: Settings{SiteSettings: SiteSettings{Root: dir}}},
			{Path: "/zip/", Return: `200 "` + strings.Repeat("a", 2000) + `"`, Settings: Settings{SiteSettings: SiteSettings{Gzip: &on, GzipTypes: names("text/plain")}}},
			{Path: "/away", Return: "301 http://b.test/"},
			{Path: "/shut", Return: "444"},
		}}}
	})
	p := r.dial2()
	if got := p.get("/large.txt"); got.body != large || !strings.Contains(got.heads[0], "content-length=1000000") {
		t.Errorf("file: %d bytes, %q", len(got.body), got.heads)
	}
	if got := p.get("/large.txt", "range: bytes=5-9"); got.body != "56789" || !strings.HasPrefix(got.heads[0], "206 ") {
		t.Errorf("range: %v", got)
	}
	if got := p.get("/zip/", "accept-encoding: gzip"); !strings.Contains(got.heads[0], "content-encoding=gzip") || len(got.body) > 200 || strings.Contains(got.heads[0], "transfer") {
		t.Errorf("gzip: %q, %d bytes", got.heads, len(got.body))
	}
	if got := p.get("/away"); !strings.Contains(got.heads[0], "location=http://b.test/") {
		t.Errorf("redirect: %q", got.heads)
	}
	if got := p.get("/gone"); !strings.HasPrefix(got.heads[0], "404 ") {
		t.Errorf("no file: %q", got.heads)
	}
	if got := p.get("/shut"); len(got.heads) != 0 || got.reset < 0 {
		t.Errorf("no answer: %v", got)
	}
	if got := p.get("/%zz"); !strings.HasPrefix(got.heads[0], "400 ") {
		t.Errorf("bad escape: %v", got)
	}
	if got := p.read(p.open(true, "TRACE /")); !strings.HasPrefix(got.heads[0], "405 ") {
		t.Errorf("TRACE: %v", got)
	}
	if got := p.get("/x", "x-long: "+strings.Repeat("v", 9000)); !strings.HasPrefix(got.heads[0], "400 ") || !strings.Contains(got.body, "Too Large") {
		t.Errorf("a long field: %v", got)
	}
}

func TestMalformedHTTP2RequestIsResetAndLogged(t *testing.T) {
	r := newRig2(t, nil)
	b := r.backend(1, echo)
	r.ready(1, 0)
	p := r.dial2()
	for _, field := range []string{"X-Upper: 1", "connection: close", "x: a\r\nb: c", "content-length: 5", "host: b.test"} {
		if got := p.get("/", field); got.reset != int(http2.ProtocolError) || len(got.heads) > 0 {
			t.Errorf("%q: %v", field, got)
		}
	}
	id := p.open(false, "POST /", "content-length: 3")
	must(t, p.WriteData(id, true, []byte("hello SMUGGLED")))
	if got := p.read(id); got.reset != int(http2.ProtocolError) {
		t.Errorf("a body that is too long: %v", got)
	}
	id = p.open(false, "POST /", "content-length: 0")
	must(t, p.WriteData(id, true, []byte("SMUGGLED")))
	if got := p.read(id); got.reset != int(http2.ProtocolError) {
		t.Errorf("a body where none is: %v", got)
	}
	if seen := b.seen(); len(seen) != 0 {
		t.Errorf("the app got %q", seen)
	}
	r.waitFor("7 requests", func(s Stats) bool { return s.Requests == 7 })
	p.nc.Close()
	lines := r.lines()
	if len(lines) != 7 || lines[0] != `"" 400 0 "-" "-" ` && lines[0] != `"-" 400 0 "-" "-" ` {
		t.Errorf("log %q", lines)
	}
}

// One port speaks both, and only where it is asked to.
func TestPriorKnowledgeIsForAddressesThatSpeakHTTP2(t *testing.T) {
	on, off := true, false
	for name, c := range map[string]struct {
		params string
		http2  *bool
		want   bool
	}{
		"default": {"", nil, false}, "listen": {" http2", &off, true}, "server": {"", &on, true}, "off": {"", &off, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRigOn(t, "tcp", "127.0.0.1:0", c.params, func(cfg *Config) { cfg.Servers[0].HTTP2 = c.http2 })
			b := r.backend(1, echo)
			r.ready(1, 0)
			if status, body := r.get("/one"); status != 200 || body != "/one" {
				t.Errorf("HTTP/1.1: %d %q", status, body)
			}
			if !c.want {
				if got, _ := r.raw(http2.Preface); !strings.HasPrefix(got, "HTTP/1.1 505 ") {
					t.Errorf("the preface got %q", got)
				}
				if n := len(b.seen()); n != 1 {
					t.Errorf("the app got %d requests", n)
				}
				return
			}
			want2(t, r.dial2().get("/two"), answer2{heads: []string{"200 server=paddock content-type=text/plain content-length=4"}, body: "/two", reset: -1})
			r.raw("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
			if n := len(b.seen()); n != 2 {
				t.Errorf("the app got %d requests", n)
			}
		})
	}
}

func TestPrefaceMayComeInPieces(t *testing.T) {
	r := newRig2(t, nil)
	r.backend(1, echo)
	r.ready(1, 0)
	for _, n := range []int{1, 5, 16, 23} {
		nc := r.dial()
		_, err := io.WriteString(nc, http2.Preface[:n])
		must(t, err)
		r.waitFor("the piece is read", func(Stats) bool { return r.proxy.readingNow() == 1 })
		_, err = io.WriteString(nc, http2.Preface[n:]+"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		must(t, err)
		f, err := xhttp2.NewFramer(nc, nc).ReadFrame()
		if err != nil || f.Header().Type != xhttp2.FrameSettings {
			t.Errorf("after %d bytes: %v, %v", n, f, err)
		}
		if n := r.proxy.readingNow(); n != 0 {
			t.Errorf("%d requests are being read", n)
		}
		nc.Close()
	}
	if n := r.proxy.Stats().Requests; n != 0 {
		t.Errorf("%d requests were counted", n)
	}
}

func TestStreamThatIsResetLeavesQueueAndApp(t *testing.T) {
	r := newRig2(t, nil)
	began, hold := make(chan struct{}, 1), make(chan struct{})
	cut := make(chan error, 1)
	r.backend(1, func(c net.Conn, q request) bool {
		began <- struct{}{}
		_, err := c.Read(make([]byte, 1)) // the proxy hangs up
		cut <- err
		<-hold
		return false
	})
	r.ready(1, 1)
	p := r.dial2()
	first := p.open(true, "GET /first")
	receive(t, began, "the first request reaches the app")
	second := p.open(true, "GET /second")
	r.waitFor("one waits", func(s Stats) bool { return s.Upstreams["web"].Queued == 1 })
	must(t, p.WriteRSTStream(second, xhttp2.ErrCodeCancel))
	r.waitFor("it has left", func(s Stats) bool { return s.Upstreams["web"].Queued == 0 && s.Requests == 1 })
	must(t, p.WriteRSTStream(first, xhttp2.ErrCodeCancel))
	if err := receive(t, cut, "the app's connection ends"); err == nil {
		t.Error("bytes came behind the request")
	}
	r.waitFor("both have ended", func(s Stats) bool { return s.Upstreams["web"].InFlight == 0 && s.Requests == 2 })
	close(hold)
	p.nc.Close()
	wantLines(t, r, `"GET /second HTTP/2.0" 499 0 "-" "-" `, `"GET /first HTTP/2.0" 499 0 "unix:web.1.sock" "-" `)
}

func TestHTTP2BodyLimitsAndTimes(t *testing.T) {
	size, timeout := value.Size(10), value.Duration(50*time.Millisecond)
	r := newRig2(t, func(c *Config) {
		c.Servers[0].ClientMaxBodySize, c.Servers[0].ClientBodyTimeout = &size, &timeout
	})
	b := r.backend(1, echo)
	r.ready(1, 0)
	p := r.dial2()
	for _, fields := range [][]string{nil, {"content-length: 20"}} {
		id := p.open(false, "POST /", fields...)
		must(t, p.WriteData(id, false, []byte("0123456789a")))
		if got := p.read(id); !strings.HasPrefix(got.heads[0], "413 ") {
			t.Errorf("%v: %v", fields, got)
		}
	}
	id := p.open(false, "POST /")
	if got := p.read(id); got.reset < 0 || len(got.heads) > 0 {
		t.Errorf("a body that does not come: %v", got)
	}
	id = p.open(false, "POST /", "expect: 100-continue")
	f, err := p.ReadFrame()
	for err == nil && f.Header().Type != xhttp2.FrameHeaders {
		f, err = p.ReadFrame()
	}
	must(t, err)
	must(t, p.WriteData(id, true, []byte("five!")))
	if got := p.read(id); got.body != "/five!" {
		t.Errorf("after 100: %v", got)
	}
	if n := len(b.seen()); n != 1 {
		t.Errorf("the app got %d requests", n)
	}
}

// A client that opens no window holds no worker of the app, and loses its stream when
// send_timeout is over (faults C3, D7).
func TestZeroWindowReaderHoldsNoWorker(t *testing.T) {
	timeout := value.Duration(200 * time.Millisecond)
	r := newRig2(t, func(c *Config) { c.Servers[0].SendTimeout = &timeout })
	large := strings.Repeat("x", 1<<20)
	r.backend(1, func(c net.Conn, q request) bool {
		if q.target() == "/small" {
			io.WriteString(c, ok("small"))
		} else {
			io.WriteString(c, ok(large))
		}
		return false
	})
	r.ready(1, 2)
	p := r.dial2(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 0})
	const n = 10
	for range n {
		p.open(true, "GET /large")
	}
	r.waitFor("the app is free again", func(s Stats) bool { return s.Upstreams["web"].InFlight == 0 && s.Upstreams["web"].Queued == 0 })
	want2(t, r.dial2().get("/small"), answer2{heads: []string{"200 server=paddock content-type=text/plain content-length=5"}, body: "small", reset: -1})
	if got := p.read(1); got.reset < 0 {
		t.Errorf("the stream was not reset: %v", got)
	}
	r.waitFor("all are over", func(s Stats) bool { return s.Requests == n+1 })
	if used := r.proxy.Stats().SpoolBytes; used != 0 {
		t.Errorf("%d bytes are left in files", used)
	}
}

// large_client_header_buffers holds for HTTP/2, too (nginx since 1.19.7).
func TestHTTP2HeadMayHaveWhatItsBuffersHold(t *testing.T) {
	r := newRig2(t, func(c *Config) {
		c.Servers[0].LargeHeaderBuffers = &value.Buffers{Number: 8, Size: 64 << 10}
	})
	r.backend(1, func(c net.Conn, q request) bool {
		io.WriteString(c, ok(strconv.Itoa(strings.Count(q.head, "~"))))
		return true
	})
	r.ready(1, 0)
	p := r.dial2()
	for _, c := range []struct {
		fields, size int
		status       string
	}{{7, 60 << 10, "200 "}, {1, 65 << 10, "400 "}, {1, 10, "200 "}} {
		p.buf.Reset()
		for _, f := range []string{":method GET", ":scheme http", ":path /", ":authority a.test"} {
			name, v, _ := strings.Cut(f, " ")
			must(t, p.enc.WriteField(hpack.HeaderField{Name: name, Value: v}))
		}
		for i := range c.fields { // "~" is longer in Huffman's code: it comes as it is
			must(t, p.enc.WriteField(hpack.HeaderField{Name: fmt.Sprintf("x-%d", i), Value: strings.Repeat("~", c.size), Sensitive: true}))
		}
		id, rest, kind, flags := p.next, p.buf.Bytes(), xhttp2.FrameHeaders, xhttp2.FlagHeadersEndStream
		p.next += 2
		for len(rest) > 0 {
			part := rest[:min(len(rest), 16<<10)]
			if rest = rest[len(part):]; len(rest) == 0 {
				flags |= xhttp2.FlagHeadersEndHeaders
			}
			must(t, p.WriteRawFrame(kind, flags, id, part))
			kind, flags = xhttp2.FrameContinuation, 0
		}
		a := p.read(id)
		if len(a.heads) != 1 || !strings.HasPrefix(a.heads[0], c.status) || c.status == "200 " && a.body != strconv.Itoa(c.fields*c.size) {
			t.Errorf("%d fields of %d bytes: got %v", c.fields, c.size, a)
		}
	}
}

// D1: of 2000 requests that are reset at once the app sees few, never more than the
// connection may have at a time, and others do not notice.
func TestRapidResetReachesTheAppBounded(t *testing.T) {
	r := newRig2(t, nil)
	var mu sync.Mutex
	now, most, all := 0, 0, 0
	r.backend(1, func(c net.Conn, q request) bool {
		mu.Lock()
		now++
		all++
		most = max(most, now)
		mu.Unlock()
		io.WriteString(c, ok(q.target()))
		mu.Lock()
		now--
		mu.Unlock()
		return false
	})
	r.ready(1, 0)
	other := r.dial2()
	p := r.dial2()
	go func() {
		for range 2000 {
			p.buf.Reset()
			for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/reset"}, {":authority", "a.test"}} {
				p.enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
			}
			if p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: p.next, BlockFragment: p.buf.Bytes(), EndHeaders: true, EndStream: true}) != nil ||
				p.WriteRSTStream(p.next, xhttp2.ErrCodeCancel) != nil {
				return
			}
			p.next += 2
		}
	}()
	for i := range 50 {
		path := "/" + strconv.Itoa(i)
		if got := other.get(path); got.body != path {
			t.Fatalf("another client got %v", got)
		}
	}
	calm := false
	for !calm {
		f, err := p.ReadFrame()
		must(t, err)
		if away, ok := f.(*xhttp2.GoAwayFrame); ok {
			calm = true
			if away.ErrCode != xhttp2.ErrCodeEnhanceYourCalm || away.LastStreamID > 2000 {
				t.Errorf("GOAWAY %v, last stream %d", away.ErrCode, away.LastStreamID)
			}
		}
	}
	r.waitFor("all are over", func(s Stats) bool { return s.Upstreams["web"].InFlight == 0 && s.Upstreams["web"].Queued == 0 })
	mu.Lock()
	defer mu.Unlock()
	if all-50 > 300 || most > http2.DefaultMaxStreams+1 {
		t.Errorf("the app got %d of 2000, %d at once", all-50, most)
	}
	t.Logf("2000 sent and reset, %d reached the app, %d at once; another client: 50 sent, 50 answered, 0 failed", all-50, most)
}

func TestReloadKeepsHTTP2Connections(t *testing.T) {
	r := newRig2(t, nil)
	r.backend(1, echo)
	r.ready(1, 0)
	p := r.dial2()
	const n = 100
	for i := range n {
		path := "/" + strconv.Itoa(i)
		if got := p.get(path); got.body != path {
			t.Fatalf("request %d: %v", i, got)
		}
		must(t, r.configure())
	}
	if s := r.proxy.Stats(); s.Connections != 1 || s.Requests != n {
		t.Errorf("stats %v", s)
	}
	t.Logf("%d sent over one connection with a reload after each, %d answered, 0 failed", n, n)
}

// Streams take and give back idle connections of an upstream as requests of HTTP/1.1 do.
func TestHTTP2RequestsShareUpstreamConnections(t *testing.T) {
	b, addr := tcpBackend(t, func(c net.Conn, q request) bool { io.WriteString(c, ok(q.target())); return true })
	r := newRig2(t, toUpstream(8, addr))
	p := r.dial2()
	const n = 20
	for i := range n {
		path := "/" + strconv.Itoa(i)
		if got := p.get(path); got.body != path {
			t.Fatalf("request %d: %v", i, got)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open != 1 || len(b.requests) != n {
		t.Errorf("%d connections, %d requests", b.open, len(b.requests))
	}
}

// A connection of HTTP/2 that has been idle for five seconds has no goroutine, and goes
// on when a request comes.
func TestIdleHTTP2ConnectionsNeedNoGoroutine(t *testing.T) {
	r := newRig2(t, nil)
	r.backend(1, echo)
	r.ready(1, 0)
	r.dial2().get("/warm")
	before := runtime.NumGoroutine()
	const n = 50
	var all []*peer2
	for range n {
		p := r.dial2()
		all = append(all, p)
		p.get("/first")
	}
	if got := runtime.NumGoroutine(); got < before+n {
		t.Fatalf("%d goroutines before, %d with %d connections", before, got, n)
	}
	r.waitFor("the goroutines end", func(Stats) bool { return runtime.NumGoroutine() < before+n/2 })
	for i, p := range all {
		path := "/" + strconv.Itoa(i)
		if got := p.get(path); got.body != path {
			t.Errorf("connection %d got %v", i, got)
		}
	}
}

// A proxy that shuts down, or gives up the address, finishes what was sent to it.
func TestShutdownFinishesHTTP2Requests(t *testing.T) {
	r := newRig2(t, nil)
	began, hold := make(chan struct{}, 1), make(chan struct{})
	r.backend(1, func(c net.Conn, q request) bool {
		began <- struct{}{}
		<-hold
		return echo(c, q)
	})
	r.ready(1, 0)
	idle := r.dial2()
	p := r.dial2()
	id := p.open(true, "GET /last")
	receive(t, began, "the request reaches the app")
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
		defer cancel()
		done <- r.proxy.Shutdown(ctx)
	}()
	for f, err := idle.ReadFrame(); ; f, err = idle.ReadFrame() {
		if err != nil {
			t.Fatal("the idle connection got no GOAWAY:", err)
		}
		if ping, ok := f.(*xhttp2.PingFrame); ok && !ping.IsAck() {
			must(t, idle.WritePing(true, ping.Data))
			break
		}
	}
	for {
		if _, err := idle.ReadFrame(); err != nil {
			break
		}
	}
	idle.nc.Close()
	close(hold)
	if got := p.read(id); got.body != "/last" {
		t.Errorf("got %v", got)
	}
	p.nc.Close()
	must(t, receive(t, done, "shutdown"))
	r.stopped = true
	must(t, r.log.Close())
}

func TestShutdownThatMayNotWaitCutsHTTP2(t *testing.T) {
	r := newRig2(t, nil)
	began, hold := make(chan struct{}, 1), make(chan struct{})
	r.backend(1, func(c net.Conn, q request) bool { began <- struct{}{}; <-hold; return false })
	defer close(hold)
	r.ready(1, 0)
	p := r.dial2()
	p.open(true, "GET /")
	receive(t, began, "the request reaches the app")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if r.proxy.Shutdown(ctx) == nil {
		t.Error("the shutdown says that it waited")
	}
	r.stopped = true
	must(t, r.log.Close())
}

func TestHTTP2VariablesAndCounters(t *testing.T) {
	r := newRig2(t, func(c *Config) {
		c.Formats["test"] = accesslog.FormatSetting{Format: "$server_protocol $http2 $connection_requests $request_length $bytes_sent $body_bytes_sent $scheme"}
	})
	r.backend(1, echo)
	r.ready(1, 0)
	p := r.dial2()
	var sizes []int
	p.get("/one")
	sizes = append(sizes, p.buf.Len())
	id := p.open(false, "POST /two")
	sizes = append(sizes, p.buf.Len())
	must(t, p.WriteData(id, true, []byte("hello")))
	p.read(id)
	// :status is one byte; a name of the static table is one or two, and one the length.
	const answerSize = 1 + (3 + len("paddock")) + (3 + 29) + (3 + len("text/plain")) + (3 + 1)
	r.waitFor("both are counted", func(s Stats) bool { return s.Requests == 2 })
	m := r.proxy.Metrics()
	for _, site := range m.Sites {
		wantCounts(t, counts(site), map[string]uint64{"GET 200": 1, "POST 200": 1})
		if site.InFlight != 0 {
			t.Errorf("%d in flight", site.InFlight)
		}
	}
	if m.Accepted != 1 || m.Reading != 0 {
		t.Errorf("accepted %d, reading %d", m.Accepted, m.Reading)
	}
	p.nc.Close()
	lines := r.lines()
	// As nginx counts: the encoded head and the body; HEADERS, and DATA with its frame.
	want := []string{
		fmt.Sprintf("HTTP/2.0 h2c 1 %d %d 4 http", sizes[0], 9+answerSize+9+4),
		fmt.Sprintf("HTTP/2.0 h2c 2 %d %d 9 http", sizes[1]+5, 9+answerSize+9+9),
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("log\n got %q\nwant %q", lines, want)
	}
}

// Over TLS the handshake decides: HTTP/2 where it is on and the client has it too.
func TestHandshakeChoosesHTTP2WhereItIsOn(t *testing.T) {
	on := true
	for name, c := range map[string]struct {
		http2  *bool
		offers []string
		want   string
	}{
		"both": {&on, []string{"http/1.1", "h2"}, "h2"}, "old client": {&on, []string{"http/1.1"}, "http/1.1"},
		"off": {nil, []string{"h2", "http/1.1"}, "http/1.1"}, "no ALPN": {&on, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSecureRig(t, func(cfg *Config) {
				cfg.Servers[0].HTTP2 = c.http2
				cfg.Formats["test"] = accesslog.FormatSetting{Format: `"$request" $http2 $scheme`}
			})
			b := r.backend(1, echo)
			r.ready(1, 0)
			r.client.NextProtos = c.offers
			nc := r.open("a.test")
			if got := nc.ConnectionState().NegotiatedProtocol; got != c.want {
				t.Fatalf("the handshake chose %q, want %q", got, c.want)
			}
			if c.want == "h2" {
				p := r.peer2On(nc)
				large := strings.Repeat("x", 50_000)
				id := p.open(false, "POST /")
				must(t, p.WriteData(id, false, []byte(large[:16384])))
				must(t, p.WriteData(id, false, []byte(large[16384:32768])))
				must(t, p.WriteData(id, false, []byte(large[32768:49152])))
				must(t, p.WriteData(id, true, []byte(large[49152:])))
				if got := p.read(id); got.body != "/"+large {
					t.Errorf("got %v", got)
				}
				if head := b.seen()[0].head; !strings.Contains(head, "X-Forwarded-Proto: https\r\n") {
					t.Errorf("the app got %q", head)
				}
				nc.Close()
				wantLines(t, r.rig, `"POST / HTTP/2.0" h2 https`)
				return
			}
			io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
			if status, body := readAnswer(t, bufio.NewReader(nc), "GET"); status != 200 || body != "/" {
				t.Errorf("got %d %q", status, body)
			}
			wantLines(t, r.rig, `"GET / HTTP/1.1"  https`)
		})
	}
}

// Every case of h2spec, the strict ones too.
func TestH2specThroughTheProxy(t *testing.T) {
	tool := filepath.Join(t.TempDir(), "h2spec")
	build := exec.Command("go", "build", "-modfile=internal/tools/go.mod", "-o", tool, "github.com/summerwind/h2spec/cmd/h2spec")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build h2spec: %v\n%s", err, out)
	}
	on := true
	r := newSecureRig(t, func(c *Config) { c.Servers[0].HTTP2 = &on }) // one case is for ports that do not speak HTTP/1.1 too
	r.backend(1, answers(ok("hello")))
	r.ready(1, 0)
	_, port, err := net.SplitHostPort(r.addr)
	must(t, err)
	out, err := exec.Command(tool, "--strict", "--tls", "--insecure", "--port", port, "--timeout", "1").CombinedOutput()
	summary := regexp.MustCompile(`(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed`).FindStringSubmatch(string(out))
	if err != nil || summary == nil || summary[3] != "0" || summary[4] != "0" {
		i := strings.Index(string(out), "Failures:")
		t.Fatalf("h2spec: %v\n%s", err, out[max(i, 0):])
	}
	t.Log(summary[0])
}
