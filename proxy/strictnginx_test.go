package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// docs/nginx-differences.md, Requests: what Debian's nginx passes on and Paddock refuses.
func TestRequestsThatNginxTakesAndPaddockRefuses(t *testing.T) {
	r := newStrictRig(t, nil)
	behind := newStrictApp(t)
	nginx := runNginx(t, func(dir string) string { return fmt.Sprintf(nginxForward, dir, behind.ln.Addr()) })
	for name, c := range map[string]struct {
		message      string
		ours, theirs int
	}{
		"bare LF":                    {"GET /p HTTP/1.1\nHost: a.test\n\n", 400, 200},
		"control byte in a value":    {getWith("X: a\x01b\r\n"), 400, 200},
		"DEL in a value":             {getWith("X: a\x7fb\r\n"), 400, 200},
		"several empty lines first":  {"\r\n\r\n\r\n" + getWith(""), 400, 200},
		"blanks in the request line": {"GET  /p  HTTP/1.1 \r\nHost: a.test\r\n\r\n", 400, 200},
		"fragment":                   {"GET /p#x HTTP/1.1\r\nHost: a.test\r\n\r\n", 400, 200},
		"backslash":                  {"GET /p\\x HTTP/1.1\r\nHost: a.test\r\n\r\n", 400, 200},
		"scheme other than http":     {"GET ftp://a.test/p HTTP/1.1\r\nHost: a.test\r\n\r\n", 400, 200},
		"chunk ended by LF":          {post + "Host: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n", 400, 200},
		"name that is no token":      {getWith("X(y: z\r\n"), 400, 200},
		"line without a colon":       {getWith("nocolon\r\n"), 400, 200},
		"user in Host":               {"GET /p HTTP/1.1\r\nHost: u@a.test\r\n\r\n", 400, 200},
		"port that is none":          {"GET /p HTTP/1.1\r\nHost: a.test:http\r\n\r\n", 400, 200},
		"101 fields":                 {getWith(fieldsOf(101)), 400, 200},
	} {
		for socket, want := range map[string]int{r.addr: c.ours, nginx: c.theirs} {
			conn, err := net.Dial("unix", socket)
			must(t, err)
			must(t, conn.SetDeadline(time.Now().Add(testTimeout)))
			_, err = io.WriteString(conn, c.message)
			must(t, err)
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || res.StatusCode != want {
				t.Errorf("%s, nginx %v: answered %v, %v; want %d", name, socket == nginx, res, err, want)
			}
			conn.Close()
		}
	}
}

func fieldsOf(n int) (lines string) {
	for i := range n {
		lines += fmt.Sprintf("X-%d: y\r\n", i)
	}
	return lines
}
