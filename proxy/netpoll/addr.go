package netpoll

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxPath is the longest path of a unix socket, in bytes (unix(7), sun_path without its final zero).
const maxPath = len(unix.RawSockaddrUnix{}.Path) - 1

// An Addr is where Dial connects to. It is comparable.
type Addr struct {
	path  string // of a unix socket
	tcp   netip.AddrPort
	label string
}

// UnixAddr is the unix socket at path, at most 107 bytes.
func UnixAddr(path string) Addr {
	return Addr{path: path, label: "unix:" + path}
}

// UnixAddrAt is the unix socket name in the folder that dirfd is open on, so that the length of the folder's path and the
// permissions of its parents do not matter. The caller keeps dirfd open as long as it dials.
func UnixAddrAt(dirfd int, name string) Addr {
	return UnixAddr("/proc/self/fd/" + strconv.Itoa(dirfd) + "/" + name)
}

// TCPAddr is a TCP port.
func TCPAddr(ap netip.AddrPort) Addr {
	return Addr{tcp: ap, label: ap.String()}
}

// Labelled is a under another name, such as "unix:/run/paddock/app/web.7".
func (a Addr) Labelled(label string) Addr {
	a.label = label
	return a
}

// String is the label; without one, "unix:/path" or "host:port".
func (a Addr) String() string { return a.label }

// IsUnix reports whether a is a unix socket.
func (a Addr) IsUnix() bool { return !a.tcp.IsValid() }

func (a Addr) family() int {
	switch {
	case a.IsUnix():
		return unix.AF_UNIX
	case a.tcp.Addr().Is4():
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// sockaddr writes a for the kernel and returns its size.
func (a Addr) sockaddr(sa *unix.RawSockaddrAny) (uint32, error) {
	switch a.family() {
	case unix.AF_UNIX:
		return a.sockaddrUnix((*unix.RawSockaddrUnix)(unsafe.Pointer(sa)))
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		*in = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: swap(a.tcp.Port()), Addr: a.tcp.Addr().As4()}
		return unix.SizeofSockaddrInet4, nil
	}
	zone, err := zoneIndex(a.tcp.Addr().Zone())
	in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
	*in = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: swap(a.tcp.Port()), Addr: a.tcp.Addr().As16(), Scope_id: zone}
	return unix.SizeofSockaddrInet6, err
}

func (a Addr) sockaddrUnix(un *unix.RawSockaddrUnix) (uint32, error) {
	if a.path == "" {
		return 0, fmt.Errorf("empty path: %w", syscall.EINVAL)
	}
	if len(a.path) > maxPath {
		return 0, fmt.Errorf("path has %d bytes, at most %d fit: %w", len(a.path), maxPath, syscall.ENAMETOOLONG)
	}
	un.Family = unix.AF_UNIX
	for i := range len(a.path) {
		un.Path[i] = int8(a.path[i])
	}
	un.Path[len(a.path)] = 0
	return unix.SizeofSockaddrUnix, nil
}

// zoneIndex is the number of an IPv6 zone, given as such or as the name of an interface.
func zoneIndex(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n), nil
	}
	ifi, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, fmt.Errorf("zone %q: %w", zone, err)
	}
	return uint32(ifi.Index), nil
}

// addrPort is the address in sa; zero unless it is of TCP.
func addrPort(sa *unix.RawSockaddrAny) netip.AddrPort {
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), swap(in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		addr := netip.AddrFrom16(in.Addr)
		if in.Scope_id != 0 {
			addr = addr.WithZone(strconv.FormatUint(uint64(in.Scope_id), 10))
		}
		return netip.AddrPortFrom(addr, swap(in.Port))
	}
	return netip.AddrPort{}
}

// swap turns a port from network order to the machine's and back.
func swap(port uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], port)
	return binary.BigEndian.Uint16(b[:])
}
