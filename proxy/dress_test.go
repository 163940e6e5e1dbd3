package proxy

import (
	"bufio"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"paddock/accesslog"
	"paddock/internal/value"
)

// newDressRig serves the app at "/" with s, and the locations.
func newDressRig(t *testing.T, app string, s SiteSettings, locations ...Location) (*rig, *backend) {
	t.Helper()
	r := newRig(t, func(c *Config) {
		c.Servers[0].App = ""
		c.Servers[0].Location = append(locations, Location{Path: "/", ProxyPass: "http://web", Settings: Settings{SiteSettings: s}})
	})
	b := r.backend(1, answers(app))
	r.ready(1, 0)
	return r, b
}

func files(t *testing.T, names ...string) string {
	dir := filepath.Join(t.TempDir(), "files")
	must(t, os.Mkdir(dir, 0o755))
	for _, name := range names {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(name+"!"), 0o644))
		must(t, os.Chtimes(path, siteTime, siteTime))
	}
	return dir + "/"
}

const closing = " HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n"

func wantAnswer(t *testing.T, r *rig, request, want string) {
	t.Helper()
	if got, _ := r.raw(request); got != crlfs(want) {
		t.Errorf("%.40q\n got %q\nwant %q", request, got, crlfs(want))
	}
}

func TestAccelRedirectSendsTheFileWithTheAppsFields(t *testing.T) {
	dir := files(t, "a.pdf")
	r, _ := newDressRig(t, "HTTP/1.1 200 OK\r\nContent-Type: application/x-own\r\nContent-Length: 4\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"+
		"Content-Disposition: attachment\r\nCache-Control: private\r\nETag: \"app\"\r\nX-Other: 1\r\nX-Accel-Redirect: /files/a%2epdf?x=1\r\n\r\nbody",
		SiteSettings{}, Location{Path: "/files/", Alias: dir, Internal: true})
	wantAnswer(t, r, "POST /download"+closing+"Content-Length: 2\r\n\r\nhi", "HTTP/1.1 200 OK\nServer: paddock\nContent-Type: application/x-own\nContent-Length: 6\n"+
		"Last-Modified: "+siteModified+"\nConnection: close\nSet-Cookie: a=1\nSet-Cookie: b=2\nContent-Disposition: attachment\nCache-Control: private\n"+
		"ETag: \"65e078f5-6\"\nAccept-Ranges: bytes\n\na.pdf!")
	if status, _ := r.get("/files/a.pdf"); status != 404 {
		t.Errorf("the internal location answers a client with %d", status)
	}
	wantLines(t, r, `"POST /download HTTP/1.1" 200 6 "unix:web.1.sock" "200" OK`, `"GET /files/a.pdf HTTP/1.1" 404 148 "-" "-" OK`)
}

func TestAccelRedirectOutOfItsPlacesIsRefused(t *testing.T) {
	for target, want := range map[string]int{
		"/files/../x": 404, "/files/%2e%2e/x": 404, "relative": 404, "/files/gone": 404, "@gone": 500, "@there": 202, "/%zz": 404,
	} {
		r, _ := newDressRig(t, "HTTP/1.1 200 OK\r\nX-Accel-Redirect: "+target+"\r\nContent-Length: 0\r\n\r\n", SiteSettings{},
			Location{Path: "/files/", Alias: files(t), Internal: true}, Location{Path: "@there", Return: "202 there"})
		if got, _ := r.get("/"); got != want {
			t.Errorf("%s: got %d, want %d", target, got, want)
		}
		r.stop()
	}
}

func TestAccelRedirectToItselfEnds(t *testing.T) {
	r, b := newDressRig(t, "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /again\r\nContent-Length: 0\r\n\r\n", SiteSettings{})
	if got, _ := r.get("/"); got != 500 {
		t.Errorf("got %d, want 500", got)
	}
	if n := len(b.seen()); n != maxTurns+1 {
		t.Errorf("the app was asked %d times, want %d", n, maxTurns+1)
	}
}

