package netpoll

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// spent makes a socket known to be empty, by an exchange.
func spent(t *testing.T, c *Conn, peer net.Conn) {
	t.Helper()
	write(t, peer, "abc")
	expect(t, c, "abc")
}

func TestTryCallsDoNotWait(t *testing.T) {
	eachFamily(t, func(t *testing.T, fd int, a Addr) {
		c, peer := pair(t, openPoller(t), fd, a)
		if n, err := c.TryRead(make([]byte, 8)); n != 0 || err != ErrWouldBlock {
			t.Errorf("TryRead of nothing: %d, %v", n, err)
		}
		spent(t, c, peer)
		big := make([]byte, 64<<20)
		n, err := c.TryWritev([][]byte{big[:100], big[100:]})
		if n == 0 || n == int64(len(big)) || err != ErrWouldBlock {
			t.Errorf("TryWritev of more than fits: %d, %v", n, err)
		}
		if k, err := c.TryWrite(big); k != 0 || err != ErrWouldBlock {
			t.Errorf("TryWrite into a full socket: %d, %v", k, err)
		}
		// What was written arrives, and WriteSome goes on with the rest when there is room.
		rest := make(chan int64, 1)
		go func() {
			var more int64
			for more < 1<<20 {
				k, err := c.WriteSome(big[:1<<20-int(more)])
				if err != nil || k == 0 {
					break
				}
				more += int64(k)
			}
			rest <- more
			c.Close()
		}()
		got, _ := io.Copy(io.Discard, peer)
		if more := <-rest; got != n+more || more != 1<<20 {
			t.Errorf("%d bytes arrived of %d and %d", got, n, more)
		}
	})
}

