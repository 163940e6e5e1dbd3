package proxy

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"paddock/internal/value"
)

// noise is n bytes, each of which matters.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// answersWith is a backend that sends these bytes as one answer and tells how long each
// took it.
func answersWith(body []byte, took chan<- time.Duration) func(net.Conn, request) bool {
	return func(c net.Conn, _ request) bool {
		begun := time.Now()
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(body))
		c.Write(body)
		took <- time.Since(begun)
		return false
	}
}

// slowReader asks for /, and reads nothing yet.
func (r *rig) slowReader() net.Conn {
	c := r.dial()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	return c
}

// bodyOf reads an answer to its end.
func bodyOf(t *testing.T, c io.Reader) []byte {
	t.Helper()
	all, err := io.ReadAll(c)
	must(t, err)
	head, body, ok := bytes.Cut(all, []byte("\r\n\r\n"))
	if !ok || !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		t.Fatalf("got %.100q", all)
	}
	return body
}

func TestSlowReaderHoldsNoWorker(t *testing.T) {
	body := noise(8 << 20)
	for name, change := range map[string]func(*Config){
		"in memory and on disk": nil,
		"in memory alone":       func(c *Config) { c.Servers[0].ProxyBuffers = &value.Buffers{Number: 16, Size: 1 << 20} },
		"on disk alone":         func(c *Config) { c.Servers[0].ProxyBuffers = &value.Buffers{Number: 1, Size: 1} },
	} {
		t.Run(name, func(t *testing.T) {
			took := make(chan time.Duration, 8)
			r := newRig(t, change)
			r.backend(1, answersWith(body, took))
			r.ready(1, 1)
			first := r.slowReader()
			<-took // all of it was taken from the app, though nobody has read
			r.waitFor("the app's one place is free", func(s Stats) bool { return s.Upstreams["web"].InFlight == 0 })
			second := r.slowReader()
			<-took
			for _, c := range []net.Conn{first, second} {
				if got := bodyOf(t, c); !bytes.Equal(got, body) {
					t.Errorf("got %d bytes, want %d that are the same", len(got), len(body))
				}
			}
			r.waitFor("no temporary file", func(s Stats) bool { return s.SpoolBytes == 0 && s.Connections == 0 })
			wantLines(t, r, fmt.Sprintf(`"GET / HTTP/1.1" 200 %d "unix:web.1.sock" "200" OK`, len(body)), fmt.Sprintf(`"GET / HTTP/1.1" 200 %d "unix:web.1.sock" "200" OK`, len(body)))
		})
	}
}

func TestAnswerBeyondItsBoundsSlowsTheAppDown(t *testing.T) {
	body := noise(8 << 20)
	none, some := value.Size(0), value.Size(1<<20)
	full := func(c *Config) { c.MaxTempSize = 1 << 20 }
	for name, change := range map[string]func(*Config){
		"proxy_buffering = false":       func(c *Config) { c.Servers[0].ProxyBuffering = new(false) },
		"proxy_max_temp_file_size = 0":  func(c *Config) { c.Servers[0].ProxyMaxTempFileSize = &none },
		"proxy_max_temp_file_size = 1m": func(c *Config) { c.Servers[0].ProxyMaxTempFileSize = &some },
		"max_temp_size":                 full,
	} {
		t.Run(name, func(t *testing.T) {
			took := make(chan time.Duration, 8)
			r := newRig(t, change)
			r.backend(1, answersWith(body, took))
			r.ready(1, 1)
			c := r.slowReader()
			r.waitFor("the request is with the app", func(s Stats) bool { return s.Upstreams["web"].InFlight == 1 })
			if used := r.proxy.Stats().SpoolBytes; used > 1<<20 {
				t.Errorf("%d bytes in temporary files", used)
			}
			if got := bodyOf(t, c); !bytes.Equal(got, body) {
				t.Errorf("got %d bytes, want %d that are the same", len(got), len(body))
			}
			<-took
			if used := r.proxy.Stats().SpoolBytes; used != 0 {
				t.Errorf("%d bytes are left in temporary files", used)
			}
		})
	}
}

