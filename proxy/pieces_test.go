package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// cuts returns text whole, in two parts at each place, and byte by byte.
func cuts(text string) (all [][]string) {
	all = append(all, []string{text})
	for i := 1; i < len(text); i++ {
		all = append(all, []string{text[:i], text[i:]})
	}
	return append(all, strings.Split(text, ""))
}

func TestRequestMayComeInAnyPieces(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/1.1 where HTTP/2 may come": true} {
		t.Run(name, func(t *testing.T) {
			anyPieces(newStrictRig(t, func(c *Config) { c.Servers[0].HTTP2 = &http2 }))
		})
	}
}

func anyPieces(r *strictRig) {
	t := r.t
	for _, message := range []string{
		"GET /p HTTP/1.1\r\nHost: a.test\r\nX: y\r\n\r\n",
		"\r\nPOST /p HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello",
		"POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n",
		"PRI /p HTTP/1.1\r\nHost: a.test\r\n\r\n",
	} {
		want := ""
		for _, parts := range cuts(message + lastOne) {
			answers, err := readAnswers(r.say(parts...), false)
			seen, faults := r.app.take()
			if err != nil || len(answers) != 2 || len(seen) != 2 || len(faults) > 0 {
				t.Errorf("%.200q: %d answers, %v; the app got %q, %q", parts, len(answers), err, seen, faults)
				continue
			}
			got := fmt.Sprint(seen)
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%.200q: the app got %s, of the whole %s", parts, got, want)
			}
		}
	}
	for _, message := range []string{
		"GET /p HTTP/1.1\r\nHost: a.test\r\nX : y\r\n\r\n", "POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n", "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		for _, parts := range cuts(message + smuggled) {
			answers, err := readAnswers(r.say(parts...), false)
			if seen, faults := r.app.take(); err != nil || len(answers) != 1 || answers[0].status != 400 || len(seen)+len(faults) > 0 {
				t.Errorf("%.200q: answers %v, %v; the app got %q, %q", parts, answers, err, seen, faults)
			}
		}
	}
}

func TestAnswerMayComeInAnyPieces(t *testing.T) {
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "a"))
	must(t, err)
	var mu sync.Mutex
	var parts []string
	var closes bool
	serveBackend(t, ln, func(c net.Conn, q request) bool {
		mu.Lock()
		defer mu.Unlock()
		if q.target() != "/pieces" {
			io.WriteString(c, ok(q.target()))
			return true
		}
		for i, part := range parts {
			if i > 0 {
				untilRead(c)
			}
			io.WriteString(c, part)
		}
		return !closes
	})
	r := newRig(t, toUpstream(8, "unix:"+ln.Addr().String()))
	for _, c := range []struct {
		method, answer string
		closes         bool
		status         int
		body           string
	}{
		{"GET", "HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 5\r\n\r\nhello", false, 200, "hello"},
		{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n", false, 200, "hello"},
		{"GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", false, 404, ""},
		{"GET", "HTTP/1.0 200 OK\r\nX: y\r\n\r\nhello", true, 200, "hello"},
		{"HEAD", "HTTP/1.1 200 OK\r\nX: y\r\n\r\n", false, 200, ""},
		{"GET", "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", false, 204, ""},
		{"GET", "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 5\r\n\r\nhello", true, 502, ""},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true, 502, ""},
	} {
		for _, cut := range cuts(c.answer) {
			mu.Lock()
			parts, closes = cut, c.closes
			mu.Unlock()
			client := r.dial()
			fmt.Fprintf(client, "%s /pieces HTTP/1.1\r\nHost: a.test\r\n\r\nGET /own HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", c.method)
			br := bufio.NewReader(client)
			res, err := http.ReadResponse(br, &http.Request{Method: c.method})
			must(t, err)
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != c.status || c.status != 502 && string(body) != c.body {
				t.Errorf("%.200q: %d %q, %v", cut, res.StatusCode, body, err)
			}
			if status, own := readAnswer(t, br, "GET"); status != 200 || own != "/own" {
				t.Errorf("%.200q: the next answer is %d %q", cut, status, own)
			}
			client.Close()
		}
	}
}