func TestTryCallsHaveTheReasonThatReadHas(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(c *Conn, peer net.Conn)
		want    error
	}{
		"end":       {func(_ *Conn, peer net.Conn) { peer.Close() }, io.EOF},
		"deadline":  {func(c *Conn, _ net.Conn) { _ = c.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"interrupt": {func(c *Conn, _ net.Conn) { c.Interrupt() }, ErrInterrupted},
		"close":     {func(c *Conn, _ net.Conn) { c.Close() }, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			conn, peer := unixPair(t)
			spent(t, conn, peer)
			resumed := make(chan struct{}, 1)
			armed := conn.Arm(func(*Conn, time.Time) { resumed <- struct{}{} })
			c.happens(conn, peer)
			if armed {
				receive(t, resumed)
			}
			if _, err := conn.TryRead(make([]byte, 1)); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// A write deadline of an earlier answer, long over, must not end the next one.
func TestTryWriteHasNoDeadline(t *testing.T) {
	c, peer := tcpPair(t)
	_ = c.SetWriteDeadline(time.Unix(1, 0))
	if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write: %v", err)
	}
	if n, err := c.TryWrite([]byte("abc")); n != 3 || err != nil {
		t.Errorf("TryWrite: %d, %v", n, err)
	}
	if n, err := c.TryWritev([][]byte{[]byte("de"), []byte("f")}); n != 3 || err != nil {
		t.Errorf("TryWritev: %d, %v", n, err)
	}
	got := make([]byte, 6)
	if _, err := io.ReadFull(peer, got); err != nil || string(got) != "abcdef" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestArmLeavesAConnectionWithBytesToItsOwner(t *testing.T) {
	eachFamily(t, func(t *testing.T, fd int, a Addr) {
		c, peer := pair(t, openPoller(t), fd, a)
		resumed := make(chan struct{}, 1)
		write(t, peer, "abc")
		until(t, "Arm sees the bytes", func() bool {
			if !c.Arm(func(*Conn, time.Time) { resumed <- struct{}{} }) {
				return true
			}
			if c.Disarm() {
				return false
			}
			receive(t, resumed) // they came between the two
			return true
		})
		expect(t, c, "abc")
		if len(resumed) > 0 {
			t.Error("resumed, though the owner has it")
		}
	})
}

// The clock is read for the events at hand: after they were fetched, and before who is resumed does anything.
func TestResumedConnectionIsToldTheTimeOfItsEvent(t *testing.T) {
	c, peer := unixPair(t)
	for _, inline := range []bool{true, false} {
		told := make(chan time.Time, 1)
		resume := func(_ *Conn, now time.Time) { told <- now }
		if inline {
			for !c.Arm(resume) {
				c.TryRead(make([]byte, 8))
			}
		} else {
			c.WaitReadable(resume)
		}
		before := time.Now()
		write(t, peer, "abc")
		if now := receive(t, told); now.Before(before) || now.After(time.Now()) {
			t.Errorf("inline %v: told %v, %v after the bytes were sent", inline, now, now.Sub(before))
		}
		expect(t, c, "abc")
	}
}

func TestLaneIsThatOfTheLoop(t *testing.T) {
	p := openPoller(t)
	fd, a := bindUnix(t, 16)
	accepted := make(chan *Conn, 1)
	listen(t, p, fd, func(c *Conn, _ time.Time) { accepted <- c })
	seen := map[int]bool{}
	for range p.Lanes() {
		peer, err := net.Dial("unix", a.path)
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		c := receive(t, accepted)
		defer c.Close()
		if p.loops[c.Lane()] != c.loop {
			t.Fatalf("lane %d", c.Lane())
		}
		seen[c.Lane()] = true
	}
	if len(seen) != p.Lanes() {
		t.Errorf("connections in %d lanes of %d", len(seen), p.Lanes())
	}
}

func TestArmedConnectionIsServedOnTheLoop(t *testing.T) {
	const rounds = 2000
	eachFamily(t, func(t *testing.T, fd int, a Addr) {
		c, peer := pair(t, openPoller(t), fd, a)
		done := make(chan struct{})
		buf, served := make([]byte, 8), 0
		var serve Handler
		serve = func(c *Conn, _ time.Time) {
			for {
				n, err := c.TryRead(buf)
				if err == ErrWouldBlock {
					if c.Arm(serve) {
						return
					}
					continue
				}
				if err != nil {
					close(done)
					return
				}
				_, _ = c.TryWrite(bytes.ToUpper(buf[:n]))
				served++
			}
		}
		serve(c, time.Now())
		answer := make([]byte, 3)
		for range rounds {
			write(t, peer, "abc")
			if _, err := io.ReadFull(peer, answer); err != nil || string(answer) != "ABC" {
				t.Fatalf("got %q, %v", answer, err)
			}
		}
		peer.Close()
		receive(t, done)
		if served < rounds/3 {
			t.Errorf("served %d times for %d messages", served, rounds)
		}
	})
}

// Either Disarm is in time, or resume runs: never both, never neither.
func TestDisarmAndAnEventExcludeEachOther(t *testing.T) {
	const rounds = 3000
	p := openPoller(t)
	fd, a := bindUnix(t, 16)
	c, peer := pair(t, p, fd, a)
	resumed := make(chan struct{}, 1)
	for range rounds {
		for !c.Arm(func(*Conn, time.Time) { resumed <- struct{}{} }) { // an event about what was read already
			if _, err := c.TryRead(make([]byte, 1)); err != ErrWouldBlock {
				t.Fatalf("not armed: %v", err)
			}
		}
		var ended sync.WaitGroup
		ended.Go(func() { _, _ = peer.Write([]byte("x")) })
		if !c.Disarm() {
			receive(t, resumed)
		}
		ended.Wait()
		expect(t, c, "x")
		if len(resumed) > 0 {
			t.Fatal("disarmed, and resumed")
		}
	}
}

func TestHangupOfAnUnregisteredConnectionIsFoundSoon(t *testing.T) {
	c, peer := tcpPair(t)
	told := make(chan struct{}, 2)
	c.OnHangupSoon(func() { told <- struct{}{} })
	if c.events.Load() != 0 {
		t.Error("registered at once")
	}
	peer.Close()
	receive(t, told)
	if _, err := c.TryRead(make([]byte, 1)); err != io.EOF {
		t.Errorf("got %v", err)
	}
}

func TestDialledConnectionIsNear(t *testing.T) {
	p := openPoller(t)
	fd, a := bindUnix(t, 64)
	client, _ := pair(t, p, fd, a)
	for range 2 * len(p.loops) {
		c, err := p.TryDialNear(client, a)
		if err != nil {
			t.Fatal(err)
		}
		if !c.Near(client) {
			t.Error("another loop")
		}
		c.Close()
	}
}

func TestTryDialDoesNotWaitForABacklog(t *testing.T) {
	p := openPoller(t)
	_, a := bindUnix(t, 1)
	var conns []*Conn
	for range 10 {
		c, err := p.TryDialNear(nil, a)
		if err != nil {
			if err != ErrWouldBlock {
				t.Errorf("a full backlog: %v", err)
			}
			break
		}
		conns = append(conns, c)
	}
	if len(conns) == 10 {
		t.Error("the backlog of 1 took 10")
	}
	for _, c := range conns {
		c.Close()
	}
	if _, err := p.TryDialNear(nil, UnixAddr("/nonexistent/socket")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no socket: %v", err)
	}
}
