package tls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
)

const (
	// ordersAtOnce and ordersTime bound how fast orders begin, to any authority: ten in
	// ten seconds (Let's Encrypt allows 300 in three hours).
	ordersAtOnce = 10
	ordersTime   = 10 * time.Second

	// renewalRatio is the part of its life that a certificate has left when it is renewed,
	// unless the authority says otherwise (RFC 9773); short ones are renewed earlier,
	// so that a day without an authority does no harm.
	renewalRatio      = 1.0 / 3
	shortRenewalRatio = 1.0 / 2
	shortLife         = 10 * 24 * time.Hour

	// lastRenewalRatio is what is left at the latest, whatever the authority says, and
	// youngest the part of its life that it must be here for before an authority's word
	// alone renews it: an authority that is wrong must not be asked every second.
	lastRenewalRatio      = 1.0 / 10
	lastShortRenewalRatio = 1.0 / 3
	youngest              = 1.0 / 20
)

// source is where the certificates of one mode come from, by one configuration.
type source struct {
	storage certmagic.Storage
	issuers []*issuer // none: the local authority
	cache   *certmagic.Cache
	long    *certmagic.Config
	short   *certmagic.Config // for certificates with a short life
}

func clientTLS(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// newSource wraps issuers in what certmagic does for them: storage, locks, keys.
func newSource(storage certmagic.Storage, issuers []certmagic.Issuer, log *zap.Logger) *source {
	s := &source{storage: storage}
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return s.long, nil },
		RenewCheckInterval: time.Second,
		Logger:             zap.NewNop(),
	})
	cache.Stop() // renewals are ours: see name.go
	quiet := log.WithOptions(zap.IncreaseLevel(zap.ErrorLevel))
	with := func(ratio float64) *certmagic.Config {
		return certmagic.New(cache, certmagic.Config{
			RenewalWindowRatio: ratio, Issuers: issuers, Storage: storage, Logger: quiet,
			KeySource: certmagic.StandardKeyGenerator{KeyType: certmagic.P256},
			OCSP:      certmagic.OCSPConfig{DisableStapling: true},
		})
	}
	s.cache, s.long, s.short = cache, with(renewalRatio), with(shortRenewalRatio)
	return s
}

// acmeSource makes the source of tls = "auto".
func (m *Manager) acmeSource(setup *Setup, storage certmagic.Storage) (*source, error) {
	authorities, files := setup.Config.Authority, setup.Authorities
	if len(authorities) == 0 {
		authorities, files = []Authority{{}}, []AuthorityFiles{{}}
	}
	var dns acmez.Solver
	if len(setup.AuthHook) > 0 {
		dns = &hook{auth: setup.AuthHook, cleanup: setup.CleanupHook, endTime: hookEndTime, printed: map[string]string{}}
	}
	var own []*issuer
	var all []certmagic.Issuer
	for k, a := range authorities {
		i, err := newIssuer(a.resolved(), files[k], time.Now)
		if err != nil {
			return nil, fmt.Errorf("authority %d: %w", k+1, err)
		}
		i.email, i.storage, i.dns, i.log, i.pace = setup.Config.Email, storage, dns, m.log, m.pace
		i.solvers = setup.solvers(m.solver, dns)
		i.connect()
		own, all = append(own, i), append(all, i)
	}
	s := newSource(storage, all, m.log)
	s.issuers = own
	return s, nil
}

// solvers are the ways to prove a name that is no wildcard.
func (s *Setup) solvers(own *solver, dns acmez.Solver) map[string]acmez.Solver {
	kinds := []string(s.Config.Challenges)
	if len(kinds) == 0 {
		if s.HTTPPort {
			kinds = append(kinds, challengeHTTP)
		}
		if s.HTTPSPort || len(kinds) == 0 {
			kinds = append(kinds, challengeTLS)
		}
		if !s.HTTPPort && !s.HTTPSPort { // somebody forwards the ports
			kinds = []string{challengeHTTP, challengeTLS}
		}
	}
	out := map[string]acmez.Solver{}
	for _, kind := range kinds {
		if kind == challengeDNS {
			out[kind] = dns
		} else {
			out[kind] = own
		}
	}
	return out
}

// config is certmagic's for a certificate of some lifetime; zero: not known yet.
func (s *source) config(life time.Duration) *certmagic.Config {
	if life > 0 && life < shortLife {
		return s.short
	}
	return s.long
}