func TestSetHeaderReplacesDefaultsAndTheClientsFields(t *testing.T) {
	r, b := newDressRig(t, ok("x"), SiteSettings{ProxySetHeader: map[string]string{
		"Host": "$host", "X-Forwarded-Host": "", "X-Mine": "$remote_addr $uri", "Accept": "", "X-Empty": "$arg_none",
	}})
	r.raw("GET /p?q" + closing + "Accept: */*\r\nX-MINE: theirs\r\nX-Kept: 1\r\n\r\n")
	want := crlfs("GET /p?q HTTP/1.1\nX-Real-IP: 127.0.0.1\nX-Forwarded-For: 127.0.0.1\nX-Forwarded-Proto: http\nHost: a.test\nX-Mine: 127.0.0.1 /p\nConnection: close\nX-Kept: 1\n\n")
	if seen := b.seen(); len(seen) != 1 || seen[0].head != want {
		t.Errorf("\n got %q\nwant %q", seen, want)
	}
}

func TestAppsFieldsAreHiddenAndReplaced(t *testing.T) {
	yearly := Expires("1s")
	r, _ := newDressRig(t, "HTTP/1.1 200 OK\r\nX-Powered-By: x\r\nExpires: 0\r\ncache-control: no-store\r\nETag: \"a\"\r\nX-Stays: 1\r\nContent-Length: 0\r\n\r\n",
		SiteSettings{ProxyHideHeader: value.Strings{"X-Powered-By"}, Expires: &yearly, AddHeader: AddedHeaders{{"X-New", "$status $upstream_http_x_stays", false}, {"ETag", "", false}}})
	got, _ := r.raw("GET /" + closing + "\r\n")
	for _, gone := range []string{"X-Powered-By", "no-store", "Expires: 0", "ETag"} {
		if strings.Contains(got, gone) {
			t.Errorf("%s went on: %q", gone, got)
		}
	}
	for _, there := range []string{"\r\nCache-Control: max-age=1\r\n", "\r\nX-New: 200 1\r\n", "\r\nX-Stays: 1\r\n"} {
		if !strings.Contains(got, there) {
			t.Errorf("%q is missing: %q", there, got)
		}
	}
}

func TestErrorPageAnswersForADeadApp(t *testing.T) {
	dir := files(t, "50x.html", "404.html")
	yes := true
	pages := SiteSettings{Root: dir, ErrorPage: value.Strings{"502 503 /50x.html", "404 =410 /404.html"}, ProxyInterceptErrors: &yes}
	static := Location{Path: "= /50x.html", Settings: Settings{SiteSettings: SiteSettings{Root: dir}}}
	also := Location{Path: "= /404.html", Settings: Settings{SiteSettings: SiteSettings{Root: dir}}}
	r, b := newDressRig(t, "HTTP/1.1 404 Gone\r\nContent-Length: 3\r\nX-App: 1\r\n\r\napp", pages, static, also)
	if status, body := r.get("/x"); status != 410 || body != "404.html!" {
		t.Errorf("intercepted: %d %q", status, body)
	}
	b.ln.Close()
	if status, body := r.get("/x"); status != 502 || body != "50x.html!" {
		t.Errorf("app gone: %d %q", status, body)
	}
	r.state("stopped", 1, 0)
	if status, body := r.get("/x"); status != 503 || body != "50x.html!" {
		t.Errorf("app stopped: %d %q", status, body)
	}
}

