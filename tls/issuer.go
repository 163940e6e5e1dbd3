package tls

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
)

const (
	// requestTime bounds one request to an authority.
	requestTime = 30 * time.Second
	// pollTime bounds the wait for an authority to look at a challenge or to issue.
	pollTime = 90 * time.Second
	// shortlived is the profile of Let's Encrypt that addresses need.
	shortlived = "shortlived"
)

// issuer gets certificates from one authority. certmagic calls it; it has its own way
// to the authority (certmagic's ACMEIssuer listens and dials for its challenges).
type issuer struct {
	authority Authority // resolved
	eab       *acme.EAB
	email     string
	storage   certmagic.Storage
	solvers   map[string]acmez.Solver
	dns       acmez.Solver // nil: no wildcards
	pace      *certmagic.RingBufferRateLimiter
	log       *zap.Logger

	client  *http.Client
	gate    *gate
	clients map[string]*acme.Client // by directory; made once, they know nonces and directories
}

var _ certmagic.Issuer = (*issuer)(nil)

func newIssuer(a Authority, files AuthorityFiles, now func() time.Time) (*issuer, error) {
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: requestTime}).DialContext,
		TLSHandshakeTimeout:   requestTime,
		ResponseHeaderTimeout: requestTime,
		IdleConnTimeout:       time.Minute,
		ForceAttemptHTTP2:     true,
	}
	i := &issuer{authority: a, clients: map[string]*acme.Client{}}
	if len(files.Roots) > 0 {
		pool, err := parsePool(files.Roots)
		if err != nil {
			return nil, fmt.Errorf("trusted_roots: %w", err)
		}
		transport.TLSClientConfig = clientTLS(pool)
	}
	if a.EABKeyID != "" {
		i.eab = &acme.EAB{KeyID: a.EABKeyID, MACKey: eabKey(files.EABKey)}
	}
	i.gate = &gate{next: transport, now: now}
	i.client = &http.Client{Transport: i.gate, Timeout: requestTime}
	return i, nil
}

// connect makes the clients, once everything else is set.
func (i *issuer) connect() {
	for _, directory := range []string{i.authority.Directory, i.authority.TestDirectory} {
		if directory == "" {
			continue
		}
		i.clients[directory] = &acme.Client{
			Directory: directory, HTTPClient: i.client, UserAgent: "paddock", PollTimeout: pollTime,
			Logger: slog.New(zapslog.NewHandler(i.log.WithOptions(zap.IncreaseLevel(zap.WarnLevel)).Core(), zapslog.WithName("acme"), zapslog.AddStacktraceAt(slog.Level(127)))),
		}
	}
}

// IssuerKey is the folder of the authority's certificates.
func (i *issuer) IssuerKey() string { return directoryKey(i.authority.Directory) }

// directoryKey is what certmagic's ACMEIssuer has it, so that its stores are ours.
func directoryKey(directory string) string {
	u, err := url.Parse(directory)
	if err != nil {
		return directory
	}
	return strings.TrimSuffix(u.Host+"-"+strings.ReplaceAll(strings.Trim(u.Path, "/"), "/", "-"), "-")
}

// order is what an order needs to know beyond its names.
type order struct {
	again    bool              // the last one failed
	replaces *x509.Certificate // nil: the first one of the name
}

type orderKey struct{}

func orderOf(ctx context.Context) order {
	o, _ := ctx.Value(orderKey{}).(order)
	return o
}

// Issue implements certmagic.Issuer. After a failure the test directory has to issue
// first: failures there count against no limit that matters.
func (i *issuer) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	o := orderOf(ctx)
	if o.again && i.authority.TestDirectory != "" {
		if _, err := i.issue(ctx, i.authority.TestDirectory, csr, nil); err != nil {
			return nil, fmt.Errorf("test: %w", err)
		}
	}
	got, err := i.issue(ctx, i.authority.Directory, csr, o.replaces)
	if err != nil {
		i.log.Warn("an authority did not issue", zap.String("name", firstName(csr)), zap.String("authority", i.IssuerKey()), zap.Error(err))
	}
	return got, err
}

func (i *issuer) issue(ctx context.Context, directory string, csr *x509.CertificateRequest, replaces *x509.Certificate) (*certmagic.IssuedCertificate, error) {
	if until := i.gate.closed(); !until.IsZero() {
		return nil, fmt.Errorf("%s asked to wait until %s", directoryKey(directory), until.UTC().Format(time.RFC3339))
	}
	if err := i.pace.Wait(ctx); err != nil {
		return nil, err
	}
	client := i.clients[directory]
	account, err := i.account(ctx, client)
	if err != nil {
		return nil, err
	}
	got, err := i.obtain(ctx, client, account, csr, replaces)
	var problem acme.Problem
	if errors.As(err, &problem) && problem.Type == acme.ProblemTypeAccountDoesNotExist {
		// The authority was set up anew. A new account is all there is to do.
		if err := i.forgetAccount(ctx, client); err != nil {
			return nil, err
		}
		if account, err = i.account(ctx, client); err != nil {
			return nil, err
		}
		got, err = i.obtain(ctx, client, account, csr, replaces)
	}
	return got, err
}

func (i *issuer) obtain(ctx context.Context, client *acme.Client, account acme.Account, csr *x509.CertificateRequest, replaces *x509.Certificate) (*certmagic.IssuedCertificate, error) {
	params, err := acmez.OrderParametersFromCSR(account, csr)
	if err != nil {
		return nil, err
	}
	params.Replaces = replaces
	if params.Profile, err = i.profile(ctx, client, csr); err != nil {
		return nil, err
	}
	chains, err := (&acmez.Client{Client: client, ChallengeSolvers: i.solversFor(csr)}).ObtainCertificate(ctx, params)
	if err != nil {
		return nil, err
	}
	if len(chains) == 0 {
		return nil, errors.New("the authority offered no certificate chain")
	}
	return &certmagic.IssuedCertificate{Certificate: chains[0].ChainPEM, Metadata: chains[0]}, nil
}

// profile is the one of the configuration, or for addresses the short-lived one where
// it exists: Let's Encrypt issues those with no other.
func (i *issuer) profile(ctx context.Context, client *acme.Client, csr *x509.CertificateRequest) (string, error) {
	if i.authority.Profile != "" || len(csr.IPAddresses) == 0 {
		return i.authority.Profile, nil
	}
	directory, err := client.GetDirectory(ctx)
	if err != nil {
		return "", err
	}
	if directory.Meta == nil || !slices.Contains(slices.Collect(maps.Keys(directory.Meta.Profiles)), shortlived) {
		return "", nil
	}
	return shortlived, nil
}

// solversFor picks the ways to prove the names of a request.
func (i *issuer) solversFor(csr *x509.CertificateRequest) map[string]acmez.Solver {
	if slices.ContainsFunc(csr.DNSNames, isWildcard) {
		return map[string]acmez.Solver{challengeDNS: i.dns}
	}
	return i.solvers
}

// renewalInfo asks when the authority would have a certificate renewed (RFC 9773).
func (i *issuer) renewalInfo(ctx context.Context, leaf *x509.Certificate) (acme.RenewalInfo, error) {
	return i.clients[i.authority.Directory].GetRenewalInfo(ctx, leaf)
}

func isWildcard(name string) bool { return strings.HasPrefix(name, "*.") }

func firstName(csr *x509.CertificateRequest) string {
	if len(csr.DNSNames) > 0 {
		return csr.DNSNames[0]
	}
	if len(csr.IPAddresses) > 0 {
		return csr.IPAddresses[0].String()
	}
	return ""
}
