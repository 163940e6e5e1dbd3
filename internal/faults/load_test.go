package faults

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// load sends requests to addr until it is stopped, some on kept-alive connections,
// some each on a connection of its own, a fifth of them POSTs, a tenth with a streamed answer. Nothing is sent
// twice: a reset on a reused connection counts, as a POST client would feel it.
// A request fails when it cannot connect, is reset, gets a 5xx, a short or wrong
// body, or takes over limit.
type load struct {
	addr   string
	keep   int           // goroutines with a kept-alive connection
	fresh  int           // goroutines with a new connection for each request
	pause  time.Duration // between two requests of one goroutine
	limit  time.Duration // 5 s unless set
	header string        // a field of each request, with its CRLF

	stop    chan struct{}
	workers sync.WaitGroup
	begun   time.Time

	mu      sync.Mutex
	next    int
	sent    int
	ok      int
	inAir   int
	fails   map[string]int
	slowest time.Duration
	last    time.Time // of the last failure
}

const bodySize = 8192

func (l *load) start() *load {
	l.stop, l.fails, l.begun = make(chan struct{}), map[string]int{}, time.Now()
	if l.limit == 0 {
		l.limit = 5 * time.Second
	}
	if l.pause == 0 {
		l.pause = 20 * time.Millisecond
	}
	for range l.keep {
		l.workers.Go(func() { l.run(true) })
	}
	for range l.fresh {
		l.workers.Go(func() { l.run(false) })
	}
	return l
}

// finish stops the load, waits for what is in the air and prints the figures.
func (l *load) finish(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.workers.Wait()
	t.Logf("%s: %d sent, %d answered, %d failed %v, slowest %v, %v", t.Name(), l.sent, l.ok, l.failed(), l.kinds(), l.slowest.Round(time.Millisecond), time.Since(l.begun).Round(time.Second))
	if l.sent == 0 || l.sent != l.ok+l.failed() {
		t.Errorf("the load does not add up: %d sent, %d answered, %d failed", l.sent, l.ok, l.failed())
	}
}

func (l *load) failed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := 0
	for _, n := range l.fails {
		sum += n
	}
	return sum
}

func (l *load) kinds() []string {
	var out []string
	for k, n := range l.fails {
		out = append(out, fmt.Sprintf("%s: %d", k, n))
	}
	sort.Strings(out)
	return out
}

func (l *load) run(keep bool) {
	var c *client
	defer func() { c.close() }()
	tick := time.NewTicker(l.pause)
	defer tick.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-tick.C:
		}
		if !keep || c.gone() {
			c.close()
			c = nil
		}
		c = l.one(c)
	}
}

// one sends one request, on c when that is not nil, and returns the connection
// if it can be used again.
func (l *load) one(c *client) *client {
	l.mu.Lock()
	l.next++
	n := l.next
	l.sent++
	l.inAir++
	l.mu.Unlock()
	kind, begun := "new", time.Now()
	if c != nil {
		kind = "kept"
	}
	c, err := l.exchange(c, n)
	took := time.Since(begun)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inAir--
	l.slowest = max(l.slowest, took)
	if err == nil {
		l.ok++
		return c
	}
	l.fails[kind+" "+err.Error()]++
	l.last = time.Now()
	c.close()
	return nil
}

func (l *load) exchange(c *client, n int) (*client, error) {
	if c == nil {
		var err error
		if c, err = dial(l.addr, l.limit); err != nil {
			return nil, reason(err)
		}
	}
	c.SetDeadline(time.Now().Add(l.limit))
	path := "/load/" + strconv.Itoa(n)
	want, request := path, "GET "+path+" HTTP/1.1\r\nHost: a.test\r\n"+l.header+"\r\n"
	switch {
	case n%10 == 1:
		want = strings.Repeat("x", 16*4096)
		request = "GET " + path + "/long HTTP/1.1\r\nHost: a.test\r\n" + l.header + "\r\n"
	case n%5 == 0:
		want = strconv.Itoa(bodySize)
		request = "POST " + path + " HTTP/1.1\r\nHost: a.test\r\n" + l.header + "Content-Length: " + want + "\r\n\r\n" + strings.Repeat("x", bodySize)
	}
	if _, err := io.WriteString(c, request); err != nil {
		return c, reason(err)
	}
	a, err := c.answer("GET")
	switch {
	case err != nil:
		return c, reason(err)
	case a.status >= 500:
		return c, fmt.Errorf("answered %d", a.status)
	case string(a.body) != want:
		return c, fmt.Errorf("wrong body (status %d)", a.status)
	case a.closes:
		c.close()
		return nil, nil
	}
	return c, nil
}

