package proxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"paddock/proxy/http1"
)

// expected is what a server makes of the bytes of one connection: the parser alone,
// with all bytes there at once.
type expected struct {
	requests []string // those for the app: method, target, body
	answers  []string // status, body
	ends     bool     // the server closes by itself
}

// expect reads requests until the bytes end, the connection closes or a message is refused.
func expect(wire string) (e expected) {
	buf := []byte(wire)
	for {
		var r http1.Request
		n, err := r.Parse(buf, nil)
		var body []byte
		if err == nil {
			body, buf, err = cutBody(&r, buf[n:])
		}
		var refused *http1.Error
		if errors.As(err, &refused) {
			e.answers = append(e.answers, fmt.Sprint(refused.Status))
			e.ends = true
			return e
		}
		if err != nil {
			return e
		}
		target := string(r.AppendTarget(nil))
		if strings.HasPrefix(string(r.NormalPath), "/200") {
			e.answers = append(e.answers, "200 text")
		} else {
			e.requests = append(e.requests, fmt.Sprintf("%s %s %q", r.Method, target, body))
			e.answers = append(e.answers, "200 "+target)
		}
		if !r.KeepAlive {
			e.ends = true
			return e
		}
	}
}

func cutBody(r *http1.Request, buf []byte) (body, rest []byte, err error) {
	if !r.Chunked {
		n := int(max(r.ContentLength, 0))
		if n > len(buf) {
			return nil, nil, http1.ErrIncomplete
		}
		return buf[:n], buf[n:], nil
	}
	var chunks http1.ChunkReader
	for !chunks.Done() {
		n, data, _, err := chunks.Next(buf)
		if err != nil {
			return nil, nil, err
		}
		if n == 0 {
			return nil, nil, http1.ErrIncomplete
		}
		body, buf = append(body, data...), buf[n:]
	}
	return body, buf, nil
}

// Conversations put together by chance, good and bad messages in any order and in
// any pieces, go through the proxy as the parser alone reads them.
func TestConversationsByChanceAreReadAsTheParserReadsThem(t *testing.T) {
	r := newStrictRig(t, func(c *Config) {
		c.Servers[0].Location = append(c.Servers[0].Location, Location{Path: "/200", Return: "200 text"})
	})
	random := rand.New(rand.NewPCG(5, 15))
	large := strings.Repeat("0123456789abcdef", 3000) // more than a client's buffer holds
	words := []string{
		"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "GET /200 HTTP/1.1\r\nHost: a\r\n\r\n", "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "POST /200 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
		"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x\r\n!\r\n0\r\nX: y\r\n\r\n", "POST /200 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		fmt.Sprintf("PUT /d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(large), large), fmt.Sprintf("PUT /e HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(large), large),
		fmt.Sprintf("PUT /200 HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(large), large), "GET /f?" + strings.Repeat("q", 7000) + " HTTP/1.1\r\nHost: a\r\n\r\n", getWith("X: " + strings.Repeat("v", 8000) + "\r\n"),
		smuggled, "POST /g HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n" + smuggled, "\r\n", "GET /h HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	}
	rarely := []string{
		"0\r\n\r\n", "5\r\nhello\r\n", "\x00", "X: y\r\n", "\r\n\r\n", "GET ", "POST /i HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "POST /j HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "POST /k HTTP/1.1\r\nHost: a\r\nContent-Length: 400\r\n\r\n",
		"POST /l HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz", "GET /m HTTP/1.1\r\n\r\n",
	}
	tried, refused := 0, 0
	for tried < 400 {
		var wire strings.Builder
		for range 1 + random.IntN(8) {
			if random.IntN(6) == 0 {
				wire.WriteString(rarely[random.IntN(len(rarely))])
			} else {
				wire.WriteString(words[random.IntN(len(words))])
			}
		}
		wire.WriteString(lastOne)
		want := expect(wire.String())
		if !want.ends {
			continue
		}
		tried++
		var parts []string
		for rest := wire.String(); rest != ""; {
			n := min(len(rest), []int{1 + random.IntN(60), 1 + random.IntN(20000), len(rest)}[random.IntN(3)])
			parts, rest = append(parts, rest[:n]), rest[n:]
			if len(parts) > 12 {
				parts, rest = append(parts, rest), ""
			}
		}
		answers, err := readAnswers(r.say(parts...), false)
		seen, faults := r.app.take()
		var got expected
		for _, q := range seen {
			got.requests = append(got.requests, fmt.Sprintf("%s %s %q", q.method, q.target, q.body))
		}
		for _, a := range answers {
			if a.status == 200 {
				got.answers = append(got.answers, "200 "+a.body)
			} else {
				got.answers = append(got.answers, fmt.Sprint(a.status))
				refused++
			}
		}
		if err != nil || len(faults) > 0 || fmt.Sprint(got.requests) != fmt.Sprint(want.requests) || fmt.Sprint(got.answers) != fmt.Sprint(want.answers) {
			t.Errorf("%.400q: %v, %q\n got %.300q %.300q\nwant %.300q %.300q", parts, err, faults, got.requests, got.answers, want.requests, want.answers)
		}
	}
	t.Logf("%d conversations, %d of them with a refusal", tried, refused)
}
