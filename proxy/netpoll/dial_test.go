package netpoll

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestDialErrorsNameAddressAndCause(t *testing.T) {
	p := openPoller(t)
	dir := t.TempDir()
	fd, deaf := bindUnix(t, 1)
	unix.Close(fd)
	tcp, refused := bindTCP(t)
	unix.Close(tcp)
	for name, tt := range map[string]struct {
		a    Addr
		want error
	}{
		"no such socket":  {UnixAddr(filepath.Join(dir, "none")), syscall.ENOENT},
		"nobody listens":  {deaf, syscall.ECONNREFUSED},
		"tcp refused":     {refused, syscall.ECONNREFUSED},
		"path too long":   {UnixAddr("/" + strings.Repeat("x", maxPath)), syscall.ENAMETOOLONG},
		"empty path":      {UnixAddr(""), syscall.EINVAL},
		"zero address":    {Addr{}, syscall.EINVAL},
		"under a label":   {UnixAddr(filepath.Join(dir, "none")).Labelled("unix:/run/app.sock"), syscall.ENOENT},
		"closed folder":   {UnixAddrAt(1<<20, "s"), syscall.ENOENT},
		"not a directory": {UnixAddr("/dev/null/s"), syscall.ENOTDIR},
	} {
		_, err := p.Dial(tt.a, time.Now().Add(patience))
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), "connect to "+tt.a.String()) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestDialReachesASocketInALongFolder(t *testing.T) {
	p := openPoller(t)
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	folder, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	raw, err := folder.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(dirfd uintptr) {
		a := UnixAddrAt(int(dirfd), "s")
		fd := newSocket(t, unix.AF_UNIX)
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: a.path}); err != nil {
			t.Fatal(err)
		}
		if err := unix.Listen(fd, 1); err != nil {
			t.Fatal(err)
		}
		dial(t, p, a.Labelled("unix:s"))
	}); err != nil {
		t.Fatal(err)
	}
}

func TestDialWaitsForRoomInTheBacklog(t *testing.T) {
	p := openPoller(t)
	fd, a := bindUnix(t, 1)
	fillBacklog(t, fd, a)

	_, err := p.Dial(a, time.Now().Add(30*time.Millisecond))
	if !errors.Is(err, syscall.EAGAIN) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("full backlog: %v", err)
	}

	dialled := make(chan error, 1)
	go func() {
		c, err := p.Dial(a, time.Now().Add(patience))
		if err == nil {
			c.Close()
		}
		dialled <- err
	}()
	listen(t, p, fd, func(c *Conn, _ time.Time) { c.Close() })
	if err := receive(t, dialled); err != nil {
		t.Fatal(err)
	}
}

func fillBacklog(t *testing.T, fd int, a Addr) {
	t.Helper()
	for range 100 {
		client := newSocket(t, unix.AF_UNIX)
		if err := unix.SetNonblock(client, true); err != nil {
			t.Fatal(err)
		}
		err := unix.Connect(client, &unix.SockaddrUnix{Name: a.path})
		if err == unix.EAGAIN {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the backlog does not fill")
}

func TestDialledTCPConnectionHasNoDeadlineLeft(t *testing.T) {
	p := openPoller(t)
	fd, a := bindTCP(t)
	accepted := make(chan *Conn, 1)
	listen(t, p, fd, func(c *Conn, _ time.Time) { accepted <- c })
	c := dial(t, p, a)
	defer receive(t, accepted).Close()
	if left := c.write.deadline.Load(); left != 0 {
		t.Errorf("write deadline %d", left)
	}
	if c.RemoteAddrPort() != a.tcp {
		t.Errorf("remote %s, want %s", c.RemoteAddrPort(), a.tcp)
	}
}

func TestConnectThatIsNotAnsweredEndsAtItsDeadline(t *testing.T) {
	p := openPoller(t)
	fd, a := bindTCP(t)
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	// The kernel drops the connects that do not fit into the queue.
	for range 10 {
		c, err := p.Dial(a, time.Now().Add(100*time.Millisecond))
		if err == nil {
			defer c.Close()
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		return
	}
	t.Fatal("the queue does not fill")
}

func TestAddrSaysWhereItLeads(t *testing.T) {
	for want, a := range map[string]Addr{
		"unix:/run/app.sock":     UnixAddr("/run/app.sock"),
		"unix:/run/web.7":        UnixAddrAt(5, "web.7").Labelled("unix:/run/web.7"),
		"unix:/proc/self/fd/5/s": UnixAddrAt(5, "s"),
		"10.0.0.5:8000":          TCPAddr(netip.MustParseAddrPort("10.0.0.5:8000")),
		"[::1]:80":               TCPAddr(netip.MustParseAddrPort("[::1]:80")),
	} {
		if a.String() != want {
			t.Errorf("%s, want %s", a, want)
		}
	}
}

func TestSockaddrSurvivesTheWayBack(t *testing.T) {
	for _, s := range []string{"127.0.0.1:80", "[::1]:65535", "[fe80::1%3]:8080", "[::ffff:1.2.3.4]:1"} {
		want := netip.MustParseAddrPort(s)
		var sa unix.RawSockaddrAny
		if _, err := TCPAddr(want).sockaddr(&sa); err != nil {
			t.Fatal(err)
		}
		if got := addrPort(&sa); got != want {
			t.Errorf("%s became %s", want, got)
		}
	}
}
