package tls

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
)

// After a failure the test directory is asked first, and the real one only when that
// has issued.
func TestRetryAsksTheTestDirectoryFirst(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	ca := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.URL.Path)
		http.NotFound(w, r)
	}))
	defer ca.Close()
	i, err := newIssuer(Authority{Directory: ca.URL + "/real", TestDirectory: ca.URL + "/test"},
		AuthorityFiles{Roots: pemOf("CERTIFICATE", ca.Certificate().Raw)}, time.Now)
	must(t, err)
	i.storage, i.log, i.pace = &certmagic.FileStorage{Path: t.TempDir()}, zap.NewNop(), certmagic.NewRateLimiter(10, time.Second)
	defer i.pace.Stop()
	i.connect()
	for again, want := range map[bool]string{false: "/real", true: "/test"} {
		asked = nil
		ctx := context.WithValue(t.Context(), orderKey{}, order{again: again})
		if _, err := i.Issue(ctx, &x509.CertificateRequest{DNSNames: []string{"a.test"}}); err == nil {
			t.Error("an authority that knows nothing issued")
		}
		if len(asked) == 0 || slices.ContainsFunc(asked, func(path string) bool { return path != want }) {
			t.Errorf("again %v: asked for %q, want only %s", again, asked, want)
		}
	}
}

// What an authority said about the next question is obeyed, and one that does not answer
// is not asked every second.
func TestRenewalInformationIsAskedForInTime(t *testing.T) {
	ca := newAuthority(t)
	pair, err := ca.pair("a.test").parse()
	must(t, err)
	now := time.Now()
	h := &holder{name: "a.test", now: func() time.Time { return now }, log: zap.NewNop()}
	over, soon := now.Add(-time.Minute), now.Add(10*time.Minute)
	h.held = &stored{Certificate: certmagic.Certificate{Certificate: *pair}}
	h.held.Leaf.NotAfter = now.Add(90 * 24 * time.Hour)
	h.held.ari.RetryAfter = &soon
	if got := h.rest(); got != 10*time.Minute {
		t.Errorf("the authority said in 10 minutes; the next look is in %v", got)
	}
	h.held.ari.RetryAfter, h.askAt = &over, now.Add(askPause)
	if got := h.rest(); got != askPause {
		t.Errorf("after no answer the next look is in %v", got)
	}
	h.held.ari = acme.RenewalInfo{SelectedTime: now.Add(time.Hour)}
	if got := h.renewAt(); !got.Equal(now.Add(time.Hour)) {
		t.Errorf("renewed at %v, not when the authority asks for it", got)
	}
	h.held.ari.SelectedTime = now.Add(70 * 24 * time.Hour)
	if got := h.renewAt(); !got.Equal(now.Add(70 * 24 * time.Hour)) {
		t.Errorf("renewed at %v, not when the authority asks for it, which is late but not too late", got)
	}
	h.held.ari.SelectedTime = now.Add(1000 * 24 * time.Hour)
	if left := h.held.Leaf.NotAfter.Sub(h.renewAt()); left < 8*24*time.Hour {
		t.Errorf("renewed with %v left, because an authority named a later time", left)
	}
	h.held.ari.SelectedTime, h.since = over, now
	if wait := h.renewAt().Sub(now); wait < time.Hour {
		t.Errorf("renewed again after %v, because an authority named a time that is over", wait)
	}
}

func TestIssuersKeepTheirCertificatesApart(t *testing.T) {
	for url, want := range map[string]string{
		"https://acme-v02.api.letsencrypt.org/directory": "acme-v02.api.letsencrypt.org-directory",
		"https://ca.test:14000/dir/a":                    "ca.test:14000-dir-a",
		"https://ca.test":                                "ca.test",
	} {
		if got := directoryKey(url); got != want || strings.Contains(got, "/") {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}

// The profile of the configuration is in the order; an address gets the short-lived one
// by itself, where there is one.
func TestOrdersNameTheirProfile(t *testing.T) {
	both := map[string]string{"classic": "", shortlived: ""}
	address := &x509.CertificateRequest{IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}}
	host := &x509.CertificateRequest{DNSNames: []string{"a.test"}}
	for _, c := range []struct {
		name    string
		offered map[string]string
		profile string
		csr     *x509.CertificateRequest
		want    string
	}{
		{"a name", both, "", host, ""},
		{"a name with a profile", both, "classic", host, "classic"},
		{"an address", both, "", address, shortlived},
		{"an address with a profile", both, "classic", address, "classic"},
		{"an address where there is none", nil, "", address, ""},
	} {
		if got := profileOrdered(t, c.offered, c.profile, c.csr); got != c.want {
			t.Errorf("%s: the order has the profile %q, want %q", c.name, got, c.want)
		}
	}
}

// profileOrdered has an authority with profiles get an order, and returns what that says.
func profileOrdered(t *testing.T, offered map[string]string, profile string, csr *x509.CertificateRequest) string {
	t.Helper()
	got := "no order"
	mux := http.NewServeMux()
	ca := httptest.NewTLSServer(mux)
	defer ca.Close()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Replay-Nonce", "nonce")
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/dir":
			json.NewEncoder(w).Encode(acme.Directory{NewNonce: ca.URL + "/nonce", NewAccount: ca.URL + "/account", NewOrder: ca.URL + "/order", Meta: &acme.DirectoryMeta{Profiles: offered}})
		case "/account":
			w.Header().Set("Location", ca.URL+"/account/1")
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, `{"status":"valid"}`)
		case "/order":
			var jws struct{ Payload string }
			must(t, json.NewDecoder(r.Body).Decode(&jws))
			payload, err := base64.RawURLEncoding.DecodeString(jws.Payload)
			must(t, err)
			var order acme.Order
			must(t, json.Unmarshal(payload, &order))
			got = order.Profile
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"type":"urn:ietf:params:acme:error:rejectedIdentifier","status":403}`)
		}
	})
	i, err := newIssuer(Authority{Directory: ca.URL + "/dir", Profile: profile}, AuthorityFiles{Roots: pemOf("CERTIFICATE", ca.Certificate().Raw)}, time.Now)
	must(t, err)
	i.storage, i.log, i.pace = &certmagic.FileStorage{Path: t.TempDir()}, zap.NewNop(), certmagic.NewRateLimiter(10, time.Second)
	i.solvers = map[string]acmez.Solver{challengeHTTP: newSolver()}
	defer i.pace.Stop()
	i.connect()
	if _, err := i.Issue(t.Context(), csr); err == nil {
		t.Error("an authority that refuses orders issued")
	} else if !strings.Contains(err.Error(), "rejectedIdentifier") {
		t.Error(err)
	}
	return got
}
