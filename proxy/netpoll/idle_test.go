package netpoll

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestWaitingConnectionIsResumedWithItsReason(t *testing.T) {
	for name, tt := range map[string]struct {
		before  bool
		happens func(c *Conn, peer net.Conn)
		want    error
	}{
		"bytes before":       {true, func(_ *Conn, peer net.Conn) { _, _ = peer.Write([]byte("x")) }, nil},
		"bytes":              {false, func(_ *Conn, peer net.Conn) { _, _ = peer.Write([]byte("x")) }, nil},
		"end before":         {true, func(_ *Conn, peer net.Conn) { peer.Close() }, io.EOF},
		"end":                {false, func(_ *Conn, peer net.Conn) { peer.Close() }, io.EOF},
		"deadline before":    {true, func(c *Conn, _ net.Conn) { _ = c.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"deadline, long ago": {false, func(c *Conn, _ net.Conn) { _ = c.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"deadline":           {false, func(c *Conn, _ net.Conn) { _ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)) }, os.ErrDeadlineExceeded},
		"interrupt before":   {true, func(c *Conn, _ net.Conn) { c.Interrupt() }, ErrInterrupted},
		"interrupt":          {false, func(c *Conn, _ net.Conn) { c.Interrupt() }, ErrInterrupted},
		"close":              {false, func(c *Conn, _ net.Conn) { c.Close() }, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			c, peer := unixPair(t)
			// An exchange before makes the socket known to be empty.
			write(t, peer, "abc")
			if n, err := c.Read(make([]byte, 8)); n != 3 || err != nil {
				t.Fatal(n, err)
			}
			if tt.before {
				tt.happens(c, peer)
			}
			resumed := make(chan *Conn, 2)
			c.WaitReadable(func(c *Conn, _ time.Time) { resumed <- c })
			if !tt.before {
				tt.happens(c, peer)
			}
			c = receive(t, resumed)
			if _, err := c.Read(make([]byte, 8)); !errors.Is(err, tt.want) {
				t.Errorf("Read returned %v, want %v", err, tt.want)
			}
			c.Close()
			if len(resumed) > 0 {
				t.Error("resumed twice")
			}
		})
	}
}

func TestWakeResumesAWaitingConnection(t *testing.T) {
	c, _ := tcpPair(t)
	c.read.take()
	resumed := make(chan bool, 1)
	resume := func(c *Conn, _ time.Time) { resumed <- c.Woken() }
	c.WaitReadable(resume)
	if c.Woken() {
		t.Error("woken before Wake")
	}
	c.Wake()
	if !receive(t, resumed) {
		t.Error("the owner does not see Woken")
	}
	c.WaitReadable(resume)
	if !receive(t, resumed) {
		t.Error("Woken did not stay")
	}
}

func TestWakeLeavesAPendingReadAlone(t *testing.T) {
	c, peer := tcpPair(t)
	done := readResult(c)
	untilParked(t, &c.read)
	c.Wake()
	if state := c.read.state.Load(); state == nil || state == ready {
		t.Error("Wake ended a Read")
	}
	write(t, peer, "x")
	if err := receive(t, done); err != nil {
		t.Error(err)
	}
}

func TestFilledBufferDoesNotResumeAQuietConnection(t *testing.T) {
	c, peer := unixPair(t)
	c.OnHangup(func() {}) // registers
	write(t, peer, "abc")
	until(t, "event", func() bool { return c.read.state.Load() == ready })
	expect(t, c, "abc")
	resumed := make(chan *Conn, 1)
	c.WaitReadable(func(c *Conn, _ time.Time) { resumed <- c })
	if c.read.state.Load() != armed {
		t.Fatal("resumed with nothing to read")
	}
	write(t, peer, "def")
	expect(t, receive(t, resumed), "def")
	c.OnHangup(nil)
}

func TestRefusedRegistrationIsAnErrorOfTheConnection(t *testing.T) {
	c, _ := unixPair(t)
	c.loop = &loop{poller: c.poller, epfd: -1}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.EBADF) {
		t.Errorf("Read: %v", err)
	}
	resumed := make(chan *Conn, 1)
	c.WaitReadable(func(c *Conn, _ time.Time) { resumed <- c })
	if _, err := receive(t, resumed).Read(make([]byte, 1)); !errors.Is(err, syscall.EBADF) {
		t.Errorf("Read after WaitReadable: %v", err)
	}
}

func TestEachWaitIsResumedOnce(t *testing.T) {
	const rounds = 3000
	p := openPoller(t)
	fd, a := bindUnix(t, 16)
	c, peer := pair(t, p, fd, a)
	resumed := make(chan struct{}, 1)
	for range rounds {
		var ended sync.WaitGroup
		c.WaitReadable(func(*Conn, time.Time) { resumed <- struct{}{} })
		// Everything that ends a wait, at the same time; a second resume would run into the full channel.
		ended.Go(func() { _, _ = peer.Write([]byte("x")) })
		ended.Go(func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
		ended.Go(func() { c.Wake() })
		receive(t, resumed)
		ended.Wait()
		c.flags.And(^uint32(flagWoken))
		_ = c.SetReadDeadline(time.Time{})
		expect(t, c, "x")
		if len(resumed) > 0 {
			t.Fatal("resumed twice")
		}
	}
}

func TestIdleConnectionsHoldNeitherGoroutineNorMuchMemory(t *testing.T) {
	const connections = 400
	p := openPoller(t)
	fd, a := bindUnix(t, connections)
	resumed := make(chan struct{}, connections)
	var idle []*Conn
	waits := make(chan *Conn, connections)
	listen(t, p, fd, func(c *Conn, _ time.Time) {
		_ = c.SetReadDeadline(time.Now().Add(time.Hour))
		c.WaitReadable(func(c *Conn, _ time.Time) {
			c.Close()
			resumed <- struct{}{}
		})
		waits <- c
	})
	warm := dial(t, p, a)
	receive(t, waits).Wake()
	receive(t, resumed)
	warm.Close()

	goroutines, memory := runtime.NumGoroutine(), heap()
	var peers []*Conn
	for range connections {
		peers = append(peers, dial(t, p, a))
		idle = append(idle, receive(t, waits))
	}
	for _, c := range idle {
		untilParked(t, &c.read)
	}
	until(t, "end of the handlers", func() bool { return runtime.NumGoroutine() < goroutines+connections/10 })
	// Two Conns of ours for each connection, and what the test remembers.
	if each := (heap() - memory) / connections; each > 2*1024 {
		t.Errorf("%d bytes for each connection", each)
	} else {
		t.Logf("%d bytes for each connection and its peer", each)
	}
	for _, c := range idle {
		c.Wake()
	}
	for range connections {
		receive(t, resumed)
	}
	for _, c := range peers {
		c.Close()
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
