package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"paddock/internal/value"
)

const (
	// deferAccept is TCP_DEFER_ACCEPT in seconds: a connection is handed over with its
	// first bytes, which saves the proxy one wake-up and one failed read (13 to 30 % of the cost of
	// a new connection). A client that stays silent is handed over after about this long,
	// so its time-outs hold. nginx (listen ... deferred) uses 1 for the same reason.
	deferAccept = 1
	// unixListenerMode lets every user connect, as nginx does.
	unixListenerMode fs.FileMode = 0o666
	// probeTimeout bounds the question whether somebody answers on a unix socket.
	probeTimeout = 2 * time.Second
	// privilegedPorts is the first port that everybody may bind.
	privilegedPorts = 1024
)

// listener is a listening socket. The keeper only holds it and sends it to the proxy.
type listener struct {
	name    string   // value.Listen.Key
	file    *os.File // not in Go's poller, see holdSocket
	backlog int      // as last set; 0 when another process has set it
	path    string   // of a unix socket that is ours to remove
	inode   fileID
}

// fileID identifies a file; the zero value is no file.
type fileID struct{ Dev, Ino uint64 }

// openListener opens one listening socket, non-blocking and close-on-exec. The
// error is one line that says what to do.
func openListener(l value.Listen) (*listener, error) {
	open := openTCP
	if l.Unix != "" {
		open = openUnix
	}
	out, err := open(l)
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", l.Key(), err)
	}
	return out, nil
}

func openTCP(l value.Listen) (*listener, error) {
	fd, l, err := tcpSocket(l)
	if err != nil {
		return nil, err
	}
	address, err := sockaddr(l.Addr)
	if err == nil {
		err = setOptions(fd, l)
	}
	if err == nil {
		err = unix.Bind(fd, address)
	}
	if err == nil {
		err = unix.Listen(fd, l.Backlog) // two sockets with SO_REUSEADDR can be bound to a port; one can listen
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, explainBind(l, err)
	}
	return holdSocket(fd, listener{name: l.Key(), backlog: l.Backlog})
}

// holdSocket makes a socket that nobody accepts on yet the keeper's: non-blocking, but
// unknown to Go's poller, which would wake the keeper for every connection (15 µs each).
// os.NewFile leaves a descriptor alone that is blocking when it sees it.
func holdSocket(fd int, l listener) (*listener, error) {
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, false); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	l.file = os.NewFile(uintptr(fd), l.name)
	if err := unix.SetNonblock(fd, true); err != nil {
		l.close()
		return nil, err
	}
	return &l, nil
}

// tcpSocket makes the socket. ":80" on a machine without IPv6 is every IPv4 address.
func tcpSocket(l value.Listen) (int, value.Listen, error) {
	const kind = unix.SOCK_STREAM | unix.SOCK_CLOEXEC
	if l.Addr.Addr().Is4() {
		fd, err := unix.Socket(unix.AF_INET, kind, 0)
		return fd, l, err
	}
	fd, err := unix.Socket(unix.AF_INET6, kind, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) && l.Both {
		l.Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), l.Addr.Port())
		fd, err = unix.Socket(unix.AF_INET, kind, 0)
	}
	return fd, l, err
}

func setOptions(fd int, l value.Listen) error {
	// Without SO_REUSEADDR a restart fails while old connections are in TIME_WAIT.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return fmt.Errorf("SO_REUSEADDR: %w", err)
	}
	if l.Addr.Addr().Is6() {
		only := 1 // as nginx: ipv6only=on
		if l.Both {
			only = 0
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only); err != nil {
			return fmt.Errorf("IPV6_V6ONLY: %w", err)
		}
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, deferAccept); err != nil {
		return fmt.Errorf("TCP_DEFER_ACCEPT: %w", err)
	}
	return nil
}

func sockaddr(a netip.AddrPort) (unix.Sockaddr, error) {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}, nil
	}
	out := &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	if zone := a.Addr().Zone(); zone != "" {
		device, err := net.InterfaceByName(zone)
		if err != nil {
			return nil, fmt.Errorf("no network interface %q: %w", zone, err)
		}
		out.ZoneId = uint32(device.Index)
	}
	return out, nil
}

// explainBind turns what bind and listen say into what a person can act on.
func explainBind(l value.Listen, err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("%w; stop it, or choose another port", &addressInUse{portHolder(l.Addr, l.Both)})
	case errors.Is(err, unix.EACCES) && l.Addr.Port() < privilegedPorts:
		return fmt.Errorf("permission denied: a port below %d needs root or CAP_NET_BIND_SERVICE; "+
			"start paddock by systemd, run `setcap cap_net_bind_service=+ep %s` as root, or choose a higher port", privilegedPorts, executable())
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("no network interface of this machine has the address %s", l.Addr.Addr())
	}
	return err
}

func executable() string {
	path, err := os.Executable()
	if err != nil {
		return "paddock"
	}
	return path
}

// setBacklog changes the length of the queue of a socket that stays open.
func (l *listener) setBacklog(n int) error {
	if l.backlog == n || l.backlog == 0 {
		return nil
	}
	if err := unix.Listen(int(l.file.Fd()), n); err != nil {
		return fmt.Errorf("listen %s: backlog=%d: %w", l.name, n, err)
	}
	l.backlog = n
	return nil
}

// close closes the socket and removes its file, if that is still the one made here.
func (l *listener) close() {
	if l.path != "" && identify(l.path) == l.inode {
		_ = os.Remove(l.path)
	}
	_ = l.file.Close()
}
