package netpoll

import (
	"net"
	"testing"
)

func TestHangupIsReportedOnce(t *testing.T) {
	hangUps := map[string]func(net.Conn){
		"closed":      func(peer net.Conn) { peer.Close() },
		"half closed": func(peer net.Conn) { _ = peer.(interface{ CloseWrite() error }).CloseWrite() },
		"reset": func(peer net.Conn) {
			if tcp, ok := peer.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			peer.Close()
		},
	}
	for name, hangUp := range hangUps {
		t.Run(name, func(t *testing.T) {
			eachFamily(t, func(t *testing.T, fd int, a Addr) {
				for _, when := range []string{"after arming", "before arming", "reported before arming"} {
					c, peer := pair(t, openPoller(t), fd, a)
					told := make(chan struct{}, 2)
					tell := func() { told <- struct{}{} }
					if when == "after arming" {
						c.OnHangup(tell)
					}
					if when == "reported before arming" {
						first := make(chan struct{}, 1)
						c.OnHangup(func() { first <- struct{}{} })
						hangUp(peer)
						receive(t, first)
					} else {
						hangUp(peer)
					}
					if when != "after arming" {
						c.OnHangup(tell)
					}
					receive(t, told)
					peer.Close()
					c.OnHangup(nil)
					if len(told) > 0 {
						t.Errorf("%s: told twice", when)
					}
				}
			})
		})
	}
}

func TestBytesAreNoHangup(t *testing.T) {
	c, peer := tcpPair(t)
	c.OnHangup(func() { t.Error("told of a hang-up") })
	write(t, peer, "abc")
	expect(t, c, "abc")
	c.OnHangup(nil)
	peer.Close()
	until(t, "hang-up", func() bool { return c.flags.Load()&flagHangup != 0 })
}

func TestDisarmedHangupIsNotRunning(t *testing.T) {
	p := openPoller(t)
	fd, a := bindUnix(t, 16)
	for range 300 {
		c, peer := pair(t, p, fd, a)
		calls := 0 // the race detector sees a call that OnHangup(nil) has not waited for
		c.OnHangup(func() { calls++ })
		closed := make(chan struct{})
		go func() {
			peer.Close()
			close(closed)
		}()
		c.OnHangup(nil)
		seen := calls
		receive(t, closed)
		until(t, "hang-up", func() bool { return c.flags.Load()&flagHangup != 0 })
		if calls != seen || calls > 1 {
			t.Fatalf("%d calls, %d at the time it was disarmed", calls, seen)
		}
		c.Close()
	}
}

func TestHangupMayCloseAndInterrupt(t *testing.T) {
	c, peer := tcpPair(t)
	other, _ := tcpPair(t)
	done := readResult(other)
	c.OnHangup(func() {
		other.Interrupt()
		c.Close()
	})
	peer.Close()
	if err := receive(t, done); err != ErrInterrupted {
		t.Errorf("got %v", err)
	}
	until(t, "close", func() bool { return c.Close() == net.ErrClosed })
}
