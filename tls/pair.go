package tls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// Pair is a certificate with its chain, and its key: the bytes of two PEM files.
type Pair struct {
	Certificate []byte
	Key         []byte
}

// Files are what the files of a site hold. The keeper reads them: the proxy need not
// be able to.
type Files struct {
	Pairs   []Pair
	Clients []byte // of ssl_client_certificate
}

// Read fills in the files of a site. Each that can not be read, and each pair that
// does not match, is reported as a problem with its key.
func (s *Site) Read(read func(path string) ([]byte, error), report func(key string, err error)) Files {
	var f Files
	for i, path := range s.Certificate {
		certificate, err := read(path)
		if err != nil {
			report("ssl_certificate", err)
			continue
		}
		if i >= len(s.CertificateKey) {
			break // reported by Validate
		}
		key, err := read(s.CertificateKey[i])
		if err != nil {
			report("ssl_certificate_key", err)
			continue
		}
		pair := Pair{certificate, key}
		if _, err := pair.parse(); err != nil {
			report("ssl_certificate", fmt.Errorf("%s with the key %s: %w", path, s.CertificateKey[i], err))
		}
		f.Pairs = append(f.Pairs, pair)
	}
	if s.ClientCertificate != "" {
		var err error
		if f.Clients, err = read(s.ClientCertificate); err != nil {
			report("ssl_client_certificate", err)
		} else if _, err := parsePool(f.Clients); err != nil {
			report("ssl_client_certificate", fmt.Errorf("%s: %w", s.ClientCertificate, err))
		}
	}
	return f
}

// parse checks that certificate and key are such, and belong together.
func (p Pair) parse() (*tls.Certificate, error) {
	c, err := tls.X509KeyPair(p.Certificate, p.Key)
	if err != nil {
		return nil, err
	}
	return &c, nil
}

func parsePool(pem []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in it; expected some in PEM")
	}
	return pool, nil
}
