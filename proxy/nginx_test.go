package proxy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"paddock/accesslog"
	"paddock/internal/value"
)

// siteFiles are what both servers serve, all of one time.
var siteFiles = map[string]string{
	"index.html": "<p>home</p>\n", "a.txt": "0123456789abcdefghij", "empty.css": "", "page.html": strings.Repeat("<p>page</p>\n", 200),
	"app.js": strings.Repeat("let x;\n", 300), "data.json": strings.Repeat("{}", 600), "noext": "plain\n", "UP.TXT": "upper\n", "odd.xyz": "?\n",
	"with space.txt": "space\n", "ümlaut.txt": "u\n", "q?.txt": "question\n", "dir/index.html": "<p>dir</p>\n", "dir/x.txt": "x\n", "bare/x.txt": "x\n",
	"dir with space/index.html": "i\n", "404.html": strings.Repeat("<p>missing</p>\n", 10), "50x.html": "<p>sorry</p>\n", "alt/index.htm": "htm\n",
	".env": "SECRET\n", "a.txt~": "SECRET\n", ".well-known/acme": "token\n", "big.bin": strings.Repeat("0123456789abcdef", 20000),
	"fall/back.html": "<p>fallback</p>\n", "short.html": "tiny",
}

var siteTime = time.Date(2024, 2, 29, 12, 30, 45, 0, time.UTC)

const (
	siteModified = "Thu, 29 Feb 2024 12:30:45 GMT"
	siteTag      = `"65e078f5-14"` // of a.txt
)

func makeSite(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "site")
	for name, text := range siteFiles {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(text), 0o644))
		must(t, os.Chtimes(path, siteTime, siteTime))
	}
	must(t, os.Symlink("a.txt", filepath.Join(dir, "link.txt")))
	return dir
}

// nginxSite and paddockSite are the same site in two languages.
const nginxSite = `
daemon off; master_process off; pid %[1]s/nginx.pid; error_log %[1]s/error.log; worker_processes 1;
events { worker_connections 64; }
http {
  include /etc/nginx/mime.types; access_log off; server_tokens off; keepalive_timeout 60s;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server {
    listen unix:%[1]s/nginx.sock; server_name a.test; root %[2]s;
    location / { }
    location /alias/ { alias %[2]s/dir/; }
    location /noslash { alias %[2]s/dir; }
    location /trick { alias %[2]s/dir/; }
    location = /one { alias %[2]s/a.txt; }
    location /htm/ { alias %[2]s/alt/; index nothing.html index.htm; }
    location /abs/ { alias %[2]s/bare/; index none.html /a.txt; }
    location /try/ { try_files $uri $uri/ /fall/back.html; }
    location /tryroot/ { alias %[2]s/; try_files $uri $uri/ @named; }
    location /try404/ { try_files $uri $uri.html =404; }
    location /trynamed/ { try_files $uri @named; }
    location /tryargs/ { try_files /nope /echo/x?$args; }
    location /trypage { try_files /page.html =404; }
    location /echo/ { return 200 "$uri $args $request_uri $request_method"; }
    location @named { return 200 "named $uri $args $request_method"; }
    location /loop/ { try_files /nope /loop/again; }
    location /internal/ { internal; alias %[2]s/dir/; }
    location /tointernal/ { try_files /nope /internal/x.txt; }
    location /exp30/ { alias %[2]s/dir/; expires max; add_header X-A "a $uri"; add_header X-B b always; }
    location /expepoch/ { alias %[2]s/dir/; expires epoch; }
    location /expmod/ { alias %[2]s/dir/; expires modified 1h; }
    location /hdr/ { alias %[2]s/dir/; add_header Cache-Control public; add_header X-Empty ""; error_page 404 /404.html; }
    location /nolm/ { alias %[2]s/dir/; add_header Last-Modified ""; add_header ETag ""; }
    location /setlm/ { alias %[2]s/dir/; add_header Last-Modified "Thu, 01 Jan 1970 00:00:00 GMT"; }
    location /err/ { alias %[2]s/bare/; error_page 404 /404.html; error_page 403 =200 /50x.html; }
    location /err200/ { alias %[2]s/bare/; error_page 404 = /echo/err; error_page 403 405 @named; }
    location /errredirect/ { alias %[2]s/bare/; error_page 404 http://b.test/$uri; error_page 403 =301 http://b.test/x; }
    location /errmissing/ { alias %[2]s/bare/; error_page 404 /gone.html; }
    location /err503 { return 503; error_page 503 /50x.html; }
    location /err503eq { return 503; error_page 503 = @named; }
    location /range416/ { alias %[2]s/; error_page 416 /50x.html; }
    location /r301 { return 301 /to/$host; }
    location /r302 { return 302 http://x.test$request_uri; }
    location /r200 { default_type application/json; return 200 '{"a":1}'; }
    location /r204 { return 204; }
    location /r404text { return 404 "gone"; add_header X-Always y always; }
    location /r403 { return 403; }
    location /relative/ { absolute_redirect off; alias %[2]s/; }
    location /type/ { alias %[2]s/; default_type application/octet-stream; }
    location /gz/ { alias %[2]s/; gzip on; gzip_types application/javascript application/json; gzip_vary on; error_page 404 /404.html; }
    location /gzall/ { alias %[2]s/; gzip on; gzip_types *; gzip_min_length 1000; gzip_comp_level 9; }
    location /gzproxied/ { alias %[2]s/; gzip on; gzip_proxied any; gzip_http_version 1.0; }
    location /gzexp/ { alias %[2]s/; gzip on; gzip_proxied expired no-cache; expires -1; }
    location /gzcc/ { alias %[2]s/; gzip on; gzip_proxied private; add_header Cache-Control private; }
    location /gzauth/ { alias %[2]s/; gzip on; gzip_proxied auth no_etag; }
    location /gz200 { gzip on; gzip_types text/plain; return 200 "%[3]s"; }
    location ~ \.re$ { root %[2]s/dir; try_files /x.txt =404; }
  }
}`

