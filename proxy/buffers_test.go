package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"paddock/internal/value"
)

func TestHeadOfARequestMayHaveWhatItsBuffersHold(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Servers[0].LargeHeaderBuffers = &value.Buffers{Number: 8, Size: 64 << 10}
	})
	r.backend(1, func(c net.Conn, q request) bool {
		body := fmt.Sprint(len(q.head))
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		return true
	})
	r.ready(1, 0)
	field := func(i, n int) string { return fmt.Sprintf("X-%d: %s\r\n", i, strings.Repeat("x", n)) }
	fits, over, line := "", "", field(1, 64<<10)
	for i := range 7 {
		fits += field(i, 60<<10)
		over += field(i, 60<<10)
	}
	over += field(7, 60<<10) + field(8, 60<<10)
	for name, c := range map[string]struct {
		fields string
		want   int
	}{"fits": {fits, 200}, "one line too long": {line, 400}, "all too long": {over, 400}} {
		client := r.dial()
		go io.WriteString(client, "GET / HTTP/1.1\r\nHost: a\r\n"+c.fields+"Connection: close\r\n\r\n")
		status, body := readAnswer(t, bufio.NewReader(client), "GET")
		if status != c.want || c.want == 200 && body < "4" {
			t.Errorf("%s: %d %.40q, want %d", name, status, body, c.want)
		}
		client.Close()
	}
	if status, _ := r.get("/small"); status != 200 {
		t.Errorf("a small one afterwards: %d", status)
	}
}

func TestHeadOfAnAnswerFitsIntoProxyBufferSize(t *testing.T) {
	long := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: " + strings.Repeat("x", 10<<10) + "\r\n\r\nok"
	large := value.Size(16 << 10)
	for want, change := range map[int]func(*Config){
		502: nil,
		200: func(c *Config) { c.Servers[0].ProxyBufferSize = &large },
	} {
		r := newRig(t, change)
		r.backend(1, answers(long))
		r.ready(1, 0)
		if status, _ := r.get("/"); status != want {
			t.Errorf("%d, want %d", status, want)
		}
	}
}

// A client that still sends when it has its answer: what is done with its bytes.
func TestLingeringCloseSwallowsWhatAClientStillSends(t *testing.T) {
	const body = 64 << 20
	for mode, swallowed := range map[string]bool{"on": true, "always": true, "off": false} {
		r := newRig(t, func(c *Config) {
			c.Servers[0].LingeringClose = &mode
			c.Servers[0].ClientMaxBodySize = new(value.Size(10))
		})
		r.backend(1, echo)
		r.ready(1, 0)
		client := r.dial()
		fmt.Fprintf(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", body)
		_, err := client.Write(make([]byte, body)) // more than sockets hold: somebody must read it, or close
		if (err == nil) != swallowed {
			t.Errorf("%s: the client's write ended with %v", mode, err)
		}
		if swallowed {
			if status, _ := readAnswer(t, bufio.NewReader(client), "POST"); status != 413 {
				t.Errorf("%s: %d, want 413", mode, status)
			}
		}
		client.Close()
		r.waitFor("the connection ends", func(s Stats) bool { return s.Connections == 0 })
	}
}

func TestBodyBehindAHeadThatFillsItsBufferIsRead(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Servers[0].LargeHeaderBuffers = &value.Buffers{Number: 8, Size: 64 << 10} })
	b := r.backend(1, answers(ok("got it")))
	r.ready(1, 0)
	head := "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\nA: " + strings.Repeat("a", 50<<10) + "\r\nB: "
	head += strings.Repeat("b", 2*clientBufferSize-len(head)-len("\r\n\r\n")) + "\r\n\r\n"
	if got, _ := r.raw(head + "hello"); !strings.HasSuffix(got, "got it") {
		t.Errorf("got %.100q", got)
	}
	if seen := b.seen(); len(seen) != 1 || seen[0].body != "hello" {
		t.Errorf("the app saw %d requests", len(seen))
	}
}