func TestErrorPageOfAnotherAppLeavesNoRequestBehind(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Apps["sorry"] = DefaultApp()
		c.Servers[0].App = ""
		c.Servers[0].Location = []Location{
			{Path: "/", ProxyPass: "http://web", Settings: Settings{SiteSettings: SiteSettings{ErrorPage: value.Strings{"502 @sorry"}}}},
			{Path: "@sorry", ProxyPass: "http://sorry"},
		}
	})
	r.ready(1, 1)
	r.backend(2, answers(ok("sorry")))
	must(t, r.proxy.SetApp(AppState{Name: "sorry", State: "ready", Generation: 2, Socket: socketName(2), Limit: 1}))
	for range 3 {
		status, body := r.get("/")
		if status != 502 || body != "sorry" {
			t.Errorf("got %d %q", status, body)
		}
	}
	r.waitFor("nothing is in flight", func(s Stats) bool {
		return s.Upstreams["web"].InFlight == 0 && s.Upstreams["sorry"].InFlight == 0
	})
}

func TestErrorPageOfABodyThatIsTooLarge(t *testing.T) {
	dir, small := files(t, "413.html"), value.Size(4)
	for _, page := range []string{"413 /413.html", "413 /app"} {
		r, b := newDressRig(t, ok("app"), SiteSettings{}, Location{Path: "/up", ProxyPass: "http://web", Settings: Settings{
			ClientMaxBodySize: &small, SiteSettings: SiteSettings{ErrorPage: value.Strings{page}},
		}}, Location{Path: "= /413.html", Settings: Settings{ClientMaxBodySize: &small, SiteSettings: SiteSettings{Root: dir}}})
		for _, body := range []string{"Content-Length: 50\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n9\r\nabcdefghi\r\n0\r\n\r\n"} {
			c := r.dial()
			io.WriteString(c, "POST /up HTTP/1.1\r\nHost: a\r\n"+body+"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
			answer, err := io.ReadAll(c)
			must(t, err)
			c.Close()
			got := string(answer)
			if !strings.HasPrefix(got, "HTTP/1.1 413 ") || !strings.Contains(got, "Connection: close") || !strings.HasSuffix(got, "413.html!") && !strings.HasSuffix(got, "app") {
				t.Errorf("%s: got %q", page, got)
			}
		}
		for _, req := range b.seen() {
			if req.target() != "/app" || req.body != "" || !strings.HasPrefix(req.head, "GET ") {
				t.Errorf("the app saw %q", req)
			}
		}
		r.stop()
	}
}

func TestAppsErrorsGoOnWithoutIntercept(t *testing.T) {
	r, _ := newDressRig(t, "HTTP/1.1 404 Gone\r\nContent-Length: 3\r\n\r\napp", SiteSettings{ErrorPage: value.Strings{"404 /x.html"}})
	if status, body := r.get("/x"); status != 404 || body != "app" {
		t.Errorf("got %d %q", status, body)
	}
}

func TestRequestBodyReachesTheNamedFallback(t *testing.T) {
	root := files(t, "a.txt")
	site := Location{Path: "/s/", Settings: Settings{SiteSettings: SiteSettings{Root: root, ErrorPage: value.Strings{"404 = @app"}}}}
	r, b := newDressRig(t, ok("x"), SiteSettings{}, site, Location{Path: "@app", ProxyPass: "http://web"},
		Location{Path: "/t/", TryFiles: "$uri @app", Settings: Settings{SiteSettings: SiteSettings{Root: root}}})
	for _, target := range []string{"/s/a%20b?q=1", "/t/a%20b?q=1"} {
		r.raw("POST " + target + closing + "Content-Length: 4\r\n\r\nbody")
	}
	seen := b.seen()
	if len(seen) != 2 || seen[0].target() != "/s/a%20b?q=1" || seen[1].target() != "/t/a%20b?q=1" || seen[0].body+seen[1].body != "bodybody" {
		t.Errorf("the app saw %q", seen)
	}
}

func TestAppsAnswerIsCompressed(t *testing.T) {
	yes := true
	page := strings.Repeat("<p>hello</p>", 20000)
	for name, app := range map[string]string{
		"length":  ok(page),
		"chunked": "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n3a980\r\n" + page + "\r\n0\r\n\r\n",
		"close":   "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nETag: \"x\"\r\n\r\n" + page,
	} {
		r, _ := newDressRig(t, strings.Replace(app, "text/plain", "text/html", 1), SiteSettings{Gzip: &yes, GzipVary: &yes})
		c := r.dial()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		must(t, err)
		z, err := gzip.NewReader(res.Body)
		must(t, err)
		body, err := io.ReadAll(z)
		if err != nil || string(body) != page || res.Header.Get("Content-Encoding") != "gzip" || res.ContentLength != -1 || res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %d bytes, %v, %v", name, len(body), err, res.Header)
		}
		if tag := res.Header.Get("ETag"); name == "close" && tag != `W/"x"` {
			t.Errorf("the ETag is %s", tag)
		}
		r.stop()
	}
}