func paddockSite(site string) []Location {
	yes, no, nine, thousand := true, false, 9, value.Size(1000)
	expires := func(s string) *Expires { e := Expires(s); return &e }
	at := func(path, alias string, s SiteSettings) Location {
		if alias != "" {
			alias = site + alias
		}
		return Location{Path: path, Alias: alias, Settings: Settings{SiteSettings: s}}
	}
	try := func(path, try string) Location { return Location{Path: path, TryFiles: try} }
	ret := func(path, text string, s SiteSettings) Location {
		return Location{Path: path, Return: text, Settings: Settings{SiteSettings: s}}
	}
	none := SiteSettings{}
	internal := at("/internal/", "/dir/", none)
	internal.Internal = true
	re := at(`~ \.re$`, "", SiteSettings{Root: site + "/dir"})
	re.TryFiles = "/x.txt =404"
	return []Location{
		at("/", "", none),
		at("/alias/", "/dir/", none),
		at("/noslash", "/dir", none),
		at("/trick", "/dir/", none),
		at("= /one", "/a.txt", none),
		at("/htm/", "/alt/", SiteSettings{Index: value.Strings{"nothing.html", "index.htm"}}),
		at("/abs/", "/bare/", SiteSettings{Index: value.Strings{"none.html", "/a.txt"}}),
		try("/try/", "$uri $uri/ /fall/back.html"),
		{Path: "/tryroot/", Alias: site + "/", TryFiles: "$uri $uri/ @named"},
		try("/try404/", "$uri $uri.html =404"),
		try("/trynamed/", "$uri @named"),
		try("/tryargs/", "/nope /echo/x?$args"),
		try("/trypage", "/page.html =404"),
		ret("/echo/", `200 "$uri $args $request_uri $request_method"`, none),
		ret("@named", `200 "named $uri $args $request_method"`, none),
		try("/loop/", "/nope /loop/again"),
		internal,
		try("/tointernal/", "/nope /internal/x.txt"),
		at("/exp30/", "/dir/", SiteSettings{Expires: expires("max"), AddHeader: AddedHeaders{{"X-A", "a $uri", false}, {"X-B", "b", true}}}),
		at("/expepoch/", "/dir/", SiteSettings{Expires: expires("epoch")}),
		at("/expmod/", "/dir/", SiteSettings{Expires: expires("modified 1h")}),
		at("/hdr/", "/dir/", SiteSettings{AddHeader: AddedHeaders{{"Cache-Control", "public", false}, {"X-Empty", "", false}}, ErrorPage: value.Strings{"404 /404.html"}}),
		at("/nolm/", "/dir/", SiteSettings{AddHeader: AddedHeaders{{"Last-Modified", "", false}, {"ETag", "", false}}}),
		at("/setlm/", "/dir/", SiteSettings{AddHeader: AddedHeaders{{"Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT", false}}}),
		at("/err/", "/bare/", SiteSettings{ErrorPage: value.Strings{"404 /404.html", "403 =200 /50x.html"}}),
		at("/err200/", "/bare/", SiteSettings{ErrorPage: value.Strings{"404 = /echo/err", "403 405 @named"}}),
		at("/errredirect/", "/bare/", SiteSettings{ErrorPage: value.Strings{"404 http://b.test/$uri", "403 =301 http://b.test/x"}}),
		at("/errmissing/", "/bare/", SiteSettings{ErrorPage: value.Strings{"404 /gone.html"}}),
		ret("/err503", "503", SiteSettings{ErrorPage: value.Strings{"503 /50x.html"}}),
		ret("/err503eq", "503", SiteSettings{ErrorPage: value.Strings{"503 = @named"}}),
		at("/range416/", "/", SiteSettings{ErrorPage: value.Strings{"416 /50x.html"}}),
		ret("/r301", "301 /to/$host", none),
		ret("/r302", "302 http://x.test$request_uri", none),
		ret("/r200", `200 '{"a":1}'`, SiteSettings{DefaultType: "application/json"}),
		ret("/r204", "204", none),
		ret("/r404text", `404 "gone"`, SiteSettings{AddHeader: AddedHeaders{{"X-Always", "y", true}}}),
		ret("/r403", "403", none),
		at("/relative/", "/", SiteSettings{AbsoluteRedirect: &no}),
		at("/type/", "/", SiteSettings{DefaultType: "application/octet-stream"}),
		at("/gz/", "/", SiteSettings{
			Gzip: &yes, GzipVary: &yes, GzipTypes: value.Strings{"application/javascript", "application/json"},
			ErrorPage: value.Strings{"404 /404.html"},
		}),
		at("/gzall/", "/", SiteSettings{Gzip: &yes, GzipTypes: value.Strings{"*"}, GzipMinLength: &thousand, GzipCompLevel: &nine}),
		at("/gzproxied/", "/", SiteSettings{Gzip: &yes, GzipProxied: value.Strings{"any"}, GzipHTTPVersion: "1.0"}),
		at("/gzexp/", "/", SiteSettings{Gzip: &yes, GzipProxied: value.Strings{"expired", "no-cache"}, Expires: expires("-1")}),
		at("/gzcc/", "/", SiteSettings{Gzip: &yes, GzipProxied: value.Strings{"private"}, AddHeader: AddedHeaders{{"Cache-Control", "private", false}}}),
		at("/gzauth/", "/", SiteSettings{Gzip: &yes, GzipProxied: value.Strings{"auth", "no_etag"}}),
		ret("/gz200", `200 "`+longText+`"`, SiteSettings{Gzip: &yes, GzipTypes: value.Strings{"text/plain"}}),
		re,
	}
}

