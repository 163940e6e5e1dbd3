package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const nginxForward = `
daemon off; master_process off; pid %[1]s/nginx.pid; error_log %[1]s/error.log; worker_processes 1;
events { worker_connections 64; }
http {
  access_log off; client_max_body_size 1m;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server {
    listen unix:%[1]s/nginx.sock;
    location / { proxy_pass http://unix:%[2]s; proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection ""; }
  }
}`

// wanted is a request that nobody has a reason to refuse, made of parts.
type wanted struct{ method, target, version, host, fields, body string }

// goodRequests are all kinds of requests that clients send.
func goodRequests() (all []string) {
	methods := []string{"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"}
	targets := []string{
		"/", "/a", "/a/b/c.html", "/a?b=c", "/a?", "/?a=b&c=d", "/a%20b", "/a%2Fb", "/a/../b", "/a/./b", "/a//b", "//a", "/a;b=c", "/%C3%A9", "/a:b@c", "/~user/", "/a?x=http://b.test/?y", "/a?b=%zz", "/a?b=[1]", "/.well-known/acme-challenge/x",
		"/a+b", "/!$&'()*+,;=", "/%7e", "/a%25b", "/" + strings.Repeat("long/", 200), "/a?" + strings.Repeat("q=1&", 500), "/a..b", "/...", "/a/%2e", "/\xc3\xa9", "/a|b", "/a\"b", "/a<b>", "/a^b`c", "/a{b}",
	}
	hosts := []string{"a.test", "A.Test", "a.test:8080", "127.0.0.1", "[::1]:80", "xn--bcher-kva.test", "a.test."}
	fields := []string{
		"", "User-Agent: x/1.0 (a; b)\r\nAccept: */*\r\n", "Cookie: a=1; b=\"2\"\r\nReferer: http://b.test/?q\r\n", "x-lower: v\r\nX-UPPER: V\r\n", "X-Empty:\r\nX-One:1\r\n", "X-Blanks:  a  b \t \r\n", "X-Twice: 1\r\nX-Twice: 2\r\n", "X-8-Bit: \xe9\xff\r\n",
		"Authorization: Bearer abc.def-_~+/=\r\n", "Content-Type: text/plain; charset=utf-8\r\n", "If-None-Match: W/\"a\", \"b\"\r\nRange: bytes=0-1\r\n", "Accept-Encoding: gzip, br\r\nCache-Control: no-cache\r\n", "Under_Score: dropped\r\nX-Kept: 1\r\n", "X.Dot: dropped\r\nX-Kept: 1\r\n", "X-Long: " + strings.Repeat("v", 4000) + "\r\n",
		strings.Repeat("X-Many: v\r\n", 60), "X-Colon: a:b:c\r\nX-Comma: a, b,,c\r\nX-Quote: \"a\\\"b\"\r\n", "Origin: null\r\nSec-Fetch-Mode: cors\r\n",
	}
	bodies := []string{
		"\r\n", "Content-Length: 0\r\n\r\n", "Content-Length: 5\r\n\r\nhello", "content-length:  5 \r\n\r\n\x00\x01\r\n\xff", fmt.Sprintf("Content-Length: 40000\r\n\r\n%s", strings.Repeat("0123456789", 4000)), "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"transfer-encoding: Chunked\r\n\r\n1\r\na\r\nA\r\n0123456789\r\n000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(smuggled), smuggled), "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n",
		fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n9c40\r\n%s\r\n0\r\n\r\n", strings.Repeat("0123456789", 4000)), "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
	}
	for i := range 280 {
		w := wanted{methods[i%len(methods)], targets[i*3%len(targets)], "1.1", hosts[i*5%len(hosts)], fields[i*7%len(fields)], bodies[i*11%len(bodies)]}
		line := w.method + " " + w.target + " HTTP/" + w.version + "\r\n"
		switch {
		case i%9 == 4:
			line = w.method + " http://" + w.host + w.target + " HTTP/1.1\r\n"
		case i%9 == 7 && !strings.Contains(strings.ToLower(w.body), "transfer"):
			line = w.method + " " + w.target + " HTTP/1.0\r\n"
		}
		head := line + "Host: " + w.host + "\r\n" + w.fields
		if i%2 == 0 {
			head = line + w.fields + "hOST: " + w.host + "\r\n"
		}
		all = append(all, head+"Connection: close\r\n"+w.body)
	}
	return all
}

