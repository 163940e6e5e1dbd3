package tls

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"time"

	"github.com/caddyserver/certmagic"
)

// Where the local authority is kept, below the folder of certificates.
const (
	localRoot = "internal/root.crt"
	localKey  = "internal/root.key"
)

// RootPath is the certificate of the local authority, below the folder of certificates:
// what `paddock trust` makes known.
const RootPath = localRoot

const (
	localRootTime = 10 * 365 * 24 * time.Hour
	localLeafTime = 7 * 24 * time.Hour
	// backdate lets clocks that are a little behind accept a new certificate.
	backdate = 5 * time.Minute
)

// localCA is the authority of tls = "internal". Its key never leaves the storage, and
// its certificate says that it signs no other authority.
type localCA struct {
	storage certmagic.Storage
	now     func() time.Time
}

var _ certmagic.Issuer = (*localCA)(nil)

// IssuerKey implements certmagic.Issuer.
func (*localCA) IssuerKey() string { return "internal" }

// Issue implements certmagic.Issuer.
func (l *localCA) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	root, key, err := l.root(ctx)
	if err != nil {
		return nil, fmt.Errorf("local authority: %w", err)
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, DNSNames: csr.DNSNames, IPAddresses: csr.IPAddresses,
		NotBefore: l.now().Add(-backdate), NotAfter: l.now().Add(localLeafTime),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, root, csr.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &certmagic.IssuedCertificate{Certificate: pemOf("CERTIFICATE", der)}, nil
}

// root returns the authority's certificate and key, and makes them the first time.
func (l *localCA) root(ctx context.Context) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	const lock = "internal_root"
	if err := l.storage.Lock(ctx, lock); err != nil {
		return nil, nil, err
	}
	defer l.storage.Unlock(context.WithoutCancel(ctx), lock)
	certificate, err := l.storage.Load(ctx, localRoot)
	if errors.Is(err, fs.ErrNotExist) {
		return l.create(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	key, err := l.storage.Load(ctx, localKey)
	if err != nil {
		return nil, nil, err
	}
	return parseRoot(certificate, key)
}

func parseRoot(certificate, key []byte) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	pair, err := Pair{certificate, key}.parse()
	if err != nil {
		return nil, nil, err
	}
	private, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, errors.New("its key is of another kind")
	}
	return pair.Leaf, private, nil
}

func (l *localCA) create(ctx context.Context) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Paddock local authority of " + host},
		NotBefore: l.now().Add(-backdate), NotAfter: l.now().Add(localRootTime),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	private, err := certmagic.PEMEncodePrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	certificate := pemOf("CERTIFICATE", der)
	// The key first: a certificate without one would be taken for a broken authority.
	if err := l.storage.Store(ctx, localKey, private); err != nil {
		return nil, nil, err
	}
	if err := l.storage.Store(ctx, localRoot, certificate); err != nil {
		return nil, nil, err
	}
	return parseRoot(certificate, private)
}

func serialNumber() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