var longText = strings.Repeat("long ", 50)

// siteRequests are "METHOD target" and header lines. A request that stands alone
// is a GET of HTTP/1.1.
var siteRequests = []string{
	"/", "/index.html", "/a.txt", "/empty.css", "/noext", "/UP.TXT", "/odd.xyz", "/with%20space.txt", "/%C3%BCmlaut.txt", "/q%3F.txt", "/link.txt", "/big.bin",
	"/nothing", "/dir", "/dir/", "/dir?x=1", "/dir/?x=1", "/dir%20with%20space", "/dir%20with%20space?q", "/dir/x.txt", "/bare", "/bare/", "/bare/x.txt/", "/a.txt/", "/a.txt/b",
	"/dir/../a.txt", "/dir/./x.txt", "//a.txt", "/dir//x.txt", "/%2e%2e/a.txt", "/dir/%2e%2e/a.txt", "/../a.txt", "/A.TXT", "/a%2etxt", "/a.txt%00", "/.well-known/acme",
	"/alias/", "/alias", "/alias/x.txt", "/alias/nope", "/noslash", "/noslash/", "/noslash/x.txt", "/noslash?x=y", "/trick", "/trick/x.txt", "/one", "/one/", "/htm/", "/abs/",
	"/try/a", "/try/", "/try/a.txt/", "/tryroot/a.txt/", "/tryroot/dir", "/tryroot/dir/", "/tryroot/a.txt?x", "/try404/a", "/trynamed/x?y=1", "/tryargs/a?b=c", "/tryargs/a", "/trypage", "/echo/a%20b?c=d", "/loop/x", "/internal/x.txt", "/tointernal/x", "/x.re", "/deep/x.re",
	"/exp30/x.txt", "/exp30/nope", "/exp30", "/expepoch/x.txt", "/expmod/x.txt", "/hdr/x.txt", "/hdr/nope", "/nolm/x.txt", "/setlm/x.txt",
	"/err/nope", "/err/", "/err200/nope", "/err200/", "POST /err200/nope", "POST /err200/x.txt", "HEAD /err/nope", "PUT /err200/x", "/errredirect/nope", "/errredirect/", "/errmissing/nope",
	"/err503", "/err503eq?q=1", "POST /err503", "/r301", "/r302?x", "/r200", "/r204", "/r404text", "/r403", "HEAD /r200", "HEAD /r403", "HEAD /r301",
	"/relative/dir", "/relative/dir?x", "/type/odd.xyz", "/type/noext", "/type/a.txt",
	"HEAD /a.txt", "HEAD /big.bin", "HEAD /nothing", "HEAD /dir", "POST /a.txt", "POST /nothing", "POST /dir/", "POST /bare/", "PUT /a.txt", "DELETE /nothing", "OPTIONS /a.txt", "FOO /a.txt", "PUT /dir/",
	"POST /a.txt\nContent-Length: 3\n\nabc", "GET /a.txt\nContent-Length: 3\n\nabc", "POST /nothing\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n",
	"/a.txt\nRange: bytes=0-4", "/a.txt\nRange: bytes=5-", "/a.txt\nRange: bytes=-5", "/a.txt\nRange: bytes=-500", "/a.txt\nRange: bytes=0-", "/a.txt\nRange: bytes=19-30", "/a.txt\nRange: bytes=20-",
	"/a.txt\nRange: bytes=100-200", "/a.txt\nRange: bytes=4-2", "/a.txt\nRange: bytes=a-b", "/a.txt\nRange: bytes=", "/a.txt\nRange: bytes=0-1,3-4", "/a.txt\nRange: bytes=0-1, -2", "/a.txt\nRange: bytes=0-19,0-19",
	"/a.txt\nRange: bytes=0-1,50-60", "/a.txt\nRange: bytes= 0 - 4 ", "/a.txt\nRange: BYTES=0-4", "/a.txt\nRange: items=0-4", "/a.txt\nRange: bytes=-0", "/a.txt\nRange: bytes=99999999999999999999-", "/empty.css\nRange: bytes=0-4",
	"/empty.css\nRange: bytes=-1", "HEAD /a.txt\nRange: bytes=0-4", "HEAD /a.txt\nRange: bytes=0-1,3-4", "/big.bin\nRange: bytes=100000-299999", "/big.bin\nRange: bytes=1-70000,200000-299999", "/exp30/x.txt\nRange: bytes=0-0", "/nothing\nRange: bytes=0-1", "/a.txt\nRange: bytes=0-1;2", "/a.txt\nRange: bytes=0-4,",
	"/a.txt\nRange: bytes=0-4\nIf-Range: " + siteTag, "/a.txt\nRange: bytes=0-4\nIf-Range: \"x\"", "/a.txt\nRange: bytes=0-4\nIf-Range: " + siteModified, "/a.txt\nRange: bytes=0-4\nIf-Range: Thu, 29 Feb 2024 12:30:44 GMT",
	"/a.txt\nRange: bytes=0-4\nIf-Range: W/" + siteTag,
	"/a.txt\nIf-Modified-Since: " + siteModified, "/a.txt\nIf-Modified-Since: Fri, 01 Mar 2024 00:00:00 GMT", "/a.txt\nIf-Modified-Since: junk", "/a.txt\nIf-Modified-Since: Thursday, 29-Feb-24 12:30:45 GMT", "/a.txt\nIf-Modified-Since: Thu Feb 29 12:30:45 2024",
	"/a.txt\nIf-None-Match: " + siteTag, "/a.txt\nIf-None-Match: W/" + siteTag, "/a.txt\nIf-None-Match: \"x\", " + siteTag, "/a.txt\nIf-None-Match: *", "/a.txt\nIf-None-Match: \"x\"", "/a.txt\nIf-None-Match: \"x\"\nIf-Modified-Since: " + siteModified,
	"/a.txt\nIf-Match: " + siteTag, "/a.txt\nIf-Match: W/" + siteTag, "/a.txt\nIf-Match: \"x\"", "/a.txt\nIf-Match: *", "/a.txt\nIf-Unmodified-Since: " + siteModified, "/a.txt\nIf-Unmodified-Since: Thu, 29 Feb 2024 12:30:44 GMT", "/a.txt\nIf-Unmodified-Since: junk",
	"HEAD /a.txt\nIf-None-Match: " + siteTag, "/exp30/x.txt\nIf-None-Match: *", "/err/nope\nIf-None-Match: *", "/a.txt\nIf-None-Match: " + siteTag + "\nRange: bytes=0-4", "/gz/page.html\nIf-None-Match: *\nAccept-Encoding: gzip",
	"/gz/page.html\nAccept-Encoding: gzip", "/gz/page.html", "/gz/app.js\nAccept-Encoding: deflate, gzip;q=0.5", "/gz/data.json\nAccept-Encoding: GZIP", "/gz/a.txt\nAccept-Encoding: gzip", "/gz/short.html\nAccept-Encoding: gzip", "/gz/nope\nAccept-Encoding: gzip",
	"HEAD /gz/page.html\nAccept-Encoding: gzip", "/gz/page.html\nAccept-Encoding: gzip;q=0", "/gz/page.html\nAccept-Encoding: *", "/gz/page.html\nAccept-Encoding: xgzip", "/gz/page.html\nAccept-Encoding: gzip\nRange: bytes=0-10", "/gz/page.html\nRange: bytes=0-10", "/gz/page.html\nAccept-Encoding: gzip\nVia: 1.1 x",
	"/gz/dir\nAccept-Encoding: gzip", "/gzall/app.js\nAccept-Encoding: gzip", "/gzall/short.html\nAccept-Encoding: gzip", "/gzall/big.bin\nAccept-Encoding: br, gzip, deflate", "/gzproxied/page.html\nAccept-Encoding: gzip\nVia: 1.1 x", "/gzexp/page.html\nAccept-Encoding: gzip\nVia: x",
	"/gzcc/page.html\nAccept-Encoding: gzip\nVia: x", "/gzauth/page.html\nAccept-Encoding: gzip\nVia: x\nAuthorization: x", "/gzauth/page.html\nAccept-Encoding: gzip\nVia: x", "/gz200\nAccept-Encoding: gzip", "/gz/page.html\nAccept-Encoding: gzip; q=1.000, x", "/gz/page.html\nAccept-Encoding: gzip;q=1.001", "/gzall/nothing\nAccept-Encoding: gzip",
	"GET/1.0 /a.txt", "GET/1.0 /gz/page.html\nAccept-Encoding: gzip", "GET/1.0 /gzproxied/page.html\nAccept-Encoding: gzip", "GET/1.0 /a.txt\nConnection: keep-alive", "GET/1.0 /a.txt\nRange: bytes=0-4",
}

