package tls

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
)

// managed are the certificates of a site that are ours to get.
type managed struct {
	names   []string
	holders map[string]*holder
}

var errNoCertificate = errors.New("there is no certificate for the server yet")

// choose returns the certificate of the name that a client asks for, or of another name
// of the server when there is none: the client then says what it thinks of that.
func (m *managed) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	if name == "" { // a client of an address sends none (RFC 6066 3)
		name = localAddress(hello.Conn)
	}
	if c := m.of(name); c != nil {
		return c, nil
	}
	if _, parent, ok := strings.Cut(name, "."); ok {
		if c := m.of("*." + parent); c != nil {
			return c, nil
		}
	}
	for _, name := range m.names {
		if c := m.of(name); c != nil {
			return c, nil
		}
	}
	return nil, errNoCertificate
}

func (m *managed) of(name string) *tls.Certificate {
	if k := m.holders[name]; k != nil {
		return k.certificate.Load()
	}
	return nil
}

func localAddress(c net.Conn) string {
	if c == nil {
		return ""
	}
	if a, ok := c.LocalAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("").String()
	}
	return ""
}
