package netpoll

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestBytesArriveInBothDirections(t *testing.T) {
	eachFamily(t, func(t *testing.T, fd int, a Addr) {
		p := openPoller(t)
		listen(t, p, fd, func(c *Conn, _ time.Time) {
			defer c.Close()
			_, _ = io.Copy(c, struct{ io.Reader }{c})
		})
		c := dial(t, p, a)
		for _, s := range []string{"a", "hello", string(bytes.Repeat([]byte("x"), 100000))} {
			done := make(chan error, 1)
			go func() {
				_, err := c.Write([]byte(s))
				done <- err
			}()
			expect(t, c, s)
			if err := receive(t, done); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("after the end: %d, %v", n, err)
		}
	})
}

func TestEndIsFoundAgain(t *testing.T) {
	c, peer := tcpPair(t)
	write(t, peer, "last")
	peer.Close()
	expect(t, c, "last")
	for range 3 {
		if _, err := c.Read(make([]byte, 8)); err != io.EOF {
			t.Fatalf("got %v, want EOF", err)
		}
	}
}

func TestWriteTakesEverythingFromAFullSocket(t *testing.T) {
	eachFamily(t, func(t *testing.T, fd int, a Addr) {
		c, peer := pair(t, openPoller(t), fd, a)
		sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
		done := make(chan error, 1)
		go func() {
			n, err := c.Write(sent)
			if err == nil && n != len(sent) {
				err = errors.New("short")
			}
			c.Close()
			done <- err
		}()
		untilParked(t, &c.write)
		got, err := io.ReadAll(peer)
		if err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%d bytes, %v; want %d", len(got), err, len(sent))
		}
		if err := receive(t, done); err != nil {
			t.Fatal(err)
		}
	})
}

func TestUnixSocketStopsReportingRoomAfterTheWrite(t *testing.T) {
	c, peer := unixPair(t)
	done := make(chan error, 1)
	go func() {
		_, err := c.Write(make([]byte, 4<<20))
		done <- err
	}()
	untilParked(t, &c.write)
	if c.events.Load()&unix.EPOLLOUT == 0 {
		t.Fatal("not registered for writing")
	}
	if _, err := io.CopyN(io.Discard, peer, 4<<20); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, done); err != nil {
		t.Fatal(err)
	}
	if c.events.Load()&unix.EPOLLOUT != 0 {
		t.Fatal("still registered for writing")
	}
}

func TestWritevKeepsOrderAndLeavesBuffersAlone(t *testing.T) {
	big := bytes.Repeat([]byte("b"), 3<<20)
	many := make([][]byte, 50)
	for i := range many {
		many[i] = []byte{byte(i), byte(i)}
	}
	for name, bufs := range map[string][][]byte{
		"two":         {[]byte("head"), []byte("body")},
		"with empty":  {nil, []byte("a"), {}, []byte("b"), nil},
		"only empty":  {nil, {}},
		"none":        nil,
		"50 buffers":  many,
		"full socket": {[]byte("x"), big, []byte("y"), big, []byte("z")},
	} {
		t.Run(name, func(t *testing.T) {
			c, peer := unixPair(t)
			want := bytes.Join(bufs, nil)
			done := make(chan error, 1)
			go func() {
				n, err := c.Writev(bufs)
				if err == nil && n != int64(len(want)) {
					err = errors.New("short")
				}
				c.Close()
				done <- err
			}()
			got, err := io.ReadAll(peer)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, %v; want %d", len(got), err, len(want))
			}
			if err := receive(t, done); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(bytes.Join(bufs, nil), want) {
				t.Fatal("buffers were changed")
			}
		})
	}
}

func TestShortReadProvesTheSocketEmpty(t *testing.T) {
	c, peer := tcpPair(t)
	for _, step := range []struct {
		what string
		buf  int
		want *waiter
	}{
		{"buffer filled", 3, ready},
		{"short read", 8, nil},
	} {
		write(t, peer, "abc")
		if n, err := c.Read(make([]byte, step.buf)); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		if got := c.read.state.Load(); got != step.want {
			t.Errorf("%s: ready is %v, want %v", step.what, got == ready, step.want == ready)
		}
	}
}

