package keeper

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// listenState is LISTEN in /proc/net/tcp. Source: Linux, include/net/tcp_states.h.
const listenState = "0A"

// holder is the process that has an address; pid 0 when it could not be found,
// as for another user's process without root.
type holder struct {
	pid     int
	command string
}

// addressInUse says who has the address.
type addressInUse struct{ by holder }

func (e *addressInUse) Error() string {
	switch {
	case e.by.pid == 0:
		return "the address is in use by another process"
	case e.by.pid == os.Getpid():
		return "the address is in use by paddock itself, under another name in the running configuration or in one systemd socket"
	case e.by.command == "":
		return fmt.Sprintf("the address is in use by pid %d", e.by.pid)
	}
	return fmt.Sprintf("the address is in use by %s (pid %d)", e.by.command, e.by.pid)
}

// portHolder finds the process that listens where the wanted address cannot.
func portHolder(want netip.AddrPort, both bool) holder {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		inode := conflicting(bufio.NewScanner(f), want, both)
		_ = f.Close()
		if inode != "" {
			return inodeHolder(inode)
		}
	}
	return holder{}
}

// conflicting returns the inode of the first listening socket that stands in the way.
func conflicting(table *bufio.Scanner, want netip.AddrPort, both bool) string {
	for table.Scan() {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
		fields := strings.Fields(table.Text())
		if len(fields) < 10 || fields[3] != listenState {
			continue
		}
		have, ok := parseProcAddress(fields[1])
		if ok && collide(have, want, both) {
			return fields[9]
		}
	}
	return ""
}

// collide reports whether two listening sockets exclude each other. "::" counts for
// IPv4 too: whether it does is not in the table.
func collide(have, want netip.AddrPort, both bool) bool {
	if have.Port() != want.Port() {
		return false
	}
	h, w := have.Addr(), want.Addr()
	if h == w || both || h == netip.IPv6Unspecified() {
		return true
	}
	return h.Is4() == w.Is4() && (h.IsUnspecified() || w.IsUnspecified())
}

// parseProcAddress reads "0100007F:1F90": words of four bytes in the byte order of
// the machine, then the port.
func parseProcAddress(s string) (netip.AddrPort, bool) {
	address, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(address)
	if err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), ok && err == nil
}

// inodeHolder finds the process that has the socket open.
func inodeHolder(inode string) holder {
	want := "socket:[" + inode + "]"
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || target != want {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(link, "/")[2]); err == nil {
			return holder{pid: pid, command: commandOf(pid)}
		}
	}
	return holder{}
}

func commandOf(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
