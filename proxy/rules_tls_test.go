package proxy

import (
	"fmt"
	"strings"
	"testing"
)

// What TLS brings reaches the same parser: records are no message borders.
func TestRulesHoldUnderTLS(t *testing.T) {
	r := newSecureStrictRig(t)
	for i, body := range brokenChunks { // a handshake each: some are enough
		if i%4 > 0 {
			continue
		}
		r.refuses(fmt.Sprintf("%.60q", body), post+"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n"+body, 400)
	}
	for i, host := range badHosts {
		if i%8 == 0 && strings.Trim(host, " \t") == host {
			r.refuses(fmt.Sprintf("Host %.30q", host), "GET /p HTTP/1.1\r\nHost: "+host+"\r\n\r\n", 400)
		}
	}
	r.refuses("coding and length", post+"Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"+zeroChunk, 400)
	r.refuses("preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, 400)
	r.refuses("a line of 100 KiB", "GET /"+strings.Repeat("a", 100<<10)+" HTTP/1.1\r\nHost: a\r\n\r\n", 414)
	r.refuses("a field of 2 MB", getWith("X: "+strings.Repeat("y", 2<<20)+"\r\n"), 400)
	for i, text := range goodRequests() {
		text = strings.Replace(text, "Connection: close\r\n", "", 1)
		if strings.Contains(text, " HTTP/1.0\r\n") || strings.Contains(text, "Expect: ") || i%3 > 0 {
			continue // ends the connection; answers twice
		}
		q := r.passes(fmt.Sprintf("%.100q", text), text)
		if got := q.values("x-forwarded-proto"); len(got) != 1 || got[0] != "https" {
			t.Errorf("%.100q: the app got the scheme %q", text, got)
		}
	}
}
