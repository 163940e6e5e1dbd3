package tls

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"github.com/miekg/dns"
)

// solver proves names through the listeners that there are: it only remembers what is
// to be answered. The storage has it too, so that any machine that shares it can be
// the one that the authority asks.
type solver struct {
	mu      sync.Mutex        // guards what follows
	storage certmagic.Storage // nil until there is a name to prove
	tokens  map[tokenKey]string
	proofs  map[string]*tls.Certificate // by the name that the authority asks for
}

type tokenKey struct{ host, token string }

func newSolver() *solver {
	return &solver{tokens: map[tokenKey]string{}, proofs: map[string]*tls.Certificate{}}
}

var _ acmez.Solver = (*solver)(nil)

// Present implements acmez.Solver.
func (s *solver) Present(ctx context.Context, c acme.Challenge) error {
	switch c.Type {
	case challengeHTTP:
		s.mu.Lock()
		s.tokens[tokenKey{c.Identifier.Value, c.Token}] = c.KeyAuthorization
		s.mu.Unlock()
	case challengeTLS:
		proof, err := acmez.TLSALPN01ChallengeCert(c)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.proofs[askedName(c)] = proof
		s.mu.Unlock()
	}
	shared, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return s.shelf().Store(ctx, sharedKey(c.Type, askedName(c)), shared)
}

// CleanUp implements acmez.Solver.
func (s *solver) CleanUp(ctx context.Context, c acme.Challenge) error {
	s.mu.Lock()
	delete(s.tokens, tokenKey{c.Identifier.Value, c.Token})
	if c.Type == challengeTLS {
		delete(s.proofs, askedName(c))
	}
	s.mu.Unlock()
	return s.shelf().Delete(context.WithoutCancel(ctx), sharedKey(c.Type, askedName(c)))
}

// use has the storage hold what other machines are to answer.
func (s *solver) use(storage certmagic.Storage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.storage = storage
}

func (s *solver) shelf() certmagic.Storage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.storage
}

// token answers http-01 for a name of ours.
func (s *solver) token(ctx context.Context, host, token string) (string, bool) {
	s.mu.Lock()
	proof, ok := s.tokens[tokenKey{host, token}]
	s.mu.Unlock()
	if ok {
		return proof, true
	}
	c, ok := s.shared(ctx, challengeHTTP, host)
	if !ok || c.Token != token {
		return "", false
	}
	return c.KeyAuthorization, true
}

// proof answers tls-alpn-01 for a name of ours.
func (s *solver) proof(ctx context.Context, name string) (*tls.Certificate, bool) {
	s.mu.Lock()
	proof, ok := s.proofs[name]
	s.mu.Unlock()
	if ok {
		return proof, true
	}
	c, ok := s.shared(ctx, challengeTLS, name)
	if !ok {
		return nil, false
	}
	proof, err := acmez.TLSALPN01ChallengeCert(c)
	return proof, err == nil
}

// shared finds what another machine has under way.
func (s *solver) shared(ctx context.Context, kind, name string) (c acme.Challenge, ok bool) {
	text, err := s.shelf().Load(ctx, sharedKey(kind, name))
	if err != nil || json.Unmarshal(text, &c) != nil {
		return c, false
	}
	return c, true
}

func sharedKey(kind, name string) string {
	return "acme/challenges/" + kind + "/" + certmagic.StorageKeys.Safe(name) + ".json"
}

// askedName is the name that an authority asks for: of an address over TLS, the name of
// the reverse zone (RFC 8738 6).
func askedName(c acme.Challenge) string {
	if c.Type == challengeTLS && c.Identifier.Type == "ip" {
		if name, err := dns.ReverseAddr(c.Identifier.Value); err == nil {
			return strings.TrimSuffix(name, ".")
		}
	}
	return c.Identifier.Value
}

// unreversed is the address of a name in a reverse zone; any other name stays.
func unreversed(name string) string {
	if host, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		parts := strings.Split(host, ".")
		slices.Reverse(parts)
		return strings.Join(parts, ".")
	}
	host, ok := strings.CutSuffix(name, ".ip6.arpa")
	if !ok {
		return name
	}
	digits := strings.Split(host, ".")
	slices.Reverse(digits)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && i%4 == 0 {
			b.WriteByte(':')
		}
		b.WriteString(d)
	}
	a, err := netip.ParseAddr(b.String())
	if err != nil {
		return name
	}
	return a.String()
}
