package tls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paddock/internal/value"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// authority signs certificates for tests.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return &authority{t, key, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// issue makes a certificate for a name with a key.
func (a *authority) issue(name string, key crypto.Signer, until time.Time) Pair {
	a.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	must(a.t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(a.t, err)
	return Pair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
}

func ecdsaKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

func (a *authority) pair(name string) Pair {
	return a.issue(name, ecdsaKey(a.t), time.Now().Add(time.Hour))
}

// handshake has a client and a server talk, and returns what each knows then.
func handshake(t *testing.T, server, client *tls.Config) (s, c tls.ConnectionState, err error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	served := make(chan error, 1)
	ts, tc := tls.Server(a, server), tls.Client(b, client)
	go func() {
		err := ts.Handshake()
		if err == nil {
			_, err = ts.Write([]byte("x"))
		} else {
			a.Close()
		}
		served <- err
	}()
	err = tc.Handshake()
	if err == nil {
		_, err = tc.Read(make([]byte, 1)) // session tickets come before it
	}
	err = errors.Join(err, <-served)
	return ts.ConnectionState(), tc.ConnectionState(), err
}

// prepare makes a plan of sites serve.
func prepare(t *testing.T, m *Manager, sites ...SiteSetup) []*Server {
	t.Helper()
	p, err := m.Prepare(Setup{Sites: sites})
	must(t, err)
	m.Commit(p)
	return p.Servers
}

func newManager(t *testing.T) *Manager {
	t.Helper()
	m := New(Options{})
	t.Cleanup(m.Close)
	return m
}

func TestEachClientGetsTheCertificateOfItsKind(t *testing.T) {
	ca := newAuthority(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	pairs := []Pair{ca.pair("a.test"), ca.issue("a.test", rsaKey, time.Now().Add(time.Hour))}
	s := prepare(t, newManager(t), SiteSetup{Files: Files{Pairs: pairs}})[0]
	client := &tls.Config{ServerName: "a.test", RootCAs: ca.pool()}
	_, c, err := handshake(t, s.Config(nil), client)
	must(t, err)
	if _, ok := c.PeerCertificates[0].PublicKey.(*ecdsa.PublicKey); !ok {
		t.Errorf("a client of today got %T", c.PeerCertificates[0].PublicKey)
	}
	client.MaxVersion, client.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	_, c, err = handshake(t, s.Config(nil), client)
	must(t, err)
	if _, ok := c.PeerCertificates[0].PublicKey.(*rsa.PublicKey); !ok {
		t.Errorf("a client of RSA got %T", c.PeerCertificates[0].PublicKey)
	}
}

func TestPairThatDoesNotMatchIsRefused(t *testing.T) {
	ca := newAuthority(t)
	a, b := ca.pair("a.test"), ca.pair("a.test")
	files := map[string][]byte{"a.pem": a.Certificate, "a.key": a.Key, "b.key": b.Key, "empty": nil}
	read := func(path string) ([]byte, error) {
		if data, ok := files[path]; ok {
			return data, nil
		}
		return nil, errors.New(path + ": no such file")
	}
	for _, c := range []struct {
		certificate, key, want string
	}{
		{"a.pem", "a.key", ""},
		{"a.pem", "b.key", "ssl_certificate"},
		{"empty", "a.key", "ssl_certificate"},
		{"a.key", "a.pem", "ssl_certificate"},
		{"gone", "a.key", "ssl_certificate"},
		{"a.pem", "gone", "ssl_certificate_key"},
	} {
		s := Site{Certificate: value.Strings{c.certificate}, CertificateKey: value.Strings{c.key}}
		got := ""
		s.Read(read, func(key string, err error) { got += key })
		if got != c.want {
			t.Errorf("%s with %s: %q, want %q", c.certificate, c.key, got, c.want)
		}
	}
}

func TestHandshakeForARefusedNameIsToldSo(t *testing.T) {
	s := prepare(t, newManager(t), SiteSetup{Site: Site{RejectHandshake: true}})[0]
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		_, _, err := handshake(t, s.Config(nil), &tls.Config{ServerName: "a.test", MaxVersion: version})
		if err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("got %v; want the alert unrecognized_name", err)
		}
	}
}

