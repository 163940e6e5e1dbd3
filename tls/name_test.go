package tls

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// fakeIssuer is an authority that fails when it is told to.
type fakeIssuer struct {
	ca   *authority
	life time.Duration

	mu    sync.Mutex // guards what follows
	err   error
	tries []time.Time
	again []bool // what each order said of the one before
}

func (f *fakeIssuer) IssuerKey() string { return "fake" }

func (f *fakeIssuer) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tries = append(f.tries, time.Now())
	f.again = append(f.again, orderOf(ctx).again)
	if f.err != nil {
		return nil, f.err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(f.tries))), DNSNames: csr.DNSNames, IPAddresses: csr.IPAddresses,
		NotBefore: time.Now(), NotAfter: time.Now().Add(f.life),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, f.ca.cert, csr.PublicKey, f.ca.key)
	if err != nil {
		return nil, err
	}
	return &certmagic.IssuedCertificate{Certificate: pemOf("CERTIFICATE", der)}, nil
}

func (f *fakeIssuer) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// tried returns when it was asked.
func (f *fakeIssuer) tried() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.tries)
}

// keep starts a holder of a name with that authority; stop ends it and waits.
func keep(t *testing.T, f *fakeIssuer, dir, name string) (h *holder, stop func()) {
	t.Helper()
	var at atomic.Pointer[source]
	at.Store(newSource(&certmagic.FileStorage{Path: dir}, []certmagic.Issuer{f}, zap.NewNop()))
	h = &holder{name: name, mode: ModeAuto, source: &at, now: time.Now, log: zap.NewNop(), demand: make(chan demand), changed: make(chan struct{}, 1), done: make(chan struct{})}
	h.status.Store(&Status{Name: name, Mode: ModeAuto})
	ctx, cancel := context.WithCancel(t.Context())
	go h.run(ctx)
	return h, func() {
		cancel()
		<-h.done
		time.Sleep(time.Minute) // certmagic's locks look around every few seconds
	}
}

// At most ten tries in the first hour, never two names at the same moment for long, and
// every one after a failure says so (fault F1).
func TestFailuresBackOffWithJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeIssuer{ca: newAuthority(t), life: 90 * 24 * time.Hour, err: errors.New("down")}
		a, stopA := keep(t, f, t.TempDir(), "a.test")
		g := &fakeIssuer{err: errors.New("down")}
		_, stopB := keep(t, g, t.TempDir(), "b.test")
		time.Sleep(time.Hour)
		synctest.Wait()
		tries, others := f.tried(), g.tried()
		if n := len(tries); n < 4 || n > 10 {
			t.Errorf("%d tries in the first hour", n)
		}
		for i, again := range f.again {
			if again != (i > 0) {
				t.Errorf("try %d says that the one before failed: %v", i+1, again)
			}
		}
		if last := len(tries) - 1; tries[last].Equal(others[min(last, len(others)-1)]) {
			t.Error("two names come back at the same moment")
		}
		if s := a.status.Load(); s.Failed != len(tries) || s.Error == "" || s.NextTry.Before(time.Now()) {
			t.Errorf("status: %+v", s)
		}
		f.fail(nil)
		time.Sleep(2 * maxPause)
		synctest.Wait()
		if s := a.status.Load(); s.Obtained != 1 || s.Error != "" || a.certificate.Load() == nil {
			t.Errorf("after the authority is back: %+v", s)
		}
		stopA()
		stopB()
	})
}

// A certificate is renewed long before its end, whatever its life, without anybody
// asking, and is never served after its end while its authority answers.
func TestCertificatesAreRenewedInTime(t *testing.T) {
	for _, life := range []time.Duration{40 * time.Second, 6 * 24 * time.Hour, 90 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeIssuer{ca: newAuthority(t), life: life}
			h, stop := keep(t, f, t.TempDir(), "a.test")
			var serials []string
			for range 60 {
				time.Sleep(life / 20)
				synctest.Wait()
				leaf := h.certificate.Load().Leaf
				if left := time.Until(leaf.NotAfter); left < life/4 {
					t.Fatalf("%v are left of %v", left, life)
				}
				if n := len(serials); n == 0 || serials[n-1] != leaf.SerialNumber.String() {
					serials = append(serials, leaf.SerialNumber.String())
				}
			}
			if n := len(serials); n < 4 || n > 7 {
				t.Errorf("%d certificates in three lives of %v", n, life)
			}
			stop()
		})
	}
}

