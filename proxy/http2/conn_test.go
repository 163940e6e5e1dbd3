package http2

import (
	"strings"
	"testing"
)

func TestRequestIsHandedOverAsHead(t *testing.T) {
	p := dial(t, Config{}, echo)
	must(t, p.open(1, p.get("/a?b", "x-one", "1", "cookie", "a=b", "cookie", "c=d", "te", "trailers"), true))
	fields, body := p.answer(1)
	want := "GET /a?b HTTP/1.1\r\nhost: a.test\r\nx-one: 1\r\ncookie: a=b\r\ncookie: c=d\r\nte: trailers\r\n\r\n"
	if body != want {
		t.Errorf("got %q, want %q", body, want)
	}
	var got strings.Builder
	for _, f := range fields {
		got.WriteString(f[0] + "=" + f[1] + " ")
	}
	if got.String() != ":status=200 server=test x-odd=v " {
		t.Errorf("answer %s", got.String())
	}
}
