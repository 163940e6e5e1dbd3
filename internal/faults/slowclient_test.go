package faults

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Each sends one byte a second, so that a timeout that a byte sets anew would never end it.
func TestSlowHeadsEndAtTheirTimeoutAndDelayNobody(t *testing.T) { // C1
	const clients, timeout = 1000, 4 * time.Second
	d := ready(t, fmt.Sprintf("%sclient_header_timeout = %q\n", syncApp, timeout.String()))
	before := d.status(t).ProxyFiles
	l := d.load()
	var slow sync.WaitGroup
	var closed, late, begun atomic.Int32
	for range clients {
		slow.Go(func() {
			c, err := net.DialTimeout("tcp", d.addr, patience)
			if err != nil {
				t.Errorf("slow client: %v", err)
				return
			}
			defer c.Close()
			start := time.Now()
			c.SetDeadline(start.Add(patience))
			fmt.Fprint(c, "GET /load/1 HTTP/1.1\r\nHost: a.test\r\nX: ")
			begun.Add(1)
			stop := make(chan struct{})
			go drip(c, stop)
			io.Copy(io.Discard, c)
			close(stop)
			switch took := time.Since(start); {
			case took < timeout+2*time.Second+slack:
				closed.Add(1)
			default:
				late.Add(1)
			}
		})
	}
	slow.Wait()
	l.reach(t, 200)
	l.finish(t)
	t.Logf("%d slow heads sent, 0 answered, %d closed in time, %d late", begun.Load(), closed.Load(), late.Load())
	if closed.Load() != clients {
		t.Errorf("%d of %d slow heads were closed by %v", closed.Load(), clients, timeout+2*time.Second)
	}
	if l.failed() > 0 {
		t.Errorf("%d requests of others failed", l.failed())
	}
	d.until("their descriptors are free", func() bool { return d.status(t).ProxyFiles <= before+5 })
}

// slack is what a machine that also runs other tests may add.
const slack = 2 * time.Second

// drip sends a byte a second.
func drip(c net.Conn, stop <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
		}
	}
}

// Readers that take nothing of an app's answer of 4 MiB, beside two sync workers.
func TestSlowReadersHoldNoWorkerAndLittleMemory(t *testing.T) { // C3
	readers := long(40, 200)
	d := ready(t, syncApp)
	pid := d.proxyPid()
	rss := residentKB(t, pid)
	for range readers {
		c, err := net.DialTimeout("tcp", d.addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.(*net.TCPConn).SetReadBuffer(1)
		fmt.Fprint(c, "GET /huge HTTP/1.1\r\nHost: a.test\r\n\r\n")
	}
	l := d.load()
	l.reach(t, 300)
	l.finish(t)
	d.until("no worker has a slow reader", func() bool { return d.status(t).Apps[0].InFlight == 0 })
	grown := residentKB(t, pid) - rss
	t.Logf("%d slow readers sent, 0 failed; the proxy grew by %d KiB", readers, grown)
	if l.failed() > 0 {
		t.Errorf("%d requests of others failed", l.failed())
	}
	// A reader has two buffers of 64 KiB, and its exchange.
	if most := 24<<10 + readers*400; grown > most && !raceEnabled {
		t.Errorf("the proxy grew by %d KiB, more than %d", grown, most)
	}
}