// What is expired is served rather than nothing, and a dead store is no reason to stop.
func TestDeadStoreNeverStopsServing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeIssuer{ca: newAuthority(t), life: time.Hour}
		dir := filepath.Join(t.TempDir(), "store")
		h, stop := keep(t, f, dir, "a.test")
		time.Sleep(time.Second)
		synctest.Wait()
		before := h.certificate.Load()
		must(t, os.RemoveAll(dir))
		must(t, os.WriteFile(dir, nil, 0o600)) // a file where the folder was: nothing can be stored
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if h.certificate.Load() != before {
			t.Error("the certificate in memory is gone")
		}
		if s := h.status.Load(); s.Error == "" {
			t.Errorf("status: %+v", s)
		}
		must(t, os.Remove(dir))
		time.Sleep(2 * maxPause)
		synctest.Wait()
		if h.certificate.Load() == before {
			t.Error("there is no new certificate though the store is back")
		}
		stop()
	})
}

func TestRenewDemandedIsDoneAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeIssuer{ca: newAuthority(t), life: 90 * 24 * time.Hour}
		h, stop := keep(t, f, t.TempDir(), "a.test")
		synctest.Wait()
		must(t, h.renew(t.Context()))
		if n := len(f.tries); n != 2 {
			t.Errorf("%d certificates", n)
		}
		f.fail(errors.New("no"))
		if err := h.renew(t.Context()); err == nil {
			t.Error("a renewal that failed was called done")
		}
		stop()
		if err := h.renew(t.Context()); err == nil {
			t.Error("a renewal of what has ended was called done")
		}
	})
}

func TestLocalAuthorityIssuesForNamesAndAddresses(t *testing.T) {
	dir := t.TempDir()
	m := newManager(t)
	site := SiteSetup{Site: Site{TLS: ModeInternal}, Names: []string{"intern.example", "*.intern.example", "127.0.0.1"}}
	p, err := m.Prepare(Setup{Dir: dir, Sites: []SiteSetup{site}})
	must(t, err)
	m.Commit(p)
	must(t, m.Renew(t.Context(), "")) // waits for the first ones too
	root, err := os.ReadFile(filepath.Join(dir, RootPath))
	must(t, err)
	pool, err := parsePool(root)
	must(t, err)
	for _, name := range []string{"intern.example", "x.intern.example"} {
		if _, _, err := handshake(t, p.Servers[0].Config(nil), &tls.Config{ServerName: name, RootCAs: pool}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, s := range m.Status() {
		if s.Issuer != "internal" || s.Error != "" || s.NotAfter.Sub(s.NotBefore) < localLeafTime {
			t.Errorf("%+v", s)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, localKey)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key of the authority: %v, %v", info, err)
	}
	if _, ok := m.HTTPChallenge("intern.example", "x"); ok {
		t.Error("a challenge for a name that no authority is asked for was answered")
	}
}

// A manager that takes over a store serves what is there with its first handshake.
func TestStoredCertificatesServeAtOnce(t *testing.T) {
	dir := t.TempDir()
	setup := Setup{Dir: dir, Sites: []SiteSetup{{Site: Site{TLS: ModeInternal}, Names: []string{"a.test"}}}}
	first := New(Options{})
	p, err := first.Prepare(setup)
	must(t, err)
	first.Commit(p)
	must(t, first.Renew(t.Context(), ""))
	want := first.Status()[0].NotBefore
	first.Close()
	second := newManager(t)
	p, err = second.Prepare(setup)
	must(t, err)
	_, c, err := handshake(t, p.Servers[0].Config(nil), &tls.Config{ServerName: "a.test", InsecureSkipVerify: true})
	must(t, err)
	if got := c.PeerCertificates[0].NotBefore; !got.Equal(want) {
		t.Errorf("got the certificate of %v, not the stored one of %v", got, want)
	}
	second.Commit(p)
}

// A configuration that is mended is tried at once, not when the back-off is over.
func TestNewSourceIsTriedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeIssuer{ca: newAuthority(t), life: 90 * 24 * time.Hour, err: errors.New("down")}
		h, stop := keep(t, f, t.TempDir(), "a.test")
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		f.fail(nil)
		h.wake()
		time.Sleep(time.Second)
		synctest.Wait()
		if h.certificate.Load() == nil {
			t.Error("there is no certificate")
		}
		stop()
	})
}