func TestCodedAnswerOfTheAppStaysAsItIs(t *testing.T) {
	yes := true
	r, _ := newDressRig(t, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: br\r\nContent-Length: 30\r\n\r\n"+strings.Repeat("x", 30), SiteSettings{Gzip: &yes})
	got, _ := r.raw("GET /" + closing + "Accept-Encoding: gzip\r\n\r\n")
	if strings.Contains(got, "gzip") || !strings.HasSuffix(got, strings.Repeat("x", 30)) {
		t.Errorf("got %q", got)
	}
}

func TestCompressedAnswerThatBreaksOffIsSeenToDoSo(t *testing.T) {
	yes := true
	r, _ := newDressRig(t, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\nonly this", SiteSettings{Gzip: &yes})
	got, _ := r.raw("GET /" + closing + "Accept-Encoding: gzip\r\n\r\n")
	if !strings.Contains(got, "gzip") || strings.HasSuffix(got, "0\r\n\r\n") {
		t.Errorf("got %q", got)
	}
}

func TestFileIsSentOnAKeptConnection(t *testing.T) {
	dir := files(t, "a.txt")
	big := strings.Repeat("0123456789", 300_000)
	must(t, os.WriteFile(dir+"big", []byte(big), 0o644))
	r, _ := newDressRig(t, ok("x"), SiteSettings{}, Location{Path: "/f/", Alias: dir})
	c := r.dial()
	br := bufio.NewReader(c)
	for range 3 {
		io.WriteString(c, "GET /f/big HTTP/1.1\r\nHost: a\r\n\r\nHEAD /f/big HTTP/1.1\r\nHost: a\r\n\r\nPOST /f/a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
		if status, body := readAnswer(t, br, "GET"); status != 200 || body != big {
			t.Fatalf("big file: %d, %d bytes", status, len(body))
		}
		if status, _ := readAnswer(t, br, "HEAD"); status != 200 {
			t.Fatalf("HEAD: %d", status)
		}
		if status, _ := readAnswer(t, br, "POST"); status != 405 {
			t.Fatalf("POST: %d", status)
		}
	}
}

func TestFileThatShrinksBreaksTheConnection(t *testing.T) {
	dir := files(t)
	path := dir + "big"
	must(t, os.WriteFile(path, make([]byte, 64<<20), 0o644))
	r, _ := newDressRig(t, ok("x"), SiteSettings{}, Location{Path: "/f/", Alias: dir})
	c := r.dial()
	io.WriteString(c, "GET /f/big HTTP/1.1\r\nHost: a\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	must(t, os.Truncate(path, 0)) // far more is left than the sockets can hold
	n, err := io.Copy(io.Discard, res.Body)
	if err != io.ErrUnexpectedEOF || n >= 64<<20 {
		t.Errorf("got %d bytes, %v; want io.ErrUnexpectedEOF", n, err)
	}
}

func TestOnlyRegularFilesAreServed(t *testing.T) {
	dir := files(t, "a.txt")
	ln, err := net.Listen("unix", dir+"sock")
	must(t, err)
	defer ln.Close()
	must(t, mkfifo(dir+"fifo"))
	must(t, os.Symlink("/dev/null", dir+"null"))
	r, _ := newDressRig(t, ok("x"), SiteSettings{}, Location{Path: "/f/", Alias: dir})
	for name, want := range map[string]int{"fifo": 404, "sock": 403, "null": 403, "a.txt": 200} {
		if got, _ := r.get("/f/" + name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

// A deploy points a symlink at the next release: the folder is looked up anew.
func TestFolderFollowsItsSymlink(t *testing.T) {
	one, two := files(t, "a.txt"), files(t, "b.txt")
	link := filepath.Join(t.TempDir(), "current")
	must(t, os.Symlink(strings.TrimSuffix(one, "/"), link))
	f := &folder{path: link}
	if _, err := f.stat("a.txt"); err != nil {
		t.Error(err)
	}
	must(t, os.Remove(link))
	must(t, os.Symlink(strings.TrimSuffix(two, "/"), link))
	f.open.Load().checked = siteTime
	if _, err := f.stat("b.txt"); err != nil {
		t.Error(err)
	}
}

func TestHiddenFilesCanBeAllowed(t *testing.T) {
	yes := true
	r, _ := newDressRig(t, ok("x"), SiteSettings{}, Location{Path: "/f/", Alias: files(t, ".env"), Settings: Settings{SiteSettings: SiteSettings{AllowHiddenFiles: &yes}}})
	if status, body := r.get("/f/.env"); status != 200 || body != ".env!" {
		t.Errorf("got %d %q", status, body)
	}
}

func mkfifo(path string) error { return unix.Mkfifo(path, 0o644) }

func TestGzipRatioIsLogged(t *testing.T) {
	yes := true
	page := strings.Repeat("<p>hello</p>", 1000)
	r := newRig(t, func(c *Config) {
		c.Servers[0].App, c.Servers[0].Gzip = "", &yes
		c.Servers[0].Return = `200 "` + page + `"`
		c.Servers[0].DefaultType = "text/html"
		c.Formats["test"] = accesslog.FormatSetting{Format: "$gzip_ratio $status"}
	})
	r.raw("GET /" + closing + "Accept-Encoding: gzip\r\n\r\n")
	r.raw("GET /" + closing + "\r\n")
	lines := r.lines()
	if len(lines) != 2 || len(lines[0]) < len("9.99 200") || strings.HasPrefix(lines[0], "-") || lines[1] != "- 200" {
		t.Errorf("logged %q", lines)
	}
}

func TestStreamIsCompressedPartByPart(t *testing.T) {
	yes := true
	r := newRig(t, func(c *Config) { c.Servers[0].Gzip = &yes })
	next := make(chan struct{})
	r.backend(1, func(c net.Conn, _ request) bool {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-Accel-Buffering: no\r\n\r\nfirst")
		<-next
		io.WriteString(c, "second")
		return false
	})
	r.ready(1, 0)
	c := r.dial()
	io.WriteString(c, "GET /"+closing+"Accept-Encoding: gzip\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	z, err := gzip.NewReader(res.Body)
	must(t, err)
	first := make([]byte, len("first"))
	if _, err := io.ReadFull(z, first); err != nil || string(first) != "first" {
		t.Errorf("got %q, %v", first, err)
	}
	close(next)
	if rest, err := io.ReadAll(z); err != nil || string(rest) != "second" {
		t.Errorf("got %q, %v", rest, err)
	}
}

// A missing file is everyday; a missing folder is worth a line in the log.
func TestMissingFolderIs404WithACause(t *testing.T) {
	_, err := (&folder{path: "/nowhere/at/all"}).stat("x")
	if r := fileRefusal(err); r.status != 404 || r.cause == nil {
		t.Errorf("got %+v", r)
	}
	_, err = (&folder{path: t.TempDir()}).stat("x")
	if r := fileRefusal(err); r.status != 404 || r.cause != nil {
		t.Errorf("got %+v", r)
	}
}
