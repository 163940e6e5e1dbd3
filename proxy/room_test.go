package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
)

// keepAlive is a client with one request behind it.
func (r *rig) keepAlive() (net.Conn, *bufio.Reader) {
	r.t.Helper()
	c := r.dial()
	br := bufio.NewReader(c)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if status, _ := readAnswer(r.t, br, "GET"); status != 200 {
		r.t.Fatalf("got %d", status)
	}
	return c, br
}

func TestAtWorkerConnectionsTheOldestIdleConnectionIsClosed(t *testing.T) {
	r := newRig(t, func(c *Config) { c.WorkerConnections = 3 })
	r.backend(1, answers(ok("x")))
	r.ready(1, 0)
	var clients []net.Conn
	for i := range 6 {
		c, _ := r.keepAlive()
		clients = append(clients, c)
		r.waitFor("it is idle", func(s Stats) bool { return s.Requests == uint64(i+1) })
	}
	for i, c := range clients {
		c.SetReadDeadline(time.Now().Add(testTimeout))
		if i >= 3 {
			c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		}
		_, err := c.Read(make([]byte, 1))
		if closed := err == io.EOF; closed != (i < 3) {
			t.Errorf("connection %d of 6: closed %v (%v), want the first three closed", i+1, closed, err)
		}
	}
}

func TestClientsWaitWhileEveryConnectionIsAtWork(t *testing.T) {
	arrived, release := make(chan string, 4), make(chan struct{})
	r := newRig(t, func(c *Config) { c.WorkerConnections = 2 })
	r.backend(1, holding("", arrived, release))
	r.ready(1, 0)
	var clients []net.Conn
	for i := range 4 {
		c := r.dial()
		fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", i)
		clients = append(clients, c)
	}
	for range 2 {
		receive(t, arrived, "a request of the first two")
	}
	if s := r.proxy.Stats(); s.Connections != 2 {
		t.Errorf("%d connections, want 2", s.Connections)
	}
	close(release)
	for i, c := range clients {
		if status, _ := readAnswer(t, bufio.NewReader(c), "GET"); status != 200 {
			t.Errorf("client %d: %d, want 200", i, status)
		}
	}
}

func TestBoundIsLowerForAWhileWhenDescriptorsRanOut(t *testing.T) {
	r := newRig(t, nil)
	r.backend(1, answers(ok("x")))
	r.ready(1, 0)
	for i := range 8 {
		r.keepAlive()
		r.waitFor("it is idle", func(s Stats) bool { return s.Requests == uint64(i+1) })
	}
	if r.proxy.isFull() {
		t.Error("full with 8 connections")
	}
	r.proxy.outOfDescriptors()
	if !r.proxy.isFull() {
		t.Error("not full after descriptors ran out with 8 connections")
	}
	r.waitFor("an eighth of the idle ones is closed", func(s Stats) bool { return s.Connections == 7 })
	r.keepAlive()
	r.waitFor("the bound is three quarters", func(s Stats) bool { return s.Connections <= 6 })
	r.proxy.room.eased.Store(0)
	if r.proxy.isFull() {
		t.Error("still full when the time is over")
	}
}

func TestIdleHTTP2ConnectionMakesRoomToo(t *testing.T) {
	r := newRig2(t, func(c *Config) { c.WorkerConnections = 2 })
	r.backend(1, answers(ok("x")))
	r.ready(1, 0)
	idle := r.dial2()
	idle.get("/")
	later := r.dial2()
	later.get("/")
	r.waitFor("both are idle", func(s Stats) bool { return s.Requests == 2 })
	over := make(chan error, 1)
	go func() {
		for {
			f, err := idle.ReadFrame()
			if err != nil {
				idle.nc.Close()
				over <- err
				return
			}
			if ping, ok := f.(*xhttp2.PingFrame); ok && !ping.IsAck() {
				must(t, idle.WritePing(true, ping.Data))
			}
		}
	}()
	r.keepAlive()
	receive(t, over, "the one that has waited longest ends")
	later.get("/")
}
