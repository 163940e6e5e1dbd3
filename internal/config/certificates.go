package config

import (
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"
	"hash"

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
	l.implySSL()
}

// implySSL has every server of an address speak TLS when one does, as in nginx: a
// connection is a handshake, or is none, before anybody knows whom it is for.
func (l *loader) implySSL() {
	secure := map[string]bool{}
	for _, s := range l.config.Servers {
		for _, at := range s.Listen {
			secure[at.Key()] = secure[at.Key()] || at.SSL
		}
	}
	for _, s := range l.config.Servers {
		for i := range s.Listen {
			s.Listen[i].SSL = secure[s.Listen[i].Key()]
		}
	}
}

// readCertificates reads the certificate files of all servers. Their bytes are a part
// of the configuration: a file that was renewed makes a new one.
func (l *loader) readCertificates(problems *value.Problems) {
	l.config.textSum = snapshotOf(l.sum)
	l.config.readCertificates(l.host, l.sum, func(key string, err error) {
		problems.Addf(key, "%s", oneLine(err.Error()))
	})
}

func (c *Config) readCertificates(h *host, sum hash.Hash, report func(key string, err error)) {
	read := func(path string) ([]byte, error) {
		data, err := h.read(path, maxCertificateFile)
		if err == nil {
			fingerprint(sum, path, string(data))
		}
		return data, err
	}
	c.files = make([]tls.Files, len(c.Servers))
	for i := range c.Servers {
		at := value.Index("server", i)
		c.files[i] = c.Servers[i].Read(read, func(key string, err error) {
			report(value.Join(at, key), fmt.Errorf("%w; expected a file of certificates and keys in PEM that match", err))
		})
	}
	c.authorities = make([]tls.AuthorityFiles, len(c.TLS.Authority))
	for i := range c.TLS.Authority {
		at := value.Index("tls.authority", i)
		c.authorities[i] = c.TLS.Authority[i].Read(read, func(key string, err error) { report(value.Join(at, key), err) })
	}
}

// CertificateFiles returns the paths of the certificate files of all servers.
func (c *Config) CertificateFiles() []string {
	var paths []string
	for i := range c.Servers {
		s := &c.Servers[i].Secured
		paths = append(append(paths, s.Certificate...), s.CertificateKey...)
		if s.ClientCertificate != "" {
			paths = append(paths, s.ClientCertificate)
		}
	}
	return paths
}

// Renewed returns the configuration with its certificate files read anew, and the same
// Sum as [Load] would make of it. It fails when one of them cannot be read, or a pair
// does not match.
func (c *Config) Renewed() (*Config, error) {
	next := *c
	var errs []error
	sum := resumed(c.textSum)
	next.readCertificates(thisHost(), sum, func(key string, err error) { errs = append(errs, fmt.Errorf("%s: %w", key, err)) })
	sum.Sum(next.Sum[:0])
	return &next, errors.Join(errs...)
}

// snapshotOf keeps the state of a sum, so that it can go on from there again.
func snapshotOf(sum hash.Hash) []byte {
	state, err := sum.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic(fmt.Sprintf("config: the state of a SHA-256 sum: %v", err)) // it has one (crypto/sha256)
	}
	return state
}

func resumed(state []byte) hash.Hash {
	sum := sha256.New()
	if err := sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		panic(fmt.Sprintf("config: the state of a SHA-256 sum: %v", err))
	}
	return sum
}