// reason shortens an error to what makes it a kind.
func reason(err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("took too long")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("closed by the server")
	case errors.As(err, &errno):
		return errno
	}
	return err
}

// client is one connection of a test: raw, no retries.
type client struct {
	net.Conn
	r *bufio.Reader
}

// reply is one answer.
type reply struct {
	status int
	head   string
	body   []byte
	closes bool
}

func dial(addr string, limit time.Duration) (*client, error) {
	c, err := net.DialTimeout("tcp", addr, limit)
	if err != nil {
		return nil, err
	}
	return &client{Conn: c, r: bufio.NewReader(c)}, nil
}

func (c *client) close() {
	if c != nil {
		c.Close()
	}
}

// gone reports whether the server has closed an idle connection, or there is none.
func (c *client) gone() bool {
	if c == nil {
		return true
	}
	raw, err := c.Conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		gone = n >= 0 && err == nil || err != nil && err != syscall.EAGAIN
		return true
	})
	return gone || err != nil
}

// answer reads one answer, strict about its framing.
func (c *client) answer(method string) (reply, error) {
	var a reply
	var head bytes.Buffer
	length, chunked := -1, false
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return a, err
		}
		head.WriteString(line)
		if line == "\r\n" {
			break
		}
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "content-length":
			if length, err = strconv.Atoi(value); err != nil {
				return a, err
			}
		case "transfer-encoding":
			chunked = true
		case "connection":
			a.closes = strings.EqualFold(value, "close")
		}
	}
	a.head = head.String()
	if _, err := fmt.Sscanf(a.head, "HTTP/1.1 %d", &a.status); err != nil {
		return a, fmt.Errorf("no status line: %q", a.head)
	}
	switch {
	case method == "HEAD" || a.status < 200 || a.status == 204 || a.status == 304:
	case chunked:
		return a, c.chunks(&a)
	case length >= 0:
		a.body = make([]byte, length)
		_, err := io.ReadFull(c.r, a.body)
		return a, err
	default:
		a.closes = true
		var err error
		a.body, err = io.ReadAll(c.r)
		return a, err
	}
	return a, nil
}

func (c *client) chunks(a *reply) error {
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(strings.TrimSpace(line), 16, 32)
		if err != nil {
			return err
		}
		data := make([]byte, n+2)
		if _, err := io.ReadFull(c.r, data); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		a.body = append(a.body, data[:n]...)
	}
}

// get sends one GET on a connection of its own.
func get(addr, path string, limit time.Duration) (reply, error) {
	return send(addr, "GET "+path+" HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", limit)
}

// send sends raw bytes on a connection of its own and reads one answer.
func send(addr, raw string, limit time.Duration) (reply, error) {
	c, err := dial(addr, limit)
	if err != nil {
		return reply{}, err
	}
	defer c.close()
	c.SetDeadline(time.Now().Add(limit))
	if _, err := io.WriteString(c, raw); err != nil {
		return reply{}, err
	}
	method, _, _ := strings.Cut(raw, " ")
	return c.answer(method)
}

// reach waits until n more requests have been answered.
func (l *load) reach(t *testing.T, n int) {
	t.Helper()
	deadline := time.Now().Add(patience + time.Duration(n)*5*time.Millisecond)
	l.mu.Lock()
	target := l.ok + n
	l.mu.Unlock()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		l.mu.Lock()
		ok := l.ok
		l.mu.Unlock()
		if ok >= target {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d requests were answered within %v", ok, target, patience)
		}
	}
}

// kill kills a process at once.
func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
