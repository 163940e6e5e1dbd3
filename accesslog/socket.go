package accesslog

import (
	"net/netip"
	"strconv"
)

// binaryRemoteAddr is the address in 4 or 16 bytes, or the text of a unix socket.
func binaryRemoteAddr(dst []byte, e *Entry) ([]byte, bool) {
	if e.Conn == nil {
		return dst, false
	}
	addr, err := netip.ParseAddr(e.Conn.RemoteAddr)
	if err != nil {
		return append(dst, e.Conn.RemoteAddr...), true
	}
	if addr.Is4() {
		four := addr.As4()
		return append(dst, four[:]...), true
	}
	sixteen := addr.As16()
	return append(dst, sixteen[:]...), true
}

// tcpinfo asks the system when the value is needed, as nginx does.
func tcpinfo(get func(*TCPInfo) uint32) variable {
	return func(dst []byte, e *Entry) ([]byte, bool) {
		if e.Conn == nil || e.Conn.Socket == nil {
			return dst, false
		}
		info, ok := e.Conn.Socket.TCPInfo()
		if !ok {
			return dst, false
		}
		return strconv.AppendUint(dst, uint64(get(&info)), 10), true
	}
}
