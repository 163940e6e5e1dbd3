package netpoll

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds waits for what must happen. A wake-up that is lost takes all of it; a busy machine stops for seconds.
const patience = time.Minute

func openPoller(t testing.TB) *Poller {
	t.Helper()
	p, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		until(t, "close of all connections", func() bool { return openSockets(p) == 0 })
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func openSockets(p *Poller) int {
	n := 0
	p.table.each(func(*socket) { n++ })
	return n
}

// bindTCP is a listening socket on 127.0.0.1.
func bindTCP(t testing.TB) (int, Addr) {
	t.Helper()
	fd := newSocket(t, unix.AF_INET)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 1024); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(sa.(*unix.SockaddrInet4).Port)
	return fd, TCPAddr(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port))
}

func bindUnix(t testing.TB, backlog int) (int, Addr) {
	t.Helper()
	fd := newSocket(t, unix.AF_UNIX)
	path := filepath.Join(t.TempDir(), "s")
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, backlog); err != nil {
		t.Fatal(err)
	}
	return fd, UnixAddr(path)
}

func newSocket(t testing.TB, family int) int {
	t.Helper()
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// eachFamily runs f with a bound TCP socket and with a bound unix socket.
func eachFamily(t *testing.T, f func(t *testing.T, fd int, a Addr)) {
	t.Run("tcp", func(t *testing.T) {
		fd, a := bindTCP(t)
		f(t, fd, a)
	})
	t.Run("unix", func(t *testing.T) {
		fd, a := bindUnix(t, 1024)
		f(t, fd, a)
	})
}

func listen(t testing.TB, p *Poller, fd int, handle Handler) *Listener {
	t.Helper()
	l, err := p.Listen(fd, handle)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t testing.TB, p *Poller, a Addr) *Conn {
	t.Helper()
	c, err := p.Dial(a, time.Now().Add(patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// pair is a connection of ours and its peer, a connection of the standard library.
func pair(t testing.TB, p *Poller, fd int, a Addr) (*Conn, net.Conn) {
	t.Helper()
	accepted := make(chan *Conn, 1)
	l, err := p.Listen(fd, func(c *Conn, _ time.Time) { accepted <- c })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	network, address := "tcp", a.String()
	if a.IsUnix() {
		network, address = "unix", a.path
	}
	peer, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	c := receive(t, accepted)
	t.Cleanup(func() {
		c.Close()
		peer.Close()
	})
	return c, peer
}

func tcpPair(t testing.TB) (*Conn, net.Conn) {
	t.Helper()
	p := openPoller(t)
	fd, a := bindTCP(t)
	return pair(t, p, fd, a)
}

func unixPair(t testing.TB) (*Conn, net.Conn) {
	t.Helper()
	p := openPoller(t)
	fd, a := bindUnix(t, 16)
	return pair(t, p, fd, a)
}

func receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing came within %s", patience)
		panic("unreachable")
	}
}

// until looks again and again until ok holds.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen within %s", what, patience)
		}
	}
}

// untilParked waits until a goroutine is parked on d, or the connection is armed.
func untilParked(t testing.TB, d *side) {
	t.Helper()
	until(t, "parking", func() bool {
		state := d.state.Load()
		return state != nil && state != ready
	})
}

func write(t testing.TB, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}

func expect(t testing.TB, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
}

// readResult is what a Read on a goroutine of its own returned.
func readResult(c *Conn) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 16))
		done <- err
	}()
	return done
}

// goroutinesHere counts the goroutines that run code of this package, but for tests.
func goroutinesHere() int {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	n := 0
	for stack := range bytes.SplitSeq(buf, []byte("\n\n")) {
		if bytes.Contains(stack, []byte("netpoll.(*")) {
			n++
		}
	}
	return n
}