// What Debian's nginx and Paddock both pass on reaches the app alike, and is what
// Go's server sees of the client's own bytes.
func TestAcceptedRequestReachesTheAppAsFromNginx(t *testing.T) {
	r := newStrictRig(t, nil)
	behind := newStrictApp(t)
	nginx := runNginx(t, func(dir string) string { return fmt.Sprintf(nginxForward, dir, behind.ln.Addr()) })
	golang := newGoServer(t)
	same := 0
	for _, text := range goodRequests() {
		ours, status := passedOn(t, r.addr, text, r.app)
		theirs, nginxStatus := passedOn(t, nginx, text, behind)
		direct, goStatus := passedOn(t, golang.addr, text, golang)
		if status != 200 || nginxStatus != 200 || goStatus != 200 {
			t.Errorf("%.100q: answered %d, by nginx %d, by Go %d", text, status, nginxStatus, goStatus)
			continue
		}
		if ours != theirs {
			t.Errorf("%.100q: the app got\n%.600q\nfrom nginx\n%.600q", text, ours, theirs)
		}
		if ours != direct {
			t.Errorf("%.100q: the app got\n%.600q\nGo sees\n%.600q", text, ours, direct)
		}
		same++
	}
	t.Logf("%d requests, all accepted by the three: %d", len(goodRequests()), same)
	if same < 200 {
		t.Errorf("%d requests were accepted by all, want 200", same)
	}
}

// app keeps requests.
type app interface {
	take() (seen []strictRequest, faults []string)
}

// passedOn sends a request and returns what the app got in a form that does not
// depend on who passed it on, and the status of the answer.
func passedOn(t *testing.T, socket, text string, a app) (seen string, status int) {
	t.Helper()
	c, err := net.Dial("unix", socket)
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(testTimeout)))
	_, err = io.WriteString(c, text)
	must(t, err)
	method, _, _ := strings.Cut(text, " ")
	br := bufio.NewReader(c)
	res, err := http.ReadResponse(br, &http.Request{Method: method})
	for err == nil && res.StatusCode == 100 {
		res, err = http.ReadResponse(br, &http.Request{Method: method})
	}
	if err != nil {
		t.Errorf("%.100q: %v", text, err)
		return "", 0
	}
	_, err = io.ReadAll(res.Body)
	must(t, err)
	got, _ := a.take()
	if len(got) != 1 {
		return fmt.Sprintf("%d requests", len(got)), res.StatusCode
	}
	return essence(got[0]), res.StatusCode
}

// essence is a request without what each hop writes for itself.
func essence(q strictRequest) string {
	var lines []string
	for _, f := range q.fields {
		switch name := f[0]; {
		case name == "connection", name == "content-length", name == "transfer-encoding", name == "expect", name == "x-real-ip", strings.HasPrefix(name, "x-forwarded"):
		case strings.Contains(name, "_"), strings.Contains(name, "."):
		default:
			lines = append(lines, name+": "+strings.Trim(f[1], " \t"))
		}
	}
	slices.Sort(lines)
	return fmt.Sprintf("%s %s\n%s\n%q", q.method, q.target, strings.Join(lines, "\n"), q.body)
}

// goServer is net/http on a unix socket.
type goServer struct {
	addr string
	mu   sync.Mutex
	seen []strictRequest
}

func newGoServer(t *testing.T) *goServer {
	t.Helper()
	g := &goServer{addr: filepath.Join(t.TempDir(), "g")}
	ln, err := net.Listen("unix", g.addr)
	must(t, err)
	server := &http.Server{Handler: g}
	var done sync.WaitGroup
	done.Go(func() { server.Serve(ln) })
	t.Cleanup(func() { server.Close(); done.Wait() })
	return g
}

func (g *goServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	q := strictRequest{method: r.Method, target: r.RequestURI, body: string(body)}
	if r.URL.Host != "" { // absolute-form
		q.target = r.RequestURI[strings.Index(r.RequestURI[len("http://"):], "/")+len("http://"):]
	}
	q.fields = append(q.fields, [2]string{"host", r.Host})
	for name, values := range r.Header {
		for _, v := range values {
			q.fields = append(q.fields, [2]string{strings.ToLower(name), v})
		}
	}
	g.mu.Lock()
	g.seen = append(g.seen, q)
	g.mu.Unlock()
}

func (g *goServer) take() (seen []strictRequest, faults []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	seen, g.seen = g.seen, nil
	return seen, nil
}
