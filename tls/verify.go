package tls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"
)

// Verdict is what a client's certificate is worth.
type Verdict struct {
	Result string // $ssl_client_verify: "SUCCESS", "NONE", or "FAILED:reason"
	Status int    // 0: the request goes on; 495: the certificate is bad; 496: none was sent
}

// The statuses of nginx for error_page; the client sees a 400.
const (
	statusCertError = 495
	statusNoCert    = 496
)

// verifier judges client certificates for one server. That a handshake is not refused
// for them, but each request is, lets the client see a page that says why, as in nginx.
type verifier struct {
	mode string
	pool *x509.CertPool // never nil: that would mean the authorities of the system
	now  func() time.Time
}

// verdict judges the certificates that a connection showed in its handshake.
func (v *verifier) verdict(state *tls.ConnectionState) Verdict {
	if len(state.PeerCertificates) == 0 {
		if v.mode == verifyOn {
			return Verdict{"NONE", statusNoCert}
		}
		return Verdict{Result: "NONE"}
	}
	err := v.verify(state.PeerCertificates)
	if err == nil {
		return Verdict{Result: "SUCCESS"}
	}
	out := Verdict{"FAILED:" + reason(err, state.PeerCertificates[0]), statusCertError}
	var unknown x509.UnknownAuthorityError
	if v.mode == verifyOptionalNoCA && errors.As(err, &unknown) {
		out.Status = 0
	}
	return out
}

func (v *verifier) verify(chain []*x509.Certificate) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: v.pool, Intermediates: between, CurrentTime: v.now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err
}

// reason is OpenSSL's word for what is wrong, which is what nginx logs.
func reason(err error, leaf *x509.Certificate) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "certificate has expired"
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return "unsupported certificate purpose"
	case errors.As(err, &unknown) && leaf.Issuer.String() == leaf.Subject.String():
		return "self-signed certificate"
	case errors.As(err, &unknown):
		return "unable to verify the first certificate"
	}
	return "certificate rejected"
}
