package keeper

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"paddock/internal/value"
)

const (
	firstPassed = 3    // SD_LISTEN_FDS_START
	maxPassed   = 4096 // far more than any unit passes
)

// systemdSockets takes over the sockets that systemd passed to this process
// (sd_listen_fds(3)), named by the address they are bound to. The variables are
// unset, so that no child takes them for its own.
func systemdSockets(log *zap.Logger) ([]*listener, error) {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxPassed {
		return nil, fmt.Errorf("LISTEN_FDS=%q: expected a number from 0 to %d", count, maxPassed)
	}
	return takePassed(log, firstPassed, n), nil
}

// takePassed takes over n descriptors from first on. One that cannot be used is
// closed, with a warning.
func takePassed(log *zap.Logger, first, n int) []*listener {
	var out []*listener
	for fd := first; fd < first+n; fd++ {
		l, err := takeOne(fd)
		if err != nil {
			log.Warn("a descriptor that systemd passed cannot be used", zap.Int("descriptor", fd), zap.Error(err))
			continue
		}
		out = append(out, l)
	}
	return out
}

// takeOne closes what it cannot use. The listener has no path: the socket file of a
// unit is systemd's.
func takeOne(fd int) (*listener, error) {
	name, err := boundName(fd)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return holdSocket(fd, listener{name: name})
}

// boundName is the name that a listen address in the configuration would have.
func boundName(fd int) (string, error) {
	on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return "", err
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return "", err
	}
	if on != 1 || kind != unix.SOCK_STREAM {
		return "", errors.New("expected a listening stream socket (ListenStream=, Accept=no)")
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		return "", err
	}
	return nameOf(fd, address)
}

func nameOf(fd int, address unix.Sockaddr) (string, error) {
	switch a := address.(type) {
	case *unix.SockaddrUnix:
		return value.Listen{Unix: a.Name}.Key(), nil
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String(), nil
	case *unix.SockaddrInet6:
		only, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		if err != nil {
			return "", err
		}
		addr := netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
		return value.Listen{Addr: addr, Both: addr.Addr().IsUnspecified() && only == 0}.Key(), nil
	}
	return "", errors.New("expected a TCP or unix socket")
}