// wire makes the bytes of one request.
func wire(request string) (text, method string) {
	line, rest, _ := strings.Cut(request, "\n")
	method, target, found := strings.Cut(line, " ")
	if !found {
		method, target = "GET", line
	}
	method, version, old := strings.Cut(method, "/")
	if !old {
		version = "1.1"
	}
	head, body, hasBody := strings.Cut(rest, "\n\n")
	if head != "" {
		head += "\n"
	}
	if hasBody && strings.Contains(head, "chunked") {
		body = strings.ReplaceAll(body, "\n", "\r\n")
	}
	head = strings.ReplaceAll(head, "\n", "\r\n")
	connection := "Connection: close\r\n"
	if strings.Contains(head, "Connection:") {
		connection = ""
	}
	return fmt.Sprintf("%s %s HTTP/%s\r\nHost: a.test\r\n%s%s\r\n%s", method, target, version, connection, head, body), method
}

var boundaryPattern = regexp.MustCompile(`\b\d{20}\b`)

// comparable is an answer without what two servers can not have in common. A
// compressed body is unpacked, for two libraries pack differently.
func comparable(t *testing.T, raw []byte, method string) string {
	head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	var lines []string
	for line := range strings.SplitSeq(string(head), "\r\n") {
		switch name, _, _ := strings.Cut(line, ":"); name {
		case "Date", "Server":
		case "Expires":
			if strings.Contains(line, time.Now().UTC().Format(" 2006 ")) {
				line = "Expires: about now"
			}
			fallthrough
		default:
			lines = append(lines, line)
		}
	}
	text := string(body)
	if bytes.Contains(head, []byte("Content-Encoding: gzip")) && method != "HEAD" {
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), &http.Request{Method: method})
		must(t, err)
		z, err := gzip.NewReader(res.Body)
		must(t, err)
		unpacked, err := io.ReadAll(z)
		must(t, err)
		text = string(unpacked)
	}
	if theirs := strings.Contains(text, "<center>nginx</center>"); theirs || isOwnHead(raw, method) {
		text = strings.ReplaceAll(text, "<center>nginx</center>", "<center>paddock</center>")
		lines = addLength(lines, len("paddock")-len("nginx"))
	}
	return boundaryPattern.ReplaceAllString(strings.Join(lines, "\n")+"\n\n"+text, "BOUNDARY")
}