func TestFullDiskCostsASlowReaderNothingButTime(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"))
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	body := noise(8 << 20)
	took := make(chan time.Duration, 8)
	r := newRig(t, func(c *Config) { c.TempDir = dir })
	r.backend(1, answersWith(body, took))
	r.ready(1, 1)
	c := r.slowReader()
	if got := bodyOf(t, c); !bytes.Equal(got, body) {
		t.Errorf("got %d bytes, want %d that are the same", len(got), len(body))
	}
	// A request's body has no other way: it is refused, and the next one is not.
	post := fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", 900_000)
	fill := r.dial()
	io.WriteString(fill, post)
	fill.Write(body[:600_000]) // held in the file
	r.waitFor("a file", func(s Stats) bool { return s.SpoolBytes > 500_000 })
	got, _ := r.raw(post + string(body[:900_000]))
	if !strings.HasPrefix(got, "HTTP/1.1 503 ") {
		t.Errorf("a body without room on the disk: %.60q", got)
	}
	fill.Close()
	r.waitFor("no file", func(s Stats) bool { return s.SpoolBytes == 0 })
	if got, _ := r.raw(post + string(body[:900_000])); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("with room again: %.60q", got)
	}
}

func TestBytesOfABufferedAnswerComeAsTheAppSendsThem(t *testing.T) {
	r := newRig(t, nil)
	step := make(chan string)
	r.backend(1, func(c net.Conn, _ request) bool {
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		for text := range step {
			io.WriteString(c, text)
		}
		return false
	})
	r.ready(1, 0)
	c := r.dial()
	io.WriteString(c, "GET / HTTP/1.0\r\nHost: a\r\n\r\n")
	buf := make([]byte, 4096)
	for _, text := range []string{"", "event: 1\n\n", "event: 2\n\n", strings.Repeat("x", 1000)} {
		if text != "" {
			step <- text
		}
		var got []byte
		for !bytes.HasSuffix(got, []byte(text)) || len(got) == 0 {
			n, err := c.Read(buf)
			must(t, err)
			got = append(got, buf[:n]...)
		}
	}
	close(step)
	if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
		t.Errorf("behind the last: %q, %v", rest, err)
	}
}

func TestSlowReaderThatGoesOnReadingIsNotCut(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Servers[0].SendTimeout = duration(300 * time.Millisecond) })
	body := noise(2 << 20)
	took := make(chan time.Duration, 8)
	r.backend(1, answersWith(body, took))
	r.ready(1, 1)
	c := r.slowReader()
	<-took
	var got []byte
	tick := time.NewTicker(30 * time.Millisecond) // in all it takes longer than send_timeout
	defer tick.Stop()
	for range 20 {
		<-tick.C
		part := make([]byte, 64<<10)
		n, err := io.ReadFull(c, part)
		must(t, err)
		got = append(got, part[:n]...)
	}
	rest, err := io.ReadAll(c)
	must(t, err)
	if _, all, _ := bytes.Cut(append(got, rest...), []byte("\r\n\r\n")); !bytes.Equal(all, body) {
		t.Errorf("got %d bytes, want %d that are the same", len(all), len(body))
	}
}

func TestReaderThatTakesNothingIsCutAndItsFileGone(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Servers[0].SendTimeout = duration(100 * time.Millisecond) })
	body := noise(8 << 20)
	took := make(chan time.Duration, 8)
	r.backend(1, answersWith(body, took))
	r.ready(1, 1)
	c := r.slowReader()
	<-took
	r.waitFor("the connection ends", func(s Stats) bool { return s.Connections == 0 && s.SpoolBytes == 0 })
	if got, err := io.ReadAll(c); err == nil && len(got) >= len(body) {
		t.Error("the client has all")
	}
}
