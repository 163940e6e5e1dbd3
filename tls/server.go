package tls

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"sync"
	"time"
)

// DefaultSessionTimeout is how long a session can be resumed (nginx: ssl_session_timeout).
const DefaultSessionTimeout = 5 * time.Minute

// Server is what one server speaks TLS with.
type Server struct {
	base     tls.Config
	tickets  *tickets
	period   time.Duration
	verifier *verifier // nil: clients show no certificate
	managed  *managed  // nil: its certificates are files, or it refuses

	mu   sync.Mutex // guards made
	made map[string]*tls.Config
}

// Config returns the configuration of connections that may speak the protocols (RFC
// 7301 names, the preferred one first).
func (s *Server) Config(protocols []string) *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.Join(protocols, " ")
	if c := s.made[key]; c != nil {
		return c
	}
	c := s.base.Clone()
	c.NextProtos = protocols
	c.SetSessionTicketKeys(s.tickets.current(s.base.Time(), s.period))
	s.made[key] = c
	return c
}

// refresh puts the newest ticket keys to use.
func (s *Server) refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := s.tickets.current(s.base.Time(), s.period)
	for _, c := range s.made {
		c.SetSessionTicketKeys(keys)
	}
}

// Verify judges the client's certificate; it reports "NONE" where none is wanted.
func (s *Server) Verify(state *tls.ConnectionState) Verdict {
	if s.verifier == nil {
		return Verdict{Result: "NONE"}
	}
	return s.verifier.verdict(state)
}

// Verifies reports whether the server asks for client certificates.
func (s *Server) Verifies() bool { return s.verifier != nil }

// newServer compiles a site that speaks TLS; nil for one that has no certificate.
func newServer(s *SiteSetup, now func() time.Time) (*Server, error) {
	if !s.Managed() && len(s.Files.Pairs) == 0 && !s.RejectHandshake {
		return nil, nil
	}
	spoken, err := parseProtocols(s.Protocols)
	if err != nil {
		return nil, fmt.Errorf("ssl_protocols: %w", err)
	}
	suites, err := parseCiphers(s.Ciphers)
	if err != nil {
		return nil, fmt.Errorf("ssl_ciphers: %w", err)
	}
	out := &Server{made: map[string]*tls.Config{}, period: DefaultSessionTimeout}
	if s.SessionTimeout != nil {
		out.period = s.SessionTimeout.D()
	}
	out.base = tls.Config{
		MinVersion: spoken.low, MaxVersion: spoken.high, CipherSuites: suites,
		SessionTicketsDisabled:      s.SessionTickets != nil && !*s.SessionTickets,
		DynamicRecordSizingDisabled: true, // a record a write costs less, and nginx does the same
		Time:                        now,
	}
	if err := out.clients(s, now); err != nil {
		return nil, err
	}
	if s.RejectHandshake { // no certificate at all is answered with the alert unrecognized_name
		return out, nil
	}
	if s.Managed() {
		out.managed = &managed{names: orderable(s.Names)}
		out.base.GetCertificate = out.managed.choose
		return out, nil
	}
	return out, out.files(s.Files.Pairs)
}

// clients sets up client certificates. crypto/tls only asks for them: see verifier.
func (s *Server) clients(site *SiteSetup, now func() time.Time) error {
	if !site.verifies() {
		return nil
	}
	s.verifier = &verifier{mode: site.VerifyClient, pool: x509.NewCertPool(), now: now}
	s.base.ClientAuth = tls.RequestClientCert
	if len(site.Files.Clients) == 0 {
		return nil // optional_no_ca
	}
	pool, err := parsePool(site.Files.Clients)
	if err != nil {
		return fmt.Errorf("ssl_client_certificate: %w", err)
	}
	s.verifier.pool, s.base.ClientCAs = pool, pool
	return nil
}

// files serves certificates of files: the first that the client can use, whatever the
// name, since the name has chosen the server already.
func (s *Server) files(pairs []Pair) error {
	var all []*tls.Certificate
	for _, p := range pairs {
		c, err := p.parse()
		if err != nil {
			return fmt.Errorf("ssl_certificate: %w", err)
		}
		all = append(all, c)
	}
	s.base.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return fitting(all, hello), nil
	}
	return nil
}

// fitting returns the first certificate with a key that the client understands, or the
// first of all.
func fitting(all []*tls.Certificate, hello *tls.ClientHelloInfo) *tls.Certificate {
	if len(all) > 1 {
		nameless := *hello
		nameless.ServerName = ""
		for _, c := range all {
			if nameless.SupportsCertificate(c) == nil {
				return c
			}
		}
	}
	return all[0]
}
