package accesslog

import (
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// secured prints a value of a TLS connection; an empty one is missing, as in nginx
// (ngx_http_ssl_variable).
func secured(get func(*tls.ConnectionState) string) variable {
	return func(dst []byte, e *Entry) ([]byte, bool) {
		if e.Conn == nil || e.Conn.TLS == nil {
			return dst, false
		}
		text := get(e.Conn.TLS)
		return append(dst, text...), text != ""
	}
}

// clientCert prints a value of the certificate that the client showed.
func clientCert(get func(*x509.Certificate) string) variable {
	return secured(func(s *tls.ConnectionState) string {
		if len(s.PeerCertificates) == 0 {
			return ""
		}
		return get(s.PeerCertificates[0])
	})
}

func sslProtocol(s *tls.ConnectionState) string {
	switch s.Version {
	case tls.VersionTLS13:
		return "TLSv1.3"
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS11:
		return "TLSv1.1"
	case tls.VersionTLS10:
		return "TLSv1"
	}
	return ""
}

// sslCipher is OpenSSL's name of the cipher suite, which nginx logs.
func sslCipher(s *tls.ConnectionState) string {
	name := tls.CipherSuiteName(s.CipherSuite)
	if s.Version == tls.VersionTLS13 {
		return name
	}
	name = strings.TrimPrefix(strings.TrimPrefix(name, "TLS_"), "RSA_WITH_")
	name = strings.TrimSuffix(name, "_POLY1305_SHA256") + map[bool]string{true: "_POLY1305"}[strings.HasSuffix(name, "_POLY1305_SHA256")]
	name = strings.NewReplacer("_WITH_", "-", "AES_128_GCM", "AES128-GCM", "AES_256_GCM", "AES256-GCM", "AES_128_CBC_", "AES128-", "AES_256_CBC_", "AES256-").Replace(name)
	return strings.ReplaceAll(name, "_", "-")
}

func sslCurve(s *tls.ConnectionState) string {
	switch s.CurveID {
	case 0:
		return ""
	case tls.CurveP256:
		return "prime256v1"
	case tls.CurveP384:
		return "secp384r1"
	case tls.CurveP521:
		return "secp521r1"
	}
	return s.CurveID.String()
}

func sslReused(s *tls.ConnectionState) string {
	if s.DidResume {
		return "r"
	}
	return "."
}

// sslVerify is the proxy's verdict; where none was asked for, nothing was verified.
func sslVerify(dst []byte, e *Entry) ([]byte, bool) {
	if e.Conn == nil || e.Conn.TLS == nil {
		return dst, false
	}
	if e.Conn.TLSVerify == "" {
		return append(dst, "NONE"...), true
	}
	return append(dst, e.Conn.TLSVerify...), true
}

func certSerial(c *x509.Certificate) string {
	text := strings.ToUpper(c.SerialNumber.Text(16))
	if len(text)%2 == 1 {
		text = "0" + text
	}
	return text
}

func certFingerprint(c *x509.Certificate) string {
	sum := sha1.Sum(c.Raw)
	return hex.EncodeToString(sum[:])
}

// certTime is OpenSSL's form (ASN1_TIME_print).
func certTime(t time.Time) string { return t.UTC().Format("Jan _2 15:04:05 2006 GMT") }

// certRemain is how many days the certificate is still good for.
func certRemain(c *x509.Certificate) string {
	return strconv.Itoa(max(int(time.Until(c.NotAfter)/(24*time.Hour)), 0))
}

func certPEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// certEscaped is the PEM text as a part of a URL (nginx: ssl_client_escaped_cert).
func certEscaped(c *x509.Certificate) string {
	return strings.ReplaceAll(url.QueryEscape(certPEM(c)), "+", "%20")
}

// legacyDN is the form that nginx had before 1.11.6: "/C=US/O=x".
func legacyDN(dn string) string {
	parts := strings.Split(dn, ",")
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "/%s", parts[i])
	}
	return b.String()
}
