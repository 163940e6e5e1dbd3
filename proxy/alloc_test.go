package proxy

import (
	"net"
	"testing"
)

// browserGet is a request as a browser sends it, of about 560 bytes.
const browserGet = "GET /index.html?x=1 HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9,de;q=0.8\r\nCookie: sessionid=0123456789abcdef; csrftoken=fedcba9876543210\r\n" +
	"Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nCache-Control: max-age=0\r\n\r\n"

const quickAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 11\r\nX-Frame-Options: DENY\r\n\r\nhello world"

// quickBackend answers every head with the same bytes, without allocating.
func quickBackend(t testing.TB) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf, text := make([]byte, 8192), []byte(quickAnswer)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					c.Write(text)
				}
			}()
		}
	}()
	return ln.Addr().String()
}

func TestProxiedRequestAllocatesNothingOfItsOwn(t *testing.T) {
	many := 1 << 30
	r := newRig(t, func(c *Config) {
		toUpstream(8, quickBackend(t))(c)
		c.Servers[0].KeepaliveRequests = &many
	})
	c := r.dial()
	request, buf := []byte(browserGet), make([]byte, 4096)
	once := func() {
		c.Write(request)
		if n, err := c.Read(buf); n == 0 || err != nil {
			t.Fatalf("read: %d, %v", n, err)
		}
	}
	for range 100 {
		once()
	}
	if n := testing.AllocsPerRun(2000, once); n > 0 && !raceEnabled {
		t.Errorf("%v allocations a request, want none", n)
	}
}

func TestChoosingAmongServersAllocatesNothing(t *testing.T) {
	many := 1 << 30
	for name, change := range map[string]func(*Upstream){
		"in turn":    func(*Upstream) {},
		"least_conn": func(u *Upstream) { u.LeastConn = true },
		"ip_hash":    func(u *Upstream) { u.IPHash = true },
		"hash":       func(u *Upstream) { u.Hash = "$request_uri$arg_x" },
		"consistent": func(u *Upstream) { u.Hash = "$request_uri consistent" },
	} {
		r := newRig(t, func(c *Config) {
			toUpstream(8, quickBackend(t)+" weight=2", quickBackend(t)+" max_conns=50", quickBackend(t))(c)
			u := c.Upstreams["up"]
			u.KeepaliveRequests = many
			change(&u)
			c.Upstreams["up"] = u
			c.Servers[0].KeepaliveRequests = &many
		})
		c := r.dial()
		request, buf := []byte(browserGet), make([]byte, 4096)
		once := func() {
			c.Write(request)
			if n, err := c.Read(buf); n == 0 || err != nil {
				t.Fatalf("read: %d, %v", n, err)
			}
		}
		for range 100 {
			once()
		}
		if n := testing.AllocsPerRun(1000, once); n > 1 && !raceEnabled {
			t.Errorf("%s: %v allocations a request, want none but the poller's", name, n)
		}
	}
}