// Names that an authority sent away until some time do not come back all at that moment.
func TestNamesComeBackApartAfterRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	h := &holder{now: func() time.Time { return now }, fails: 1}
	waits := map[time.Duration]bool{}
	for range 20 {
		wait := h.backOff(now.Add(time.Hour))
		if wait < time.Hour || wait > 2*time.Hour {
			t.Fatalf("told to wait for an hour, it waits for %v", wait)
		}
		waits[wait] = true
	}
	if len(waits) < 10 {
		t.Errorf("20 names come back at %d times", len(waits))
	}
	if wait := h.backOff(time.Time{}); wait < firstPause || wait > 2*firstPause {
		t.Errorf("told nothing, it waits for %v", wait)
	}
}

// stuckStorage hangs, as a folder does whose file server is gone.
type stuckStorage struct {
	certmagic.Storage
	free chan struct{}
}

func (s stuckStorage) Load(ctx context.Context, key string) ([]byte, error) {
	<-s.free
	return s.Storage.Load(ctx, key)
}

// A store that hangs does not keep a configuration from serving.
func TestStoreThatHangsIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := stuckStorage{&certmagic.FileStorage{Path: t.TempDir()}, make(chan struct{})}
		m := New(Options{Storage: func(string) certmagic.Storage { return stuck }})
		begun := time.Now()
		p, err := m.Prepare(Setup{Sites: []SiteSetup{{Site: Site{TLS: ModeInternal}, Names: []string{"a.test"}}}})
		must(t, err)
		if took := time.Since(begun); took != preloadTime {
			t.Errorf("the store was waited for %v", took)
		}
		m.Commit(p)
		close(stuck.free)
		must(t, m.Renew(t.Context(), "a.test"))
		m.Close()
		time.Sleep(time.Minute) // certmagic's locks look around every few seconds
	})
}

// faultyStorage panics where a certificate is read.
type faultyStorage struct{ certmagic.Storage }

func (faultyStorage) Load(context.Context, string) ([]byte, error) { panic("as the test wants it") }

func TestPanicOfALookAtACertificateIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := faultyStorage{&certmagic.FileStorage{Path: t.TempDir()}}
		core, logs := observer.New(zap.ErrorLevel)
		m := New(Options{Storage: func(string) certmagic.Storage { return store }, Logger: zap.New(core)})
		defer m.Close()
		p, err := m.Prepare(Setup{Sites: []SiteSetup{{Site: Site{TLS: ModeInternal}, Names: []string{"a.test"}}}})
		must(t, err)
		m.Commit(p)
		if err := m.Renew(t.Context(), "a.test"); err == nil || !strings.HasSuffix(err.Error(), "panic: as the test wants it") {
			t.Errorf("renew: %v; want the panic in one line", err)
		}
		panics := logs.FilterMessage("the work on a certificate panicked").All()
		if len(panics) == 0 || !strings.Contains(panics[0].ContextMap()["stack"].(string), "faultyStorage.Load") {
			t.Errorf("the log has no stack: %v", panics)
		}
	})
}

// brokenStorage fails as one on the network does.
type brokenStorage struct{ certmagic.Storage }

func (brokenStorage) Load(context.Context, string) ([]byte, error) {
	return nil, errors.New("connection reset by peer")
}

// A store that cannot be asked is no store without a certificate: nothing is ordered.
func TestStoreThatFailsIsNotTakenForACorruptOne(t *testing.T) {
	f := &fakeIssuer{ca: newAuthority(t), life: time.Hour}
	s := newSource(brokenStorage{&certmagic.FileStorage{Path: t.TempDir()}}, []certmagic.Issuer{f}, zap.NewNop())
	h := &holder{name: "a.test", now: time.Now, log: zap.NewNop()}
	h.status.Store(&Status{})
	if err := h.tend(t.Context(), s, false); err == nil || !strings.Contains(err.Error(), "connection reset") || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if s := h.status.Load(); s.State != "" || len(f.tries) > 0 {
		t.Errorf("an order was begun: %+v, %d tries", s, len(f.tries))
	}
}

// A certificate that is gone from the store is served on, and its end is still told.
func TestServedCertificateIsToldOfThoughTheStoreIsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeIssuer{ca: newAuthority(t), life: 90 * 24 * time.Hour}
		dir := filepath.Join(t.TempDir(), "store")
		h, stop := keep(t, f, dir, "a.test")
		time.Sleep(time.Second)
		synctest.Wait()
		f.fail(errors.New("down"))
		must(t, os.RemoveAll(dir))
		time.Sleep(lookTime + time.Minute)
		synctest.Wait()
		if s := h.status.Load(); s.Error == "" || !s.NotAfter.Equal(h.certificate.Load().Leaf.NotAfter) {
			t.Errorf("status: %+v", s)
		}
		stop()
	})
}