func TestShortReadAfterHangupLooksAgain(t *testing.T) {
	c, peer := tcpPair(t)
	write(t, peer, "x")
	expect(t, c, "x")
	if err := c.register(unix.EPOLLIN); err != nil {
		t.Fatal(err)
	}
	write(t, peer, "abc")
	peer.Close()
	until(t, "hang-up", func() bool { return c.flags.Load()&flagHangup != 0 })
	if n, err := c.Read(make([]byte, 8)); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	if c.read.state.Load() != ready {
		t.Error("the next Read would wait for an event that came with the bytes")
	}
}

func TestLateEventDoesNotReachTheNextOwner(t *testing.T) {
	c, _ := tcpPair(t)
	c.read.take()
	late := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLHUP, Fd: int32(c.fd), Pad: c.generation - 1}
	c.loop.spread(&late)
	if c.read.state.Load() != nil || c.flags.Load() != 0 {
		t.Error("an event of an older generation was taken")
	}
	late.Pad = c.generation
	c.loop.spread(&late)
	if c.read.state.Load() != ready || c.flags.Load() != flagHangup {
		t.Error("an event of the connection was not taken")
	}
}

func TestCloseEndsPendingRead(t *testing.T) {
	c, _ := tcpPair(t)
	done := readResult(c)
	untilParked(t, &c.read)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, done); err != net.ErrClosed {
		t.Fatalf("got %v", err)
	}
	for what, err := range map[string]error{
		"Close":       c.Close(),
		"CloseWrite":  c.CloseWrite(),
		"Reset":       c.Reset(),
		"SetDeadline": c.SetDeadline(time.Now()),
	} {
		if err != net.ErrClosed {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
	if _, err := c.Write([]byte("x")); err != net.ErrClosed {
		t.Errorf("Write after Close: %v", err)
	}
	if c.poller.table.get(c.fd) == &c.socket {
		t.Error("still in the table")
	}
}

func TestSecondReaderIsRefused(t *testing.T) {
	c, _ := tcpPair(t)
	done := readResult(c)
	untilParked(t, &c.read)
	if _, err := c.Read(make([]byte, 1)); err != errBusy {
		t.Errorf("got %v", err)
	}
	c.Close()
	receive(t, done)
}

func TestResetBreaksTheConnection(t *testing.T) {
	c, peer := tcpPair(t)
	if err := c.Reset(); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("peer read %v, want a reset", err)
	}
}

func TestWriteToABrokenConnectionSaysWhy(t *testing.T) {
	c, peer := unixPair(t)
	peer.Close()
	if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("got %v, want a broken pipe", err)
	}
}

func TestAddressesAreThoseOfTheSocket(t *testing.T) {
	c, peer := tcpPair(t)
	remote := netip.MustParseAddrPort(peer.LocalAddr().String())
	local := netip.MustParseAddrPort(peer.RemoteAddr().String())
	if c.RemoteAddrPort() != remote || c.RemoteAddr().String() != remote.String() {
		t.Errorf("remote %s %s, want %s", c.RemoteAddrPort(), c.RemoteAddr(), remote)
	}
	if c.LocalAddrPort() != local || c.LocalAddr().String() != local.String() {
		t.Errorf("local %s %s, want %s", c.LocalAddrPort(), c.LocalAddr(), local)
	}
	u, _ := unixPair(t)
	if u.RemoteAddrPort().IsValid() || u.LocalAddrPort().IsValid() || u.RemoteAddr().Network() != "unix" {
		t.Error("a unix socket has no port")
	}
}

func TestAcceptedConnectionsInheritNoDelay(t *testing.T) {
	c, _ := tcpPair(t)
	on, err := unix.GetsockoptInt(c.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY)
	if err != nil || on != 1 {
		t.Errorf("TCP_NODELAY %d, %v", on, err)
	}
}

