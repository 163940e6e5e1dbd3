package http1

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const appAnswer = "HTTP/1.1 200 OK\r\nServer: gunicorn\r\nDate: Mon, 05 Oct 2026 10:00:00 GMT\r\nConnection: close\r\n" +
	"Content-Type: text/html; charset=utf-8\r\nContent-Length: 1234\r\nSet-Cookie: sessionid=abc; HttpOnly; Path=/\r\n\r\n"

func TestParseReadsAppAnswer(t *testing.T) {
	for _, step := range []int{1, 7, len(appAnswer)} {
		r, n, err := parseResponse([]byte(appAnswer), step)
		if err != nil || n != len(appAnswer) {
			t.Fatalf("step %d: %d, %v", step, n, err)
		}
		if r.Status != 200 || string(r.Reason) != "OK" || r.Minor != 1 || r.ContentLength != 1234 || r.KeepAlive || len(r.Fields) != 6 {
			t.Errorf("step %d: %+v", step, r)
		}
	}
}

// parseResponse gives Parse at most step new bytes at a time.
func parseResponse(wire []byte, step int) (r *Response, n int, err error) {
	r = new(Response)
	for have := min(step, len(wire)); ; have = min(have+step, len(wire)) {
		n, err = r.Parse(wire[:have], nil)
		if err != ErrIncomplete || have == len(wire) {
			return r, n, err
		}
	}
}

