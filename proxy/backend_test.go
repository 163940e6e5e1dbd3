package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// backend is an app: handle gets each connection with the request's head and body
// read, and writes the answer. It returns false to close the connection.
type backend struct {
	t        *testing.T
	ln       net.Listener
	handle   func(c net.Conn, req request) bool
	mu       sync.Mutex
	requests []request
	open     int
	wg       sync.WaitGroup
}

type request struct {
	head string // as received, with its last empty line
	body string
}

func (q request) target() string {
	line, _, _ := strings.Cut(q.head, "\r\n")
	return strings.Fields(line)[1]
}

func (r *rig) backend(generation int, handle func(c net.Conn, req request) bool) *backend {
	r.t.Helper()
	ln, err := net.Listen("unix", filepath.Join(r.dir, socketName(generation)))
	must(r.t, err)
	return serveBackend(r.t, ln, handle)
}

func serveBackend(t *testing.T, ln net.Listener, handle func(c net.Conn, req request) bool) *backend {
	b := &backend{t: t, ln: ln, handle: handle}
	b.wg.Go(b.accept)
	t.Cleanup(func() { ln.Close(); b.wg.Wait() })
	return b
}

func (b *backend) accept() {
	for {
		c, err := b.ln.Accept()
		if err != nil {
			return
		}
		b.wg.Go(func() { b.serve(c) })
	}
}

func (b *backend) serve(c net.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(testTimeout))
	b.count(1)
	defer b.count(-1)
	br := bufio.NewReader(c)
	for {
		req, err := readRequest(br)
		if err != nil {
			return
		}
		b.mu.Lock()
		b.requests = append(b.requests, req)
		b.mu.Unlock()
		if !b.handle(c, req) {
			return
		}
	}
}

func (b *backend) count(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open += n
}

func (b *backend) seen() []request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]request(nil), b.requests...)
}

func readRequest(br *bufio.Reader) (request, error) {
	var head bytes.Buffer
	length := 0
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return request{}, err
		}
		head.WriteString(line)
		if n, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			fmt.Sscan(n, &length)
		}
		if line == "\r\n" {
			break
		}
	}
	body := make([]byte, length)
	_, err := io.ReadFull(br, body)
	return request{head.String(), string(body)}, err
}

// answers returns a handler that writes text to every request and closes.
func answers(text string) func(net.Conn, request) bool {
	return func(c net.Conn, _ request) bool {
		io.WriteString(c, text)
		return false
	}
}

func ok(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}
