package proxy

import (
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

func TestRequestReachesAppWithForwardedFields(t *testing.T) {
	r := newRig(t, nil)
	b := r.backend(1, answers(ok("hello")))
	r.ready(1, 0)
	got, _ := r.raw("GET /a%2fb//c?x=1 HTTP/1.1\r\nHost: A.test:81\r\nx-Odd: v\r\nX-Forwarded-For: 6.6.6.6\r\n" +
		"X-Forwarded-Ssl: on\r\nX-Forwarded-Host: evil.test\r\nForwarded: for=6.6.6.6\r\nProxy: evil\r\nUnder_score: 1\r\nCookie: a=1\r\nConnection: close, X-Hop\r\n" +
		"X-Hop: 1\r\nCookie: b=2\r\n\r\n")
	want := "HTTP/1.1 200 OK\r\nServer: paddock\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
	if got != want {
		t.Errorf("answer\n got %q\nwant %q", got, want)
	}
	wantHead := "GET /a%2fb//c?x=1 HTTP/1.1\r\nHost: A.test:81\r\nX-Real-IP: 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1\r\n" +
		"X-Forwarded-Proto: http\r\nX-Forwarded-Host: A.test:81\r\nConnection: close\r\nx-Odd: v\r\nCookie: a=1; b=2\r\n\r\n"
	if seen := b.seen(); len(seen) != 1 || seen[0].head != wantHead {
		t.Errorf("app\n got %q\nwant %q", seen, wantHead)
	}
	wantLines(t, r, `"GET /a%2fb//c?x=1 HTTP/1.1" 200 5 "unix:web.1.sock" "200" OK`)
}

// exchangeCase is one request, what the app answers, what the client gets and
// what is logged.
type exchangeCase struct {
	name    string
	request string
	app     string
	client  string // with CRLF as \n; Server and Date left out
	log     string
	broken  bool // the client sees a reset
}

func TestAnswerIsFramedForTheClient(t *testing.T) {
	const get, get10, head = "GET / HTTP/1.1\nHost: a\nConnection: close\n\n", "GET / HTTP/1.0\n\n", "HEAD / HTTP/1.1\nHost: a\nConnection: close\n\n"
	runExchanges(t, []exchangeCase{
		{
			name: "length", request: get, app: "HTTP/1.1 200 OK\nContent-Length: 3\nX-Accel-Buffering: no\nServer: g\nDate: x\n\nabc",
			client: "HTTP/1.1 200 OK\nContent-Length: 3\nConnection: close\n\nabc", log: `200 3 "unix:web.1.sock" "200" OK`,
		},
		{
			name: "chunked", request: get, app: "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n1;x=y\na\n2\nbc\n0\nTrailer: x\n\n",
			client: "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nConnection: close\n\n3\nabc\n0\n\n", log: `200 13 "unix:web.1.sock" "200" OK`,
		},
		{
			name: "chunked for 1.0", request: get10, app: "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n",
			client: "HTTP/1.1 200 OK\nConnection: close\n\nabc", log: `200 3 "unix:web.1.sock" "200" OK`,
		},
		{
			name: "until close", request: get, app: "HTTP/1.0 200 OK\n\nabc",
			client: "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nConnection: close\n\n3\nabc\n0\n\n", log: `200 13 "unix:web.1.sock" "200" OK`,
		},
		{
			name: "head", request: head, app: "HTTP/1.1 200 OK\nContent-Length: 3\n\n",
			client: "HTTP/1.1 200 OK\nContent-Length: 3\nConnection: close\n\n", log: `200 0 "unix:web.1.sock" "200" OK`,
		},
		{
			name: "no content", request: get, app: "HTTP/1.1 204 No Content\nContent-Length: 3\n\nabc",
			client: "HTTP/1.1 204 No Content\nConnection: close\n\n", log: `204 0 "unix:web.1.sock" "204" OK`,
		},
		{
			name: "not modified", request: get, app: "HTTP/1.1 304 Not Modified\nETag: x\nContent-Length: 3\n\n",
			client: "HTTP/1.1 304 Not Modified\nETag: x\nContent-Length: 3\nConnection: close\n\n", log: `304 0 "unix:web.1.sock" "304" OK`,
		},
		{
			name: "interim answers", request: get, app: "HTTP/1.1 100 Continue\n\nHTTP/1.1 103 Early Hints\nLink: x\n\nHTTP/1.1 200 OK\nContent-Length: 0\n\n",
			client: "HTTP/1.1 200 OK\nContent-Length: 0\nConnection: close\n\n", log: `200 0 "unix:web.1.sock" "200" OK`,
		},
		{
			name: "bytes behind the answer", request: get, app: "HTTP/1.1 200 OK\nContent-Length: 1\n\naHTTP/1.1 200 OK\nContent-Length: 4\n\nevil",
			client: "HTTP/1.1 200 OK\nContent-Length: 1\nConnection: close\n\na", log: `200 1 "unix:web.1.sock" "200" OK`,
		},
	})
}

func TestBadAnswerIs502OrVisiblyBroken(t *testing.T) {
	const get, get10 = "GET / HTTP/1.1\nHost: a\nConnection: close\n\n", "GET / HTTP/1.0\n\n"
	page := page502("close")
	bad := `502 152 "unix:web.1.sock" "502" OK`
	runExchanges(t, []exchangeCase{
		{name: "no answer", request: get, app: "", client: page, log: bad},
		{name: "no status line", request: get, app: "hello", client: page, log: bad},
		{name: "half a head", request: get, app: "HTTP/1.1 200 OK\nContent-", client: page, log: bad},
		{name: "length and coding", request: get, app: "HTTP/1.1 200 OK\nContent-Length: 1\nTransfer-Encoding: chunked\n\na", client: page, log: bad},
		{name: "not asked to switch", request: get, app: "HTTP/1.1 101 Switching Protocols\nUpgrade: x\nConnection: upgrade\n\n", client: page, log: bad},
		{name: "eleven interim answers", request: get, app: strings.Repeat("HTTP/1.1 102 Processing\n\n", 11) + "HTTP/1.1 200 OK\nContent-Length: 0\n\n", client: page, log: bad},
		{name: "bad first chunk", request: get, app: "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nzz\n", client: page, log: bad},
		{
			name: "short body", request: get, app: "HTTP/1.1 200 OK\nContent-Length: 9\n\nabc",
			client: "HTTP/1.1 200 OK\nContent-Length: 9\nConnection: close\n\nabc", log: `200 3 "unix:web.1.sock" "200" `,
		},
		{
			name: "short chunk", request: get, app: "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n9\nabc",
			client: "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nConnection: close\n\n3\nabc\n", log: `200 8 "unix:web.1.sock" "200" `,
		},
		{
			name: "short chunk for 1.0", request: get10, app: "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n9\nabc",
			log: `200 3 "unix:web.1.sock" "200" `, broken: true,
		},
	})
}

func page502(connection string) string {
	return "HTTP/1.1 502 Bad Gateway\nContent-Type: text/html\nContent-Length: 152\nConnection: " + connection + "\n\n" + page("502 Bad Gateway")
}

func page(title string) string {
	return "<html>\n<head><title>" + title + "</title></head>\n<body>\n<center><h1>" + title + "</h1></center>\n" +
		"<hr><center>paddock</center>\n</body>\n</html>\n"
}

func runExchanges(t *testing.T, cases []exchangeCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.backend(1, answers(crlfs(c.app)))
			r.ready(1, 0)
			got, broken := r.raw(crlfs(c.request))
			got = strings.Replace(got, "Server: paddock\r\n", "", 1)
			if got != crlfs(c.client) && !c.broken {
				t.Errorf("client\n got %q\nwant %q", got, crlfs(c.client))
			}
			if broken != c.broken {
				t.Errorf("broken %v, want %v", broken, c.broken)
			}
			line, _, _ := strings.Cut(c.request, "\n")
			wantLines(t, r, strconv.Quote(line)+" "+c.log)
		})
	}
}

func crlfs(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func wantLines(t *testing.T, r *rig, want ...string) {
	t.Helper()
	got := r.lines()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("log\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestServeImportsNeitherNetNorSyscall(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "serve.go", nil, parser.ImportsOnly)
	must(t, err)
	for _, i := range f.Imports {
		if path, _ := strconv.Unquote(i.Path.Value); path == "net" || path == "syscall" {
			t.Errorf("serve.go imports %s", path)
		}
	}
}