// isOwnHead reports whether nginx answers a HEAD whose body would be a page with its name.
func isOwnHead(raw []byte, method string) bool {
	status := raw[min(len(raw), len("HTTP/1.1 ")):]
	return method == "HEAD" && len(status) > 0 && status[0] >= '3' && bytes.Contains(raw, []byte("Server: nginx\r\n")) &&
		!bytes.Contains(raw, []byte("ETag: "))
}

func addLength(lines []string, more int) []string {
	for i, line := range lines {
		if text, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			n, _ := strconv.Atoi(text)
			lines[i] = fmt.Sprintf("Content-Length: %d", n+more)
		}
	}
	return lines
}

func ask(t *testing.T, network, addr, text string) []byte {
	t.Helper()
	c, err := net.Dial(network, addr)
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(testTimeout)))
	_, err = io.WriteString(c, text)
	must(t, err)
	if strings.Contains(text, "keep-alive") {
		must(t, c.(interface{ CloseWrite() error }).CloseWrite())
	}
	out, _ := io.ReadAll(c)
	return out
}

func startSiteNginx(t *testing.T, site string) (socket string) {
	return runNginx(t, func(dir string) string { return fmt.Sprintf(nginxSite, dir, site, longText) })
}

// runNginx runs nginx with a configuration for its folder, in which it listens on nginx.sock.
func runNginx(t *testing.T, config func(dir string) string) (socket string) {
	t.Helper()
	path, err := exec.LookPath("/usr/sbin/nginx")
	if err != nil {
		t.Fatal("Debian's nginx is not installed (nginx-light)")
	}
	dir, err := os.MkdirTemp("", "n") // a unix socket's path is short
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	conf := filepath.Join(dir, "nginx.conf")
	must(t, os.WriteFile(conf, []byte(config(dir)), 0o644))
	cmd := exec.Command(path, "-c", conf, "-p", dir, "-e", filepath.Join(dir, "error.log"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	must(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	socket = filepath.Join(dir, "nginx.sock")
	for end := time.Now().Add(testTimeout); time.Now().Before(end); {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
			return socket
		}
		<-time.After(20 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
	t.Fatalf("nginx does not answer: %s%s", out.String(), log)
	panic("unreachable")
}

// siteRig is a Proxy on a unix socket, as nginx is, so that both name the same
// host in their redirects.
func newSiteRig(t *testing.T, site string) string {
	dir, err := os.MkdirTemp("", "p")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "paddock.sock")
	ln, err := net.Listen("unix", socket)
	must(t, err)
	file, err := ln.(*net.UnixListener).File()
	must(t, err)
	t.Cleanup(func() { file.Close(); ln.Close() })
	p, err := New(Options{})
	must(t, err)
	t.Cleanup(func() { p.Shutdown(t.Context()) })
	l := listenOn(t, "unix:"+socket)
	cfg := Config{Servers: []Server{{
		Listen: l, ServerName: value.Strings{"a.test"}, Location: paddockSite(site),
		Settings: Settings{AccessLog: accesslog.Settings{{Off: true}}, SiteSettings: SiteSettings{Root: site}},
	}}}
	cfg.AccessLog.Off = true
	must(t, p.Configure(cfg, map[string]int{l[0].Key(): int(file.Fd())}, nil))
	return socket
}

func TestSiteAnswersByteForByteAsNginx(t *testing.T) {
	site := makeSite(t)
	nginx, ours := startSiteNginx(t, site), newSiteRig(t, site)
	for _, request := range siteRequests {
		text, method := wire(request)
		want := comparable(t, ask(t, "unix", nginx, text), method)
		got := comparable(t, ask(t, "unix", ours, text), method)
		if got != want {
			t.Errorf("%s\n--- paddock\n%s\n--- nginx\n%s", request, shortened(got), shortened(want))
		}
	}
}

func shortened(s string) string {
	if len(s) > 900 {
		return fmt.Sprintf("%s… (%d bytes)", s[:900], len(s))
	}
	return s
}

// What differs on purpose; docs/nginx-differences.md has the reasons.
func TestSiteDiffersFromNginxOnPurpose(t *testing.T) {
	site := makeSite(t)
	must(t, os.WriteFile(filepath.Join(filepath.Dir(site), "secret.txt"), []byte("SECRET\n"), 0o644))
	must(t, os.Symlink("../secret.txt", filepath.Join(site, "out.txt")))
	nginx, ours := startSiteNginx(t, site), newSiteRig(t, site)
	for target, want := range map[string]string{
		"/.env": "404", "/a.txt~": "404", "/out.txt": "403", "/trick../a.txt": "404", "/trickx.txt": "404", "/a.txt?x#y": "400",
	} {
		text, _ := wire(target)
		got := ask(t, "unix", ours, text)
		if !bytes.HasPrefix(got, []byte("HTTP/1.1 "+want+" ")) || bytes.Contains(got, []byte("SECRET")) {
			t.Errorf("%s: got %.60q, want %s", target, got, want)
		}
		if theirs := ask(t, "unix", nginx, text); !bytes.HasPrefix(theirs, []byte("HTTP/1.1 200 ")) {
			t.Errorf("%s: nginx answers %.60q: no difference any more", target, theirs)
		}
	}
}