func TestBodyIsDelimitedByRFC9112(t *testing.T) {
	const length, chunked = "Content-Length: 5\r\n", "Transfer-Encoding: Chunked\r\n"
	tests := []struct {
		rule, method, head string
		kind               Body
		length             int64
	}{
		{"6.3.1 HEAD", "HEAD", "HTTP/1.1 200 OK\r\n" + length, None, -1},
		{"6.3.1 1xx", "GET", "HTTP/1.1 103 Early Hints\r\n" + chunked, None, -1},
		{"6.3.1 101", "GET", "HTTP/1.1 101 X\r\n", None, -1},
		{"6.3.1 204", "GET", "HTTP/1.1 204 X\r\n" + length, None, -1},
		{"6.3.1 304", "GET", "HTTP/1.1 304 X\r\n" + length, None, -1},
		{"6.3.4 chunked", "GET", "HTTP/1.1 200 OK\r\n" + chunked, Chunked, -1},
		{"6.3.6 length", "GET", "HTTP/1.1 200 OK\r\n" + length, Length, 5},
		{"6.3.6 length of an error", "POST", "HTTP/1.0 599 X\r\n" + length, Length, 5},
		{"6.3.6 no bytes", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", Length, 0},
		{"6.3.8 until close", "GET", "HTTP/1.1 200 OK\r\n", UntilClose, -1},
		{"4 no reason", "GET", "HTTP/1.1 200 \r\n", UntilClose, -1},
		{"no blank behind the status", "GET", "HTTP/1.1 200\r\n", UntilClose, -1},
		{"4 obs-text in the reason", "GET", "HTTP/1.1 200 \xc3\xa9\r\n", UntilClose, -1},
	}
	for _, tt := range tests {
		r, _, err := parseResponse([]byte(tt.head+"\r\n"), 1000)
		if err != nil {
			t.Errorf("%s: %v", tt.rule, err)
			continue
		}
		if kind, length := r.Body([]byte(tt.method)); kind != tt.kind || length != tt.length {
			t.Errorf("%s: %d, %d, want %d, %d", tt.rule, kind, length, tt.kind, tt.length)
		}
	}
}

func TestHostileAnswerIsRefusedWith502(t *testing.T) {
	tests := []struct{ rule, head string }{
		{"no HTTP/0.9", "<html>hello</html>\r\n\r\n"},
		{"4 version", "HTTP/0.9 200 OK\r\n\r\n"},
		{"4 version 2", "HTTP/2 200 OK\r\n\r\n"},
		{"4 lower case", "http/1.1 200 OK\r\n\r\n"},
		{"4 blank first", " HTTP/1.1 200 OK\r\n\r\n"},
		{"4 empty line first", "\r\nHTTP/1.1 200 OK\r\n\r\n"},
		{"4 two digits", "HTTP/1.1 20 OK\r\n\r\n"},
		{"4 four digits", "HTTP/1.1 2000 OK\r\n\r\n"},
		{"4 sign", "HTTP/1.1 -20 OK\r\n\r\n"},
		{"9110 15: 099", "HTTP/1.1 099 OK\r\n\r\n"},
		{"9110 15: 600", "HTTP/1.1 600 OK\r\n\r\n"},
		{"4 tab", "HTTP/1.1\t200 OK\r\n\r\n"},
		{"4 CTL in the reason", "HTTP/1.1 200 O\x01K\r\n\r\n"},
		{"4 CR in the reason", "HTTP/1.1 200 O\rX-A: b\r\n\r\n"},
		{"2.2 bare LF", "HTTP/1.1 200 OK\nX-A: b\n\n"},
		{"2.2 bare LF in a field", "HTTP/1.1 200 OK\r\nX-A: b\nX-B: c\r\n\r\n"},
		{"5.2 fold", "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\n\r\n"},
		{"5.1 blank before the colon", "HTTP/1.1 200 OK\r\nX-A : b\r\n\r\n"},
		{"5 no colon", "HTTP/1.1 200 OK\r\nnocolon\r\n\r\n"},
		{"5 no name", "HTTP/1.1 200 OK\r\n: b\r\n\r\n"},
		{"9110 5.1 name", "HTTP/1.1 200 OK\r\nX\xe9: b\r\n\r\n"},
		{"9110 5.5 NUL", "HTTP/1.1 200 OK\r\nX-A: b\x00\r\n\r\n"},
		{"6.3 length", "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n"},
		{"6.3 empty length", "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n"},
		{"6.3 lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"},
		{"6.3 equal lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"},
		{"6.1 both", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"6.1 other coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"},
		{"7.1 twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"},
		{"6.1 coding in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"endless line", "HTTP/1.1 200 " + strings.Repeat("a", 1<<16)},
		{"endless head", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("b", 2000)+"\r\n", 40)},
		{"endless fields", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: b\r\n", 200)},
	}
	for _, tt := range tests {
		for _, step := range []int{7, len(tt.head)} {
			_, _, err := parseResponse([]byte(tt.head), step)
			var refused *Error
			if !errors.As(err, &refused) || refused.Status != 502 {
				t.Errorf("%s, step %d: %v, want a 502", tt.rule, step, err)
			}
		}
	}
}

func TestAnswerThatIsNoHTTPIsRefusedAtItsFirstByte(t *testing.T) {
	if _, _, err := parseResponse([]byte("<"), 1); err == ErrIncomplete || err == nil {
		t.Error(err)
	}
}

func TestInterimAnswersAreReadOneAfterTheOther(t *testing.T) {
	wire := []byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	var r Response
	var seen []int
	for len(wire) > 0 {
		n, err := r.Parse(wire, nil)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, r.Status)
		wire = wire[n:]
	}
	if !slices.Equal(seen, []int{100, 103, 200}) || len(r.Fields) != 1 {
		t.Errorf("%v, %d fields", seen, len(r.Fields))
	}
}

func TestAnswerFieldsThatDoNotGoOn(t *testing.T) {
	tests := []struct {
		head string
		want []string
	}{
		{"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: a\r\nTE: a\r\nTrailer: a\r\nUpgrade: h2\r\nX-A: 1\r\n", []string{"X-A: 1"}},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX_A: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n", []string{"X_A: 1", "Set-Cookie: a", "Set-Cookie: b"}},
		{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\n", []string{"X-A: 1"}},
	}
	for _, tt := range tests {
		r, _, err := parseResponse([]byte(tt.head+"\r\n"), 1000)
		if err != nil {
			t.Fatal(err)
		}
		if got := forwardable(r.Fields); !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.head, got, tt.want)
		}
	}
}

func TestConnectionCannotNameTheLengthAway(t *testing.T) {
	r, _, err := parseResponse([]byte("HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 5\r\n\r\n"), 1000)
	if err != nil || r.ContentLength != 5 {
		t.Errorf("%d, %v", r.ContentLength, err)
	}
}

func TestUpgradeAnswer(t *testing.T) {
	r, _, err := parseResponse([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), 1)
	if err != nil || string(r.Upgrade) != "websocket" {
		t.Errorf("%q, %v", r.Upgrade, err)
	}
}

func TestParseOfWarmResponseAllocatesNothing(t *testing.T) {
	for _, head := range []string{appAnswer, "HTTP/1.1 200 OK\r\nX : b\r\n\r\n", "garbage"} {
		wire := []byte(head)
		var r Response
		if n := testing.AllocsPerRun(100, func() {
			r.Reset()
			_, _ = r.Parse(wire, nil)
		}); n != 0 {
			t.Errorf("%.20q: %v allocations", head, n)
		}
	}
}
