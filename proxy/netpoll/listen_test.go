package netpoll

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestClosedListenerLeavesTheSocketOpen(t *testing.T) {
	eachFamily(t, func(t *testing.T, fd int, a Addr) {
		p := openPoller(t)
		accepted := make(chan *Conn, 2)
		l := listen(t, p, fd, func(c *Conn, _ time.Time) { accepted <- c })
		first := dial(t, p, a)
		c := receive(t, accepted)
		defer c.Close()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}

		second := dial(t, p, a) // waits in the kernel's queue
		write(t, first, "still here")
		expect(t, c, "still here")
		if len(accepted) > 0 {
			t.Fatal("accepted after Close")
		}

		listen(t, p, fd, func(c *Conn, _ time.Time) { accepted <- c })
		late := receive(t, accepted)
		defer late.Close()
		write(t, second, "served by the next")
		expect(t, late, "served by the next")
	})
}

func TestListenerIsDroppedFromEpollWhenClosed(t *testing.T) {
	p := openPoller(t)
	fd, _ := bindTCP(t)
	// Every listener gets the same number again; a registration left behind would refuse it.
	for range 10 {
		l := listen(t, p, fd, func(c *Conn, _ time.Time) { c.Close() })
		untilParked(t, &l.read)
		l.Close()
		l.Close()
		if err := l.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestListenRefusesWhatDoesNotListen(t *testing.T) {
	p := openPoller(t)
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, tt := range map[string]struct {
		fd   int
		want string
	}{
		"file":        {int(file.Fd()), "socket operation on non-socket"},
		"closed":      {1 << 20, "bad file descriptor"},
		"not bound":   {newSocket(t, unix.AF_INET), "expected a listening stream socket"},
		"unix socket": {newSocket(t, unix.AF_UNIX), "expected a listening stream socket"},
	} {
		_, err := p.Listen(tt.fd, func(c *Conn, _ time.Time) { c.Close() })
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestBurstIsAcceptedToTheLast(t *testing.T) {
	const connections = 300
	p := openPoller(t)
	fd, a := bindUnix(t, connections)
	for range connections {
		dial(t, p, a)
	}
	accepted := make(chan *Conn, connections)
	listen(t, p, fd, func(c *Conn, _ time.Time) { accepted <- c })
	for range connections {
		receive(t, accepted).Close()
	}
}

func TestListenerWaitsForDescriptors(t *testing.T) {
	p := openPoller(t)
	fd, a := bindUnix(t, 16)
	accepted := make(chan *Conn, 1)
	l := listen(t, p, fd, func(c *Conn, _ time.Time) { accepted <- c })
	c, err := p.newDialled(nil, a)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	restore := limitDescriptors(t, uint64(c.fd)+1)
	defer restore()
	var sa unix.RawSockaddrAny
	size, err := a.sockaddr(&sa)
	if err != nil {
		t.Fatal(err)
	}
	if errno := sysConnect(c.fd, &sa, size); errno != 0 {
		t.Fatal(errno)
	}
	until(t, "want of descriptors", func() bool { return errors.Is(l.Err(), syscall.EMFILE) })
	restore()
	receive(t, accepted).Close()
	until(t, "recovery", func() bool { return l.Err() == nil })
}

// limitDescriptors makes the numbers from limit on unusable, and those below that are free.
func limitDescriptors(t *testing.T, limit uint64) (restore func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	var taken []int
	for {
		fd, err := unix.Dup(0)
		if err != nil || uint64(fd) >= limit {
			unix.Close(fd)
			break
		}
		taken = append(taken, fd)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &old)
		for _, fd := range taken {
			unix.Close(fd)
		}
		taken = nil
	}
}

func TestListenerEndsWhenItsSocketIsShutDown(t *testing.T) {
	p := openPoller(t)
	fd, _ := bindTCP(t)
	l := listen(t, p, fd, func(c *Conn, _ time.Time) { c.Close() })
	untilParked(t, &l.read)
	if err := unix.Shutdown(fd, unix.SHUT_RD); err != nil {
		t.Fatal(err)
	}
	receive(t, l.done)
	if err := l.Err(); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("got %v", err)
	}
}