func TestInterruptFailsPendingAndLaterCalls(t *testing.T) {
	c, _ := tcpPair(t)
	read := readResult(c)
	wrote := make(chan error, 1)
	go func() {
		_, err := c.Write(make([]byte, 64<<20))
		wrote <- err
	}()
	untilParked(t, &c.read)
	untilParked(t, &c.write)
	c.Interrupt()
	if err := receive(t, read); err != ErrInterrupted {
		t.Errorf("pending Read: %v", err)
	}
	if err := receive(t, wrote); err != ErrInterrupted {
		t.Errorf("pending Write: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); err != ErrInterrupted {
		t.Errorf("later Read: %v", err)
	}
	if _, err := c.Writev([][]byte{{1}}); err != ErrInterrupted {
		t.Errorf("later Writev: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestDeadlinesEndWaits(t *testing.T) {
	full := make([]byte, 64<<20)
	for name, call := range map[string]func(*Conn) error{
		"read": func(c *Conn) error {
			_, err := c.Read(make([]byte, 1))
			return err
		},
		"write": func(c *Conn) error {
			_, err := c.Write(full)
			return err
		},
	} {
		for _, after := range []time.Duration{-time.Hour, -time.Nanosecond, 20 * time.Millisecond} {
			t.Run(name+" "+after.String(), func(t *testing.T) {
				c, _ := tcpPair(t)
				start := time.Now()
				if err := c.SetDeadline(start.Add(after)); err != nil {
					t.Fatal(err)
				}
				if err := call(c); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("got %v", err)
				}
				if took := time.Since(start); took < after || took > max(after, 0)+2*time.Second {
					t.Errorf("took %s", took)
				}
			})
		}
	}
}

func TestDeadlineSetWhileParkedEndsTheWait(t *testing.T) {
	for _, at := range []time.Time{time.Unix(1, 0), time.Now()} {
		c, _ := tcpPair(t)
		if err := c.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		done := readResult(c)
		untilParked(t, &c.read)
		if err := c.SetReadDeadline(at); err != nil {
			t.Fatal(err)
		}
		if err := receive(t, done); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	}
}

func TestNewDeadlineMakesReadWorkAgain(t *testing.T) {
	c, peer := tcpPair(t)
	write(t, peer, "abc")
	if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 3)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	expect(t, c, "abc")
}

func TestReadDeadlineLeavesWritesAlone(t *testing.T) {
	c, peer := tcpPair(t)
	if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	write(t, c, "abc")
	expect(t, peer, "abc")
}

func TestQuietTellsWhetherAConnectionMayBeUsedAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		happens func(c *Conn, peer net.Conn)
		quiet   bool
	}{
		"nothing":     {func(*Conn, net.Conn) {}, true},
		"stray bytes": {func(_ *Conn, peer net.Conn) { _, _ = peer.Write([]byte("x")) }, false},
		"closed":      {func(_ *Conn, peer net.Conn) { peer.Close() }, false},
		"half closed": {func(_ *Conn, peer net.Conn) { _ = peer.(*net.UnixConn).CloseWrite() }, false},
		"interrupted": {func(c *Conn, _ net.Conn) { c.Interrupt() }, false},
		"own close":   {func(c *Conn, _ net.Conn) { c.Close() }, false},
	} {
		for _, registered := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				c, peer := unixPair(t)
				write(t, peer, "abc")
				expect(t, c, "abc")
				if registered {
					if err := c.register(unix.EPOLLIN); err != nil {
						t.Fatal(err)
					}
					if !c.Quiet() {
						t.Fatal("not quiet before anything happened")
					}
				}
				tt.happens(c, peer)
				if tt.quiet {
					if !c.Quiet() {
						t.Error("not quiet")
					}
					return
				}
				until(t, "end of quiet", func() bool { return !c.Quiet() })
				if c.Quiet() {
					t.Error("quiet again")
				}
			})
		}
	}
}

func TestReadsAndWritesDoNotAllocate(t *testing.T) {
	c, peer := tcpPair(t)
	go func() { _, _ = io.Copy(peer, struct{ io.Reader }{peer}) }()
	head, body, in := []byte("ping"), []byte("pong"), make([]byte, 64)
	bufs := [][]byte{head, body}
	allocs := testing.AllocsPerRun(2000, func() {
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		_, _ = c.Write(head)
		_, _ = c.Writev(bufs)
		for n := 0; n < 12; {
			k, err := c.Read(in)
			if err != nil {
				t.Error(err)
				return
			}
			n += k
		}
	})
	if allocs > 0.5 {
		t.Errorf("%.1f allocations for each exchange", allocs)
	}
}

func TestConnIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size > 256 {
		t.Errorf("a Conn takes %d bytes", size)
	}
}
