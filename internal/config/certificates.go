package config

import (
	"paddock/internal/value"
	"paddock/tls"
)

// maxCertificateFile bounds a file of certificates; a bundle of every authority there
// is has about 250 KB.
const maxCertificateFile = 1 << 20

// imply adds what one half of a server says of the other.
func (l *loader) imply() {
	for i := range l.config.Servers {
		s := &l.config.Servers[i]
		s.Imply(s.Listen)
		if s.TLS == tls.ModeAuto && s.HTTPSRedirect == nil {
			yes := true
			s.HTTPSRedirect = &yes
		}
		if s.Managed() && s.HTTP2 == nil {
			yes := true
			s.HTTP2 = &yes
		}
	}
}

// readCertificates reads the certificate files of all servers. Their bytes are a part
// of the configuration: a file that was renewed makes a new one.
func (l *loader) readCertificates(problems *value.Problems) {
	read := func(path string) ([]byte, error) {
		data, err := l.host.read(path, maxCertificateFile)
		if err == nil {
			l.fingerprint(path, string(data))
		}
		return data, err
	}
	l.config.files = make([]tls.Files, len(l.config.Servers))
	for i := range l.config.Servers {
		at := value.Index("server", i)
		l.config.files[i] = l.config.Servers[i].Read(read, func(key string, err error) {
			problems.Addf(value.Join(at, key), "%s; expected a file of certificates and keys in PEM that match", oneLine(err.Error()))
		})
	}
	l.config.authorities = make([]tls.AuthorityFiles, len(l.config.TLS.Authority))
	for i := range l.config.TLS.Authority {
		at := value.Index("tls.authority", i)
		l.config.authorities[i] = l.config.TLS.Authority[i].Read(read, func(key string, err error) {
			problems.Addf(value.Join(at, key), "%s", oneLine(err.Error()))
		})
	}
}
