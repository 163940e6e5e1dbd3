package proxy

import (
	"encoding/base64"
	"io"
	"net"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// logFolder is what both servers serve as files.
func logFolder(t *testing.T) string {
	t.Helper()
	dir := plainTempDir(t)
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Mkdir(filepath.Join(dir, "static"), 0o755))
	for name, text := range map[string]string{"a.txt": "0123456789abcdefghij", "empty.txt": "", "page.html": strings.Repeat("<p>page</p>\n", 500), "big.bin": strings.Repeat("0123456789abcdef", 200_000)} {
		file := filepath.Join(dir, "static", name)
		must(t, os.WriteFile(file, []byte(text), 0o644))
		must(t, os.Chtimes(file, siteTime, siteTime))
	}
	return dir
}

// appAnswers are what the app says, by the last part of the path; then it closes.
var appAnswers = map[string]string{
	"ok":           ok("ok"),
	"empty":        ok(""),
	"500":          "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\nwrong",
	"503":          "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy",
	"404":          "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nnone",
	"401":          "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n",
	"204":          "HTTP/1.1 204 No Content\r\nX-App: yes\r\n\r\n",
	"304":          "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
	"302":          "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\n\r\n",
	"299":          "HTTP/1.1 299 Odd\r\nContent-Length: 1\r\n\r\nx",
	"noreason":     "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx",
	"chunked":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-App: \"quoted\"\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
	"close":        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end",
	"old":          "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold",
	"cookie":       "HTTP/1.1 200 OK\r\nSet-Cookie: a=one; Path=/\r\nServer: app/1\r\nContent-Length: 1\r\n\r\nx",
	"utf8":         "HTTP/1.1 200 OK\r\nX-App: sm\xc3\xb8r\r\nContent-Length: 1\r\n\r\nx",
	"headers":      "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nETag: \"e\"\r\nLast-Modified: Thu, 29 Feb 2024 12:30:45 GMT\r\nContent-Length: 1\r\n\r\nx",
	"short":        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
	"shortchunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	"nohead":       "",
	"halfhead":     "HTTP/1.1 200 OK\r\nContent-Le",
	"badfield":     "HTTP/1.1 200 OK\r\nBad\x00Field: x\r\nContent-Length: 1\r\n\r\nx",
	"bighead":      "HTTP/1.1 200 OK\r\nX-App: " + strings.Repeat("x", 40_000) + "\r\nContent-Length: 1\r\n\r\nx",
	"gzipped":      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2000\r\n\r\n" + strings.Repeat("text", 500),
	"large":        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 300000\r\n\r\n" + strings.Repeat("text", 75_000),
	"accel":        "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /internal/a.txt\r\nContent-Length: 7\r\n\r\nignored",
	"accelapp":     "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /again/ok?x=1\r\nContent-Length: 7\r\n\r\nignored",
	"accelnone":    "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /internal/none\r\nContent-Length: 0\r\n\r\n",
	"early":        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok("late"),
	"two":          ok("1") + ok("2"),
	"wp-login.php": "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone",
	"junk":         "this is no HTTP\r\n\r\n",
}

// loggedApp is an app that says when a request hangs.
type loggedApp struct {
	addr string
	hung map[string]chan struct{} // by the name in "?tell=NAME"
}

// logApp is the same app for each of the servers.
func logApp(t *testing.T) *loggedApp {
	hung := map[string]chan struct{}{}
	for _, name := range []string{"one", "two", "three"} {
		hung[name] = make(chan struct{}, 1)
	}
	_, addr := tcpBackend(t, func(c net.Conn, q request) bool {
		target, _, _ := strings.Cut(q.target(), "?")
		switch name := path.Base(target); name {
		case "hang": // until the other side leaves
			if _, name, ok := strings.Cut(q.target(), "?tell="); ok {
				hung[name] <- struct{}{}
			}
			io.Copy(io.Discard, c)
		case "hanghead":
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
			io.Copy(io.Discard, c)
		case "flood":
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
			for block := make([]byte, 64<<10); ; {
				if _, err := c.Write(block); err != nil {
					return false
				}
			}
		case "reset":
			c.(*net.TCPConn).SetLinger(0)
		case "ws":
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nfrom the app")
			io.CopyN(io.Discard, c, 5)
			io.WriteString(c, "done")
		default:
			io.WriteString(c, appAnswers[name])
		}
		return false
	})
	return &loggedApp{addr, hung}
}

