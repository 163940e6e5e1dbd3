package http1

import "testing"

func TestWriters(t *testing.T) {
	tests := []struct {
		what, want string
		got        []byte
	}{
		{"request line", "GET /a?b HTTP/1.1\r\n", AppendRequestLine(nil, "GET", []byte("/a?b"))},
		{"status line", "HTTP/1.1 404 Not Found\r\n", AppendStatusLine(nil, 404, StatusText(404))},
		{"status line without reason", "HTTP/1.1 418 \r\n", AppendStatusLine(nil, 418, StatusText(418))},
		{"reason of an upstream", "HTTP/1.1 200 Fine\r\n", AppendStatusLine(nil, 200, []byte("Fine"))},
		{"field", "X-A: b\r\n", AppendField(nil, []byte("X-A"), "b")},
		{"field with a tab", "X-A: b\tc\r\n", AppendField(nil, "X-A", "b\tc")},
		{"field with a line end", "X-A: b  X-B: c \r\n", AppendField(nil, "X-A", "b\r\nX-B: c\x00")},
		{"field with a late line end", "X-A: 0123456789 X\r\n", AppendField(nil, "X-A", []byte("0123456789\nX"))},
		{"8-bit field", "X-A: caf\xc3\xa9 \xff\x80\r\n", AppendField(nil, "X-A", "caf\xc3\xa9 \xff\x80")},
		{"number", "Content-Length: 9223372036854775807\r\n", AppendIntField(nil, "Content-Length", 1<<63-1)},
		{"end", "\r\n", AppendEnd(nil)},
		{"chunk", "1f4\r\n", AppendChunkHeader(nil, 500)},
	}
	for _, tt := range tests {
		if string(tt.got) != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, tt.got, tt.want)
		}
	}
}

func TestWritersAppend(t *testing.T) {
	dst := AppendEnd(AppendField(AppendStatusLine([]byte("^"), 200, "OK"), "A", "b\n"))
	if want := "^HTTP/1.1 200 OK\r\nA: b \r\n\r\n"; string(dst) != want {
		t.Errorf("%q", dst)
	}
}

func TestFirstBadFindsEveryByteAtEveryPlace(t *testing.T) {
	for b := range 256 {
		for at := range 20 {
			v := []byte("aaaaaaaaaaaaaaaaaaaa")
			v[at] = byte(b)
			want := -1
			if b < 0x20 && b != '\t' || b == 0x7f {
				want = at
			}
			if got := firstBad(v); got != want {
				t.Fatalf("byte %#x at %d: %d, want %d", b, at, got, want)
			}
		}
	}
	if IsValue("a\nb") || !IsValue("a\tb") || IsToken("") || IsToken("a b") || !IsToken("X-A") {
		t.Error("IsValue or IsToken")
	}
}

func TestStatusTextIsThatOfNginx(t *testing.T) {
	for status, want := range map[int]string{
		200: "OK", 302: "Moved Temporarily", 405: "Not Allowed", 408: "Request Time-out", 413: "Request Entity Too Large",
		414: "Request-URI Too Large", 499: "", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out", 0: "", -1: "", 999: "",
	} {
		if got := StatusText(status); got != want {
			t.Errorf("%d: %q, want %q", status, got, want)
		}
	}
}

func TestWritersAllocateNothing(t *testing.T) {
	dst := make([]byte, 0, 1024)
	name, value := []byte("X-A"), []byte("b")
	if n := testing.AllocsPerRun(100, func() {
		out := AppendRequestLine(dst, name, value)
		out = AppendStatusLine(out, 200, "OK")
		out = AppendField(out, name, value)
		out = AppendIntField(out, "Content-Length", 123456)
		_ = AppendChunkHeader(out, 123456)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