// A session that one server began is no session of another (nginx CVE-2025-23419): the
// tickets of each are sealed with keys of its own.
func TestSessionIsResumedOnlyWhereItBegan(t *testing.T) {
	ca := newAuthority(t)
	pair := ca.pair("a.test")
	m := newManager(t)
	site := func(name string) SiteSetup {
		return SiteSetup{Names: []string{name}, Files: Files{Pairs: []Pair{pair}}}
	}
	sites := []SiteSetup{site("a.test"), site("b.test")}
	servers := prepare(t, m, sites...)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client := &tls.Config{ServerName: "a.test", RootCAs: ca.pool(), ClientSessionCache: tls.NewLRUClientSessionCache(8), MaxVersion: version}
		resumed := func(s *Server) bool {
			// As on a listener: the configuration is chosen by the handshake.
			listener := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.Config(nil), nil }}
			state, _, err := handshake(t, listener, client)
			must(t, err)
			return state.DidResume
		}
		if resumed(servers[0]) {
			t.Fatal("the first handshake was resumed")
		}
		if !resumed(servers[0]) {
			t.Error("the session was not resumed where it began")
		}
		if resumed(servers[1]) {
			t.Error("the session was resumed by another server")
		}
		resumed(servers[0])
		if reloaded := prepare(t, m, sites...); !resumed(reloaded[0]) {
			t.Error("the session was lost with a reload")
		}
		changed := sites[0]
		changed.VerifyClient = verifyOptionalNoCA
		if resumed(prepare(t, m, changed, sites[1])[0]) {
			t.Error("the session was resumed though the server verifies clients now")
		}
		servers = prepare(t, m, sites...)
	}
}

func TestTicketKeysAreRotated(t *testing.T) {
	var keys tickets
	now := time.Now()
	first := keys.current(now, time.Minute)[0]
	if keys.current(now.Add(59*time.Second), time.Minute)[0] != first {
		t.Error("the key changed before its time")
	}
	second := keys.current(now.Add(time.Minute), time.Minute)
	if len(second) != 2 || second[0] == first || second[1] != first {
		t.Error("after a period the old key opens and a new one seals")
	}
	third := keys.current(now.Add(2*time.Minute), time.Minute)
	if len(third) != 2 || third[1] == first {
		t.Error("after two periods the old key is still there")
	}
}

func TestClientCertificateGetsOpenSSLsVerdict(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	chain := func(p Pair) []*x509.Certificate {
		c, err := p.parse()
		must(t, err)
		return []*x509.Certificate{c.Leaf}
	}
	good := chain(ca.pair("client"))
	old := chain(ca.issue("client", ecdsaKey(t), time.Now().Add(-time.Minute)))
	foreign := chain(stranger.pair("client"))
	for _, c := range []struct {
		mode  string
		chain []*x509.Certificate
		want  Verdict
	}{
		{verifyOn, nil, Verdict{"NONE", 496}},
		{verifyOptional, nil, Verdict{"NONE", 0}},
		{verifyOn, good, Verdict{"SUCCESS", 0}},
		{verifyOn, old, Verdict{"FAILED:certificate has expired", 495}},
		{verifyOptional, old, Verdict{"FAILED:certificate has expired", 495}},
		{verifyOptionalNoCA, old, Verdict{"FAILED:certificate has expired", 495}},
		{verifyOn, foreign, Verdict{"FAILED:unable to verify the first certificate", 495}},
		{verifyOptionalNoCA, foreign, Verdict{"FAILED:unable to verify the first certificate", 0}},
		{verifyOn, []*x509.Certificate{stranger.cert}, Verdict{"FAILED:self-signed certificate", 495}},
	} {
		v := &verifier{mode: c.mode, pool: ca.pool(), now: time.Now}
		if got := v.verdict(&tls.ConnectionState{PeerCertificates: c.chain}); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.mode, got, c.want)
		}
	}
}

// Without authorities of its own a server knows no client: one whose certificate is from
// an authority of the system is no more welcome than any other (nginx: optional_no_ca).
func TestClientIsKnownByNoAuthorityOfTheSystem(t *testing.T) {
	ca := newAuthority(t)
	file := filepath.Join(t.TempDir(), "system.pem")
	must(t, os.WriteFile(file, ca.pem, 0o600))
	t.Setenv("SSL_CERT_FILE", file)
	client, err := ca.pair("client").parse()
	must(t, err)
	s, err := newServer(&SiteSetup{Site: Site{VerifyClient: verifyOptionalNoCA}, Files: Files{Pairs: []Pair{ca.pair("a.test")}}}, time.Now)
	must(t, err)
	want := Verdict{"FAILED:unable to verify the first certificate", 0}
	if got := s.Verify(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{client.Leaf}}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