// valid makes the bytes of a request of HTTP/1.1 that closes.
func valid(line string, fields ...string) string {
	if !strings.Contains(line, " HTTP/") {
		line += " HTTP/1.1"
	}
	return line + "\r\nHost: first.test\r\nConnection: close\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
}

func logCases() (cases []logCase) {
	add := func(name, send string, then ...action) {
		c := logCase{name: name, send: send}
		if len(then) > 0 {
			c.then = then[0]
		}
		if _, name, ok := strings.Cut(send, "?tell="); ok {
			c.hangs, _, _ = strings.Cut(name, " ")
		}
		cases = append(cases, c)
	}
	early := func(name, send string, then ...action) {
		add(name, send, then...)
		cases[len(cases)-1].early = true
	}
	long := strings.Repeat("a", maxHeadLine)
	basic := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("bob \"b\":secret"))

	// Nothing of these reaches an app.
	early("no byte", "", silence)
	for name, line := range map[string]string{
		"binary": "\x16\x03\x01\x02\x00\x01", "binary with 8 bits": "\x80\xff\xfe GET", "lower-case method": "get / HTTP/1.1", "mixed method": "GeT / HTTP/1.1",
		"method with a digit": "G3T / HTTP/1.1", "no target": "GET", "a target of HTTP/0.9": "GET /", "blanks alone": "   ", "no version": "GET / ", "version junk": "GET / FTP/1.1",
		"version 2": "GET / HTTP/2.0", "version 9": "GET / HTTP/9.1", "version 1 alone": "GET / HTTP/1", "version with letters": "GET / HTTP/1.x", "version with more": "GET / HTTP/1.1x",
		"lower-case version": "GET / http/1.1", "version in long": "GET / HTTP/1.0001", "above the root": "GET /../x HTTP/1.1", "above the root, escaped": "GET /%2e%2e/x HTTP/1.1", "bad escape": "GET /%zz HTTP/1.1",
		"NUL escape": "GET /%00 HTTP/1.1", "cut escape": "GET /% HTTP/1.1", "space in the target": "GET /a b HTTP/1.1", "asterisk": "OPTIONS * HTTP/1.1", "asterisk of GET": "GET * HTTP/1.1", "relative": "GET x HTTP/1.1",
		"ESC in the target": "GET /\x1b[31m HTTP/1.1", "NUL in the target": "GET /\x00 HTTP/1.1", "quote in a bad line": "GET /\"quoted\\\" x HTTP/1.1", "UTF-8 in a bad line": "GET sm\xc3\xb8r HTTP/1.1",
		"bad scheme": "GET ht^tp://x/ HTTP/1.1", "no host in the URL": "GET http:/// HTTP/1.1", "connect": "CONNECT x.test:443 HTTP/1.1", "bad port": "GET http://x:y/ HTTP/1.1", "tab in the line": "GET\t/ HTTP/1.1",
	} {
		early("line: "+name, line+"\r\nHost: first.test\r\n\r\n", halfClose)
	}
	early("trace", valid("TRACE /ok"))
	for name, fields := range map[string]string{
		"no Host": "X: y\r\n", "two Hosts": "Host: a\r\nHost: b\r\n", "bad Host": "Host: a/b\r\n", "Host with a blank": "Host: a b\r\n", "Host with NUL": "Host: a\x00\r\n", "empty Host of 1.1": "Host:\r\n",
		"NUL in a value": "Host: other.test\r\nX: a\x00b\r\n", "NUL in a name": "Host: second.test:80\r\nX\x00: a\r\n", "space in a name": "Host: first.test\r\nX y: a\r\n", "space before the colon": "Host: first.test\r\nX : a\r\n",
		"folded line": "Host: first.test\r\nX: a\r\n b\r\n", "folded first": " x: a\r\nHost: first.test\r\n", "control in a name": "Host: first.test\r\nX\x01: a\r\n",
		"two lengths": "Host: first.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n", "two equal lengths": "Host: first.test\r\nContent-Length: 1\r\nContent-Length: 1\r\n", "bad length": "Host: first.test\r\nContent-Length: x\r\n",
		"negative length": "Host: first.test\r\nContent-Length: -1\r\n", "huge length": "Host: first.test\r\nContent-Length: 99999999999999999999\r\n", "length and chunked": "Host: first.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n",
		"unknown coding": "Host: first.test\r\nTransfer-Encoding: gzip\r\n", "two codings": "Host: first.test\r\nTransfer-Encoding: gzip, chunked\r\n", "identity": "Host: first.test\r\nTransfer-Encoding: identity\r\n",
		"a large field": "Host: first.test\r\nX: " + long + "\r\n", "large fields": "Host: first.test\r\n" + strings.Repeat("X: "+strings.Repeat("y", 7000)+"\r\n", 8),
	} {
		early("fields: "+name, "POST /ok HTTP/1.1\r\n"+fields+"\r\n", halfClose)
	}
	early("fields: coding on 1.0", "POST /ok HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", halfClose)
	early("fields: after some good ones", valid("GET /ok?q=1", basic, "Referer: \"x\"", "User-Agent: a\x00"), halfClose)
	early("a long target", "GET /"+long+" HTTP/1.1\r\nHost: first.test\r\n\r\n", halfClose)
	early("a long line without an end", "GET /"+strings.Repeat("a", 40_000), halfClose)
	early("length too large", valid("POST /ok", "Content-Length: 2000000"), halfClose)
	early("length too large here", valid("POST /small", "Content-Length: 11")+"hello world", halfClose)
	early("chunks too large here", valid("POST /small", "Transfer-Encoding: chunked")+"b\r\nhello world\r\n0\r\n\r\n", halfClose)
	early("bad chunk", valid("POST /ok", "Transfer-Encoding: chunked")+"zz\r\n", halfClose)
	early("bad chunk end", valid("POST /ok", "Transfer-Encoding: chunked")+"1\r\nabc\r\n", halfClose)
	early("gone in the method", "GE", closeNow)
	early("gone in the line", "GET /par", closeNow)
	early("gone behind the line", "GET /ok HTTP/1.1\r\n", closeNow)
	early("gone in a field", "GET /ok?q=1 HTTP/1.1\r\nHost: first.test\r\nReferer: x\r\nUser-Ag", closeNow)
	early("gone in the last line", "GET /ok HTTP/1.1\r\nHost: first.test\r\n\r", closeNow)
	early("reset in the head", "GET /ok HTTP/1.1\r\nHost: fir", resetNow)
	early("gone in the body", valid("POST /ok", "Content-Length: 10")+"abc", closeNow)
	early("gone in a chunk", valid("POST /ok", "Transfer-Encoding: chunked")+"5\r\nab", closeNow)
	early("half closed in the body", valid("POST /ok", "Content-Length: 10")+"abc", halfClose)
	early("slow line", "GET /par")
	early("slow head", "GET /ok HTTP/1.1\r\nHost: first.test\r\nX: y\r\n")
	early("slow body", valid("POST /ok", "Content-Length: 10")+"abc")
	early("slow chunks", valid("POST /ok", "Transfer-Encoding: chunked")+"5\r\nab")
	early("nobody listens", valid("GET /down"))
	early("nobody listens, POST", valid("POST /down", "Content-Length: 3")+"abc")
	early("nobody of two listens", valid("GET /bothdown"))

	// Files and answers of the configuration.
	for _, line := range []string{
		"GET /static/a.txt", "HEAD /static/a.txt", "GET /static/empty.txt", "GET /static/page.html", "GET /static/none", "HEAD /static/none", "GET /static/", "GET /static", "POST /static/a.txt", "DELETE /static/none",
		"GET /alias/a.txt?x=%22", "GET /r200", "HEAD /r200", "GET /r301", "HEAD /r301", "GET /r404", "GET /r444", "GET /r204", "GET /try/x?y", "GET /internal/a.txt", "GET /off",
		"GET //static//a.txt", "GET /static/./x/../a.txt", "GET /static/%61.txt", "GET /r200/%20%22%5C%C3%B8", "GET /r200?%22=\"q\\", "GET /r200?q=sm\xc3\xb8r", "GET http://second.test:81/ok?x", "GET http://FIRST.test./r200",
	} {
		add(line, valid(line))
	}
	add("a range", valid("GET /static/a.txt", "Range: bytes=0-4"))
	add("ranges", valid("GET /static/a.txt", "Range: bytes=0-1,4-5"))
	add("a range that is none", valid("GET /static/a.txt", "Range: bytes=100-"))
	add("not modified", valid("GET /static/a.txt", "If-None-Match: "+siteTag))
	add("gzip of a file", valid("GET /gz/a.txt", "Accept-Encoding: gzip"))
	add("file with a body", valid("POST /static/a.txt", "Content-Length: 5")+"12345")
	add("return with a body", valid("POST /r200", "Content-Length: 5")+"12345")
	add("return with chunks", valid("POST /r200", "Transfer-Encoding: chunked")+"5\r\n12345\r\n0\r\n\r\n")
	add("file, gone while it comes", valid("GET /static/big.bin"), resetHead)

	// Hosts and old versions.
	add("no Host of 1.0", "GET /r200 HTTP/1.0\r\n\r\n")
	add("1.0", "GET /ok HTTP/1.0\r\nHost: second.test\r\n\r\n")
	add("1.0 that lives on", "GET /ok HTTP/1.0\r\nHost: first.test\r\nConnection: keep-alive\r\n\r\n<then>GET /static/a.txt HTTP/1.0\r\n\r\n")
	add("1.0, chunked answer", "GET /chunked HTTP/1.0\r\nHost: first.test\r\n\r\n")
	add("version 1.2", "GET /r200 HTTP/1.2\r\nHost: first.test\r\nConnection: close\r\n\r\n")
	add("HTTP/0.9", "GET /r200\r\n")
	for _, host := range []string{"SECOND.test", "second.test:8080", "second.test.", "unknown.test", "[::1]:80", "127.0.0.1"} {
		add("Host "+host, "GET /ok HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
	}
	add("empty lines in front", "\r\n\r\n"+valid("GET /r200"))
	add("line feeds alone", strings.ReplaceAll(valid("GET /r200"), "\r", ""))
	add("blanks between", "GET  /r200 HTTP/1.1\r\nHost: first.test\r\nConnection: close\r\n\r\n")

	// Fields in the log.
	for name, field := range map[string]string{
		"agent": "User-Agent: Mozilla/5.0 (X11; \"quoted\" \\ back)", "agent UTF-8": "User-Agent: sm\xc3\xb8r\x80", "agent with DEL": "User-Agent: \x7f", "agent with ESC": "User-Agent: \x1b[31mred", "empty agent": "User-Agent:", "referer": "Referer: http://x.test/?a=\"b\"",
		"tab": "X-Test: a\tb", "cookie": "Cookie: b=1; a=\"two\"; c=3", "cookie of another case": "Cookie: A=x", "no such cookie": "Cookie: ab=1; ba=2", "blanks around": "X-Test:   x  y  ", "user": basic,
		"user that is empty": "Authorization: Basic OnB3", "user that is junk": "Authorization: Basic !!!", "bearer": "Authorization: Bearer abc", "user with 8 bits": "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("b\xc3\xb8b\n:x")),
		"a field without a colon": "junk", "name with underscore": "X_Test: y", "a long field": "X-Test: " + strings.Repeat("y", 3000),
	} {
		add("field: "+name, valid("GET /r200?q=1&Q=2", field))
		if name != "a field without a colon" && name != "tab" && name != "name with underscore" {
			add("field to the app: "+name, valid("GET /ok?q=%22&x", field))
		}
	}

	add("a bad bot", valid("GET /r200", "User-Agent: EmailSiphon"))
	add("fields, repeated", valid("GET /r200", "X-Test: 1", "X-Test: 2"))
	add("cookies, repeated", valid("GET /r200", "Cookie: a=1", "Cookie: b=2"))
	add("forwarded by nobody that is believed", valid("GET /ok", "X-Forwarded-For: 192.0.2.1"))

	// The app.
	for name := range appAnswers {
		add("app: "+name, valid("GET /"+name+"?a=1"))
	}
	for _, name := range []string{"ok", "404", "chunked", "close", "204", "302", "gzipped"} {
		add("app, HEAD: "+name, valid("HEAD /"+name))
	}
	for _, name := range []string{"ok", "404", "500", "503", "401", "chunked"} {
		add("app with error pages: "+name, valid("GET /err/"+name))
	}
	add("app, error page of a POST", valid("POST /err/404", "Content-Length: 3")+"a=b")
	for _, name := range []string{"accel", "accelapp", "accelnone"} {
		add("app redirects inside: "+name, valid("GET /accel/"+name))
	}
	add("app, gzip", valid("GET /gzapp/gzipped", "Accept-Encoding: gzip"))
	add("app, gzip not asked for", valid("GET /gzapp/gzipped"))
	add("app with a URI", valid("GET /uri/ok?x=y"))
	add("app by its address", valid("GET /direct/ok"))
	add("app, POST", valid("POST /ok", "Content-Type: text/plain", "Content-Length: 11")+"a=b\r\n\"c\"\\\xc3\xb8")
	add("app, POST in chunks", valid("POST /ok", "Transfer-Encoding: chunked")+"3\r\na=b\r\n4;x=y\r\n&c=d\r\n0\r\nTrailer: x\r\n\r\n")
	add("app, POST without a body", valid("POST /ok", "Content-Length: 0"))
	add("app, POST of empty chunks", valid("POST /ok", "Transfer-Encoding: chunked")+"0\r\n\r\n")
	add("app, large POST", valid("POST /ok", "Content-Length: 100000")+strings.Repeat("z", 100_000))
	add("app, 100-continue", valid("POST /ok", "Expect: 100-continue", "Content-Length: 3")+"<then>abc")
	for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "REPORT"} {
		add("app, "+method, valid(method+" /ok"))
	}
	add("app resets", valid("GET /reset"))
	add("app resets a POST", valid("POST /reset", "Content-Length: 3")+"abc")
	add("app hangs", valid("GET /hang"))
	add("app hangs behind its head", valid("GET /hanghead"))
	add("one server is down", valid("GET /retry/ok"))
	add("one server is down, POST", valid("POST /retrypost/ok", "Content-Length: 3")+"abc")
	add("gone while the app works", valid("GET /hang?tell=one"), closeNow)
	add("reset while the app works", valid("POST /hang?tell=two", "Content-Length: 3")+"abc", resetNow)
	add("half closed while the app works", valid("GET /hang?tell=three"), halfClose)
	add("gone behind the head", valid("GET /flood"), resetHead)
	add("gone behind a head that stalls", valid("GET /hanghead"), closeHead)
	add("WebSocket", "GET /ws HTTP/1.1\r\nHost: first.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n<then>hello")

	// Several requests of one connection.
	live := func(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: first.test\r\n\r\n" }
	add("keep-alive", live("/r200")+"<then>"+valid("GET /static/a.txt"))
	add("pipelined", live("/r200")+live("/static/a.txt")+live("/r404")+valid("GET /r301"))
	add("pipelined to the app", live("/ok")+live("/404")+valid("GET /chunked"))
	add("pipelined behind a body", strings.Replace(live("/ok"), "\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nabc", 1)+valid("GET /r200"))
	add("pipelined, the second is malformed", live("/r200")+"junk\r\n\r\n", halfClose)
	add("keep-alive that ends", live("/r200"), closeHead)
	add("keep-alive that times out", live("/r200"))
	add("keep-alive, then a part", live("/r200")+"<then>GET /par", closeNow)
	return cases
}

