package accesslog

// peerAddr is the address of who holds the connection, whoever it speaks for.
func peerAddr(c *Conn) string {
	if c.PeerAddr != "" {
		return c.PeerAddr
	}
	return c.RemoteAddr
}

func peerPort(c *Conn) string {
	if c.PeerAddr != "" {
		return c.PeerPort
	}
	return c.RemotePort
}

// proxied prints a part of the PROXY protocol header. It is missing without one,
// and when the header names no addresses (nginx: LOCAL, UNKNOWN).
func proxied(get func(*Proxied) string) variable {
	return func(dst []byte, e *Entry) ([]byte, bool) {
		if e.Conn == nil || e.Conn.Proxied == nil {
			return dst, false
		}
		return append(dst, get(e.Conn.Proxied)...), true
	}
}
