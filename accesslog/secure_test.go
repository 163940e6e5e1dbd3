package accesslog

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const clientSubject = "/C=DE/O=Example, Inc./CN=client"

func clientCertificate(t *testing.T) (c *x509.Certificate, path string) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "cert.pem")
	cmd := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
		"-keyout", filepath.Join(dir, "key.pem"), "-out", path, "-days", "30", "-subj", clientSubject, "-set_serial", "0x0A1B2C")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v: %s", err, out)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	if c, err = x509.ParseCertificate(block.Bytes); err != nil {
		t.Fatal(err)
	}
	return c, path
}

// What nginx prints of a certificate is what OpenSSL prints of it.
func TestVariablesOfAClientCertificateAreOpenSSLs(t *testing.T) {
	cert, path := clientCertificate(t)
	openssl := func(args ...string) string {
		out, err := exec.Command("openssl", append([]string{"x509", "-in", path, "-noout"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ := strings.Cut(strings.TrimSpace(string(out)), "=")
		return text
	}
	e := &Entry{Conn: &Conn{TLS: &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}, TLSVerify: "FAILED:self-signed certificate"}}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := strings.ToLower(strings.ReplaceAll(openssl("-fingerprint", "-sha1"), ":", ""))
	for name, want := range map[string]string{
		"ssl_client_s_dn": openssl("-subject", "-nameopt", "RFC2253"), "ssl_client_i_dn": openssl("-issuer", "-nameopt", "RFC2253"),
		"ssl_client_serial": openssl("-serial"), "ssl_client_fingerprint": fingerprint,
		"ssl_client_v_start": openssl("-startdate"), "ssl_client_v_end": openssl("-enddate"), "ssl_client_v_remain": "29",
		"ssl_client_raw_cert": string(text), "ssl_client_verify": "FAILED:self-signed certificate",
	} {
		wantLine(t, "$"+name, None, e, want)
	}
}

func TestVariablesOfTLS(t *testing.T) {
	state := func(version, suite uint16) *Entry {
		return &Entry{Conn: &Conn{TLS: &tls.ConnectionState{Version: version, CipherSuite: suite, ServerName: "a.test", DidResume: version == tls.VersionTLS12, CurveID: tls.CurveP256}}}
	}
	const all = "$ssl_protocol $ssl_cipher $ssl_curve $ssl_server_name $ssl_session_reused $ssl_alpn_protocol $ssl_early_data $ssl_client_verify $ssl_client_s_dn"
	wantLine(t, all, Default, state(tls.VersionTLS13, tls.TLS_CHACHA20_POLY1305_SHA256), "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256 prime256v1 a.test . - - NONE -")
	for suite, want := range map[uint16]string{
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         "ECDHE-RSA-AES128-GCM-SHA256",
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       "ECDHE-ECDSA-AES256-GCM-SHA384",
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   "ECDHE-RSA-CHACHA20-POLY1305",
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA:            "ECDHE-RSA-AES128-SHA",
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA:          "ECDHE-ECDSA-AES256-SHA",
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256:               "AES128-GCM-SHA256",
		tls.TLS_RSA_WITH_AES_256_CBC_SHA:                  "AES256-SHA",
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256:         "ECDHE-RSA-AES128-SHA256",
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
	} {
		wantLine(t, "$ssl_protocol $ssl_cipher $ssl_session_reused", Default, state(tls.VersionTLS12, suite), "TLSv1.2 "+want+" r")
	}
	wantLine(t, all, Default, &Entry{Conn: &Conn{}}, "- - - - - - - - -")
}
