package proxy

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"paddock/internal/value"
)

func TestRule14BodyThatComesTooSlowlyIsRefused(t *testing.T) {
	rate := value.Size(1000)
	cases := []struct {
		name  string
		rate  *value.Size
		part  int // bytes each 20 ms, 75 times
		wants string
	}{
		{"slower than the rate", &rate, 1, `"POST / HTTP/1.1" 408 0 "-" "-" `},
		{"faster than the rate", &rate, 200, `"POST / HTTP/1.1" 200 1 "unix:web.1.sock" "200" OK`},
		{"no rate is asked for", nil, 1, `"POST / HTTP/1.1" 200 1 "unix:web.1.sock" "200" OK`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(cfg *Config) {
				cfg.Servers[0].ClientBodyTimeout = duration(time.Second)
				cfg.Servers[0].ClientBodyMinRate = c.rate
			})
			r.backend(1, answers(ok("x")))
			r.ready(1, 0)
			client := r.dial()
			fmt.Fprintf(client, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", 75*c.part)
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for range 75 {
				<-tick.C
				if _, err := io.WriteString(client, strings.Repeat("x", c.part)); err != nil {
					break // refused
				}
			}
			io.Copy(io.Discard, client)
			wantLines(t, r, c.wants)
		})
	}
}
