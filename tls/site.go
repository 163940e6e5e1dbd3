package tls

import (
	"net/netip"
	"slices"
	"strings"

	"paddock/internal/value"
)

// Site is the TLS half of one [[server]].
type Site struct {
	TLS               string          `toml:"tls"`                    // "off"; "auto": certificates for every server_name from an ACME authority; "internal": from a local one that `paddock trust` makes known; both speak TLS on port 443 without `ssl`
	Certificate       value.Strings   `toml:"ssl_certificate"`        // PEM files, each the certificate and its chain; several for several kinds of keys (nginx: ssl_certificate)
	CertificateKey    value.Strings   `toml:"ssl_certificate_key"`    // PEM files, one for each ssl_certificate in its order (nginx: ssl_certificate_key)
	Protocols         value.Strings   `toml:"ssl_protocols"`          // TLSv1.2 and TLSv1.3; older ones are not spoken (nginx: ssl_protocols)
	Ciphers           string          `toml:"ssl_ciphers"`            // OpenSSL names with ":" between, of TLSv1.2; every AEAD cipher with forward secrecy (nginx: ssl_ciphers)
	ClientCertificate string          `toml:"ssl_client_certificate"` // PEM file of the authorities of client certificates (nginx: ssl_client_certificate)
	VerifyClient      string          `toml:"ssl_verify_client"`      // "off", "on", "optional" or "optional_no_ca"; off (nginx: ssl_verify_client)
	SessionTimeout    *value.Duration `toml:"ssl_session_timeout"`    // how long a client may resume a session, at least; 5 m (nginx: ssl_session_timeout)
	SessionTickets    *bool           `toml:"ssl_session_tickets"`    // true (nginx: ssl_session_tickets)
	RejectHandshake   bool            `toml:"ssl_reject_handshake"`   // refuse whoever asks for this server, as the default for unknown names (nginx: ssl_reject_handshake)
}

// The values of `tls`.
const (
	ModeOff      = "off"
	ModeAuto     = "auto"
	ModeInternal = "internal"
)

// The values of `ssl_verify_client`.
const (
	verifyOff          = "off"
	verifyOn           = "on"
	verifyOptional     = "optional"
	verifyOptionalNoCA = "optional_no_ca"
)

// httpsPort speaks TLS without saying so in a server with tls = "auto" or "internal".
const httpsPort = 443

// Managed reports whether the certificates of the site are ours to get.
func (s *Site) Managed() bool { return s.TLS == ModeAuto || s.TLS == ModeInternal }

// Imply makes port 443 speak TLS in a site whose certificates are ours to get.
func (s *Site) Imply(listens []value.Listen) {
	for i := range listens {
		if s.Managed() && listens[i].Addr.IsValid() && listens[i].Addr.Port() == httpsPort {
			listens[i].SSL = true
		}
	}
}

// Validate reports what is wrong with the site at key, whose server has these names
// and addresses.
func (s *Site) Validate(key string, names []string, listens []value.Listen, problems *value.Problems) {
	at := func(name string) string { return value.Join(key, name) }
	oneOf(at("tls"), s.TLS, []string{"", ModeOff, ModeAuto, ModeInternal}, problems)
	oneOf(at("ssl_verify_client"), s.VerifyClient, []string{"", verifyOff, verifyOn, verifyOptional, verifyOptionalNoCA}, problems)
	if _, err := parseProtocols(s.Protocols); err != nil {
		problems.Addf(at("ssl_protocols"), "%v", err)
	}
	if _, err := parseCiphers(s.Ciphers); err != nil {
		problems.Addf(at("ssl_ciphers"), "%v", err)
	}
	if s.SessionTimeout != nil && *s.SessionTimeout <= 0 {
		problems.Addf(at("ssl_session_timeout"), "expected a time above 0, got %q", s.SessionTimeout)
	}
	if len(s.Certificate) != len(s.CertificateKey) {
		problems.Addf(at("ssl_certificate_key"), "%d for %d of ssl_certificate; expected one for each", len(s.CertificateKey), len(s.Certificate))
	}
	if s.verifies() && s.VerifyClient != verifyOptionalNoCA && s.ClientCertificate == "" {
		problems.Addf(at("ssl_verify_client"), "no ssl_client_certificate to verify against; expected one")
	}
	s.validateSource(at, names, listens, problems)
}

// validateSource wants one source of certificates for a site that speaks TLS.
func (s *Site) validateSource(at func(string) string, names []string, listens []value.Listen, problems *value.Problems) {
	secure := slices.ContainsFunc(listens, func(l value.Listen) bool { return l.SSL })
	switch {
	case s.Managed() && len(s.Certificate) > 0:
		problems.Addf(at("tls"), "%q, and an ssl_certificate stands here too; expected one of them", s.TLS)
	case s.Managed() && s.RejectHandshake:
		problems.Addf(at("ssl_reject_handshake"), "true, and tls = %q has certificates for this server; expected one of them, or a server of its own that refuses", s.TLS)
	case s.Managed() && !secure:
		problems.Addf(at("tls"), `%q, but no listen address speaks TLS; expected port 443, or one with "ssl"`, s.TLS)
	case s.Managed() && len(orderable(names)) == 0:
		problems.Addf(at("server_name"), "tls = %q needs names to get certificates for; expected one such as example.com", s.TLS)
	case secure && !s.Managed() && len(s.Certificate) == 0 && !s.RejectHandshake:
		problems.Addf(at("listen"), `an address speaks TLS ("ssl"), and there is no certificate; expected tls = "auto", ssl_certificate, or ssl_reject_handshake`)
	}
}

func (s *Site) verifies() bool { return s.VerifyClient != "" && s.VerifyClient != verifyOff }

// orderable returns the names of a server that a certificate can be for: no regular
// expression, no "www.example.*", no name that is none ("_").
func orderable(names []string) []string {
	var out []string
	for _, name := range names {
		name = strings.TrimSuffix(strings.ToLower(name), ".")
		bare := strings.TrimPrefix(name, "*.")
		switch {
		case strings.HasPrefix(name, "."): // nginx: the name itself and all below it
			if isHostName(name[1:]) {
				out = append(out, name[1:], "*"+name)
			}
		case isAddress(name):
			out = append(out, strings.Trim(name, "[]"))
		case isHostName(bare):
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func isAddress(name string) bool {
	_, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil
}

// isHostName reports whether a name has the form that certificates are made out to
// (RFC 5280 4.2.1.6: LDH labels).
func isHostName(name string) bool {
	if len(name) == 0 || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		const allowed = "abcdefghijklmnopqrstuvwxyz0123456789-"
		if label == "" || len(label) > 63 || strings.Trim(label, allowed) != "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

func oneOf(key, got string, choices []string, problems *value.Problems) {
	if slices.Contains(choices, got) {
		return
	}
	problems.Addf(key, "%q: expected %s", got, strings.TrimPrefix(strings.Join(choices, ", "), ", "))
}
