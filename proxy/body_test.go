package proxy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"paddock/internal/value"
)

func TestAppGetsTheWholeBodyWithItsLength(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 64<<10) // 1 MiB: to a file
	cases := []struct{ name, head, wire, body string }{
		{"length", "Content-Length: 3", "abc", "abc"},
		{"length 0", "Content-Length: 0", "", ""},
		{"chunked", "Transfer-Encoding: chunked", "1;e\r\na\r\n2\r\nbc\r\n0\r\nX: y\r\n\r\n", "abc"},
		{"chunked, empty", "Transfer-Encoding: chunked", "0\r\n\r\n", ""},
		{"20 KB", "Content-Length: 20000", big[:20000], big[:20000]},
		{"in a file", "Content-Length: 1048576", big, big},
		{"chunked in a file", "Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(big)-1, big[1:]), big[1:]},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, nil)
			b := r.backend(1, echo)
			r.ready(1, 0)
			client := r.dial()
			go io.WriteString(client, "POST /p HTTP/1.1\r\nHost: a\r\n"+c.head+"\r\n\r\n"+c.wire+"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
			br := bufio.NewReader(client)
			if status, body := readAnswer(t, br, "POST"); status != 200 || body != "/p"+c.body {
				t.Fatalf("got %d and %d bytes, want %d", status, len(body), len(c.body)+2)
			}
			if status, body := readAnswer(t, br, "GET"); status != 200 || body != "/next" {
				t.Fatalf("next request: %d %q", status, body)
			}
			want := fmt.Sprintf("Content-Length: %d\r\n", len(c.body))
			if head := b.seen()[0].head; !strings.Contains(head, want) || strings.Contains(head, "chunked") {
				t.Errorf("app got %q, want %q", head, want)
			}
			if used := r.proxy.Stats().SpoolBytes; used != 0 {
				t.Errorf("%d bytes are left in temporary files", used)
			}
		})
	}
}

func TestBodyOverTheLimitIsRefusedWithoutTheApp(t *testing.T) {
	limit := value.Size(10)
	for _, request := range []string{
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n6\r\nabcdef\r\n",
	} {
		r := newRig(t, func(c *Config) { c.Servers[0].ClientMaxBodySize = &limit })
		b := r.backend(1, echo)
		r.ready(1, 0)
		client := r.dial()
		io.WriteString(client, request)
		if status, _ := readAnswer(t, bufio.NewReader(client), "POST"); status != 413 {
			t.Errorf("%q: %d, want 413", request, status)
		}
		client.Close()
		wantLines(t, r, `"POST / HTTP/1.1" 413 178 "-" "-" OK`)
		if n := len(b.seen()); n != 0 {
			t.Errorf("%q: the app got %d requests", request, n)
		}
	}
}

func TestBodyOfZeroLimitIsNotChecked(t *testing.T) {
	limit := value.Size(0)
	r := newRig(t, func(c *Config) { c.Servers[0].ClientMaxBodySize = &limit })
	r.backend(1, echo)
	r.ready(1, 0)
	body := strings.Repeat("x", 2<<20)
	got, _ := r.raw("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2097152\r\n\r\n" + body)
	if !strings.HasSuffix(got, body) {
		t.Errorf("got %d bytes", len(got))
	}
}

func TestExpectIsAnsweredOnlyWhenTheBodyIsWanted(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Servers[0].App = ""
		c.Servers[0].Location = []Location{{Path: "/", ProxyPass: "http://web"}, {Path: "/no", Return: "403"}}
	})
	b := r.backend(1, echo)
	r.ready(1, 0)
	client := r.dial()
	br := bufio.NewReader(client)
	io.WriteString(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
	if got := readHead(t, br); got != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Fatalf("got %q", got)
	}
	io.WriteString(client, "abc")
	if status, body := readAnswer(t, br, "POST"); status != 200 || body != "/abc" {
		t.Errorf("got %d %q", status, body)
	}
	if head := b.seen()[0].head; strings.Contains(head, "Expect") {
		t.Errorf("the app got %q", head)
	}
	io.WriteString(client, "POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
	if got := readHead(t, br); !strings.HasPrefix(got, "HTTP/1.1 403 ") || !strings.Contains(got, "Connection: close") {
		t.Errorf("got %q", got)
	}
	client.Close()
	// The 25 bytes of the 100 count as nginx counts them.
	wantLines(t, r, `"POST / HTTP/1.1" 200 29 "unix:web.1.sock" "200" OK`, `"POST /no HTTP/1.1" 403 148 "-" "-" OK`)
}

func TestFullSpoolRefusesOneRequest(t *testing.T) {
	r := newRig(t, nil)
	r.backend(1, echo)
	r.ready(1, 0)
	r.proxy.spool.limit.Store(100_000)
	big := "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n" + strings.Repeat("x", 200000)
	if got, _ := r.raw(big); !strings.HasPrefix(got, "HTTP/1.1 503 ") || !strings.Contains(got, "Retry-After: 5\r\n") {
		t.Errorf("got %.80q", got)
	}
	if status, _ := r.get("/"); status != 200 {
		t.Errorf("another request: %d", status)
	}
	if used := r.proxy.Stats().SpoolBytes; used != 0 {
		t.Errorf("%d bytes are left in temporary files", used)
	}
}

func TestSlowBodiesHoldNoApp(t *testing.T) {
	r := newRig(t, nil)
	b := r.backend(1, echo)
	r.ready(1, 1)
	const slow, quick = 50, 100
	for range slow {
		io.WriteString(r.dial(), "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx")
	}
	start := time.Now()
	for i := range quick {
		if status, _ := r.get("/quick"); status != 200 {
			t.Fatalf("request %d: %d", i, status)
		}
	}
	t.Logf("%d sent beside %d slow bodies, %d answered, 0 failed in %v", quick, slow, quick, time.Since(start))
	if n := len(b.seen()); n != quick {
		t.Errorf("the app got %d requests, want %d", n, quick)
	}
}

// C10: what a client packed is the app's to unpack; the limit is on the bytes of the wire.
func TestPackedBodyGoesOnAsItIs(t *testing.T) {
	r := newStrictRig(t, nil)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write(make([]byte, 64<<20))
	must(t, err)
	must(t, z.Close())
	q := r.passes("64 MB of zeros", fmt.Sprintf("POST /p HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", packed.Len(), packed.String()))
	if q.body != packed.String() || strings.Join(q.values("content-encoding"), "") != "gzip" {
		t.Errorf("the app got %d bytes of %d: %q", len(q.body), packed.Len(), q.head)
	}
}