// ratio is the part of its life that is left when it is renewed.
func ratio(life time.Duration) float64 {
	if life < shortLife {
		return shortRenewalRatio
	}
	return renewalRatio
}

func lastRatio(life time.Duration) float64 {
	if life < shortLife {
		return lastShortRenewalRatio
	}
	return lastRenewalRatio
}

// waits returns until when every authority has asked to wait; zero: one can be asked.
func (s *source) waits() time.Time {
	var first time.Time
	for _, i := range s.issuers {
		until := i.gate.closed()
		if until.IsZero() {
			return time.Time{}
		}
		if first.IsZero() || until.Before(first) {
			first = until
		}
	}
	return first
}

// stored is a certificate as the storage has it.
type stored struct {
	certmagic.Certificate
	ari    acme.RenewalInfo
	issuer *issuer // nil: none that is configured, or the local one
	key    string  // of the issuer
}

// load reads the certificate of a name: the newest of all authorities'.
func (s *source) load(ctx context.Context, name string) (*stored, error) {
	c, err := s.long.CacheManagedCertificate(ctx, name)
	if err != nil {
		return nil, err
	}
	// certmagic has kept it for handshakes of its own, which there are none of.
	s.cache.Remove([]string{c.Hash()})
	out := &stored{Certificate: c}
	out.find(ctx, s, name)
	return out, nil
}

// find looks up who has issued the certificate, and what that says of its renewal.
func (c *stored) find(ctx context.Context, s *source, name string) {
	for _, i := range s.long.Issuers {
		text, err := s.storage.Load(ctx, certmagic.StorageKeys.SiteCert(i.IssuerKey(), name))
		if err != nil || !isLeaf(text, c.Leaf) {
			continue
		}
		c.key = i.IssuerKey()
		c.issuer, _ = i.(*issuer)
		if meta, err := s.meta(ctx, c.key, name); err == nil && meta.RenewalInfo != nil {
			c.ari = *meta.RenewalInfo
		}
		return
	}
}

func isLeaf(chain []byte, leaf *x509.Certificate) bool {
	block, _ := pem.Decode(chain)
	return block != nil && slices.Equal(block.Bytes, leaf.Raw)
}

// meta reads what the authority said of a certificate.
func (s *source) meta(ctx context.Context, issuerKey, name string) (c acme.Certificate, err error) {
	r, err := s.resource(ctx, issuerKey, name)
	if err != nil || len(r.IssuerData) == 0 {
		return c, err
	}
	return c, json.Unmarshal(r.IssuerData, &c)
}

func (s *source) resource(ctx context.Context, issuerKey, name string) (r certmagic.CertificateResource, err error) {
	text, err := s.storage.Load(ctx, certmagic.StorageKeys.SiteMeta(issuerKey, name))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text, &r)
}

// refresh asks the authority anew when the certificate is to be renewed, and keeps the
// answer where certmagic looks for it.
func (s *source) refresh(ctx context.Context, c *stored, name string) error {
	info, err := c.issuer.renewalInfo(ctx, c.Leaf)
	if err != nil {
		return err
	}
	if info.SameWindow(c.ari) && !c.ari.SelectedTime.IsZero() {
		info.SelectedTime = c.ari.SelectedTime // chosen once for a window
	}
	r, err := s.resource(ctx, c.key, name)
	if err != nil {
		return err
	}
	meta, err := s.meta(ctx, c.key, name)
	if err != nil {
		return err
	}
	meta.RenewalInfo, c.ari = &info, info
	if r.IssuerData, err = json.Marshal(meta); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return s.storage.Store(ctx, certmagic.StorageKeys.SiteMeta(c.key, name), text)
}

// setAside moves what is stored of a name out of the way, so that it can be looked at
// later and a new certificate takes its place.
func (s *source) setAside(ctx context.Context, name string, now time.Time) error {
	for _, i := range s.long.Issuers {
		key := i.IssuerKey()
		for _, at := range []string{
			certmagic.StorageKeys.SiteCert(key, name), certmagic.StorageKeys.SitePrivateKey(key, name), certmagic.StorageKeys.SiteMeta(key, name),
		} {
			data, err := s.storage.Load(ctx, at)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err // nobody can tell what is there
			}
			if err := s.storage.Store(ctx, "corrupt/"+now.UTC().Format("20060102T150405Z")+"/"+at, data); err != nil {
				return err
			}
			if err := s.storage.Delete(ctx, at); err != nil {
				return err
			}
		}
	}
	return nil
}