// differences are the cases in which the lines differ, and why; docs/nginx-differences.md
// says it to people.
var differences = map[string]string{
	"line: no version":                     "HTTP/0.9 is not spoken",
	"line: a target of HTTP/0.9":           "HTTP/0.9 is not spoken",
	"HTTP/0.9":                             "HTTP/0.9 is not spoken",
	"line: version in long":                "a version has one digit on each side (RFC 9112 2.3)",
	"line: no host in the URL":             "a URL without a host is a malformed line (RFC 9110 4.2)",
	"line: connect":                        "405 and its fields, as nginx from 1.23 on",
	"line: asterisk":                       "OPTIONS * is a request (RFC 9112 3.2.4)",
	"GET /r200?%22=\"q\\":                  "quotes and backslashes do not stand in a target (RFC 9112 3.2)",
	"blanks between":                       "one blank stands between the parts of a line (RFC 9112 3)",
	"empty lines in front":                 "one empty line is skipped, not more (RFC 9112 2.2)",
	"line feeds alone":                     "a line ends in CR LF (RFC 9112 2.2)",
	"field: agent with DEL":                "no control bytes in values (RFC 9110 5.5)",
	"field to the app: agent with DEL":     "no control bytes in values (RFC 9110 5.5)",
	"field: agent with ESC":                "no control bytes in values (RFC 9110 5.5)",
	"field to the app: agent with ESC":     "no control bytes in values (RFC 9110 5.5)",
	"field: a field without a colon":       "a line without a colon is refused (RFC 9112 5)",
	"fields: two codings":                  "400: what the second coding is does not matter (RFC 9112 6.1)",
	"chunks too large here":                "the body that has come is counted, not only what was looked at",
	"GET http://second.test:81/ok?x":       "the app gets the Host of the URL (RFC 9112 3.2.2)",
	"fields, repeated":                     "joined by a comma, as nginx does from 1.23 on",
	"forwarded by nobody that is believed": "what the client said of itself is dropped",
	"app: junk":                            "what is no HTTP is 502; nginx passes it on with the status 009",
	"app: short":                           "an answer that broke off is not completed",
	"app: shortchunk":                      "an answer that broke off is not completed",
	"app hangs behind its head":            "what the app has said goes on at once, and an answer that broke off is not completed",
	"gone behind a head that stalls":       "what the app has said goes on at once, and an answer that broke off is not completed",
	"app: noreason":                        "a status line has its second blank (RFC 9112 4)",
	"h2: a trailer":                        "nginx 1.22 breaks the connection at a trailer (RFC 9113 8.1)",
	"app: early":                           "a 103 is swallowed; nginx 1.22 takes it for the answer",
}

// chance are fields that depend on how far something came, or on a library, by case.
var chance = map[string][]string{
	"file, gone while it comes": {"body_bytes_sent", "bytes_sent", "request_completion"},
	"gone behind the head":      {"body_bytes_sent", "bytes_sent", "upstream_bytes_received", "upstream_response_length"},
	"gzip of a file":            {"body_bytes_sent", "bytes_sent", "gzip_ratio"}, // another library
	"app, gzip":                 {"body_bytes_sent", "bytes_sent", "gzip_ratio"},
	"GET /try/x?y":              {"args", "query_string"},    // nginx leaves the end of a string to chance
	"app: bighead":              {"upstream_bytes_received"}, // the size of a buffer
}
