package tls

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"

	"paddock/internal/value"
)

func TestCiphersAreThoseThatAreSafe(t *testing.T) {
	all, err := parseCiphers("")
	must(t, err)
	if len(all) != 6 {
		t.Errorf("%d ciphers by default", len(all))
	}
	for _, id := range all {
		if slices.ContainsFunc(tls.InsecureCipherSuites(), func(c *tls.CipherSuite) bool { return c.ID == id }) {
			t.Errorf("%s is unsafe", tls.CipherSuiteName(id))
		}
	}
	for list, want := range map[string]int{
		"ECDHE-RSA-AES128-GCM-SHA256": 1,
		"HIGH:!aNULL:!MD5":            6,
		// Mozilla's intermediate list
		"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384": 6,
		"TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256": 1,
	} {
		if got, err := parseCiphers(list); err != nil || len(got) != want {
			t.Errorf("%s: %d ciphers, %v; want %d", list, len(got), err, want)
		}
	}
	for _, list := range []string{"AES128-SHA", "ECDHE-RSA-AES128-SHA256", "RC4", "!ECDHE", "DHE-RSA-AES128-GCM-SHA256", "ecdhe-rsa-aes128-gcm-sha256", ":"} {
		if got, err := parseCiphers(list); err == nil {
			t.Errorf("%s: %v", list, got)
		}
	}
}

func TestOldProtocolsAreRefused(t *testing.T) {
	for _, text := range []string{"TLSv1", "TLSv1.1", "SSLv3", "TLSv1.2 TLSv1.1", " ", "tls1.2"} {
		if v, err := parseProtocols([]string{text}); err == nil {
			t.Errorf("%q: %v", text, v)
		}
	}
	if v, err := parseProtocols([]string{"TLSv1.3"}); err != nil || v.low != tls.VersionTLS13 || v.high != tls.VersionTLS13 {
		t.Errorf("TLSv1.3: %v, %v", v, err)
	}
	if v, err := parseProtocols([]string{"TLSv1.3 TLSv1.2"}); err != nil || v.low != tls.VersionTLS12 || v.high != tls.VersionTLS13 {
		t.Errorf("both: %v, %v", v, err)
	}
}

func TestOnlyNamesOfTheConfigurationCanBeOrdered(t *testing.T) {
	got := orderable([]string{"B.example.com", "a.example.com", "*.w.example.com", ".d.example.com", "~^x", "_", "", "www.example.*", "192.0.2.1", "[2001:db8::1]", "a..b", "-x.example.com", "a.example.com."})
	want := []string{"*.d.example.com", "*.w.example.com", "192.0.2.1", "2001:db8::1", "a.example.com", "b.example.com", "d.example.com"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func listens(t *testing.T, texts ...string) []value.Listen {
	t.Helper()
	out := make([]value.Listen, len(texts))
	for i, text := range texts {
		must(t, out[i].UnmarshalText([]byte(text)))
	}
	return out
}

func TestSiteThatCannotServeIsRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		site   Site
		listen []string
		want   string // key of the one problem; "" none
	}{
		{"plain", Site{}, []string{"80"}, ""},
		{"ssl without a certificate", Site{}, []string{"443 ssl"}, "listen"},
		{"ssl that refuses", Site{RejectHandshake: true}, []string{"443 ssl"}, ""},
		{"auto on 443", Site{TLS: "auto"}, []string{"80", "443"}, ""},
		{"auto without TLS", Site{TLS: "auto"}, []string{"80"}, "tls"},
		{"internal with files", Site{TLS: "internal", Certificate: value.Strings{"a"}, CertificateKey: value.Strings{"a"}}, []string{"443"}, "tls"},
		{"auto that refuses", Site{TLS: "auto", RejectHandshake: true}, []string{"443"}, "ssl_reject_handshake"},
		{"a word", Site{TLS: "on"}, []string{"80"}, "tls"},
		{"verify without authority", Site{VerifyClient: "on"}, []string{"80"}, "ssl_verify_client"},
		{"verify any", Site{VerifyClient: "optional_no_ca"}, []string{"80"}, ""},
	} {
		var problems value.Problems
		l := listens(t, c.listen...)
		c.site.Imply(l)
		c.site.Validate("server[0]", []string{"example.com"}, l, &problems)
		if c.want == "" && len(problems) > 0 || c.want != "" && (len(problems) != 1 || problems[0].Key != "server[0]."+c.want) {
			t.Errorf("%s: %v; want %q", c.name, problems, c.want)
		}
	}
	var problems value.Problems
	s := Site{TLS: "auto"}
	l := listens(t, "443")
	s.Imply(l)
	s.Validate("s", []string{"_"}, l, &problems)
	if len(problems) != 1 || !strings.Contains(problems[0].Text, "needs names") {
		t.Errorf("no name: %v", problems)
	}
}

// Whatever stands in the configuration, what is ordered for is a name or an address, and
// what is offered is safe.
func FuzzNamesAndCiphers(f *testing.F) {
	for _, seed := range []string{"a.example.com", "*.a.example.com", ".a", "[2001:db8::1]", "~^(", "HIGH:!aNULL", "ECDHE-RSA-AES128-GCM-SHA256", "1.2.0.192.in-addr.arpa", "x.ip6.arpa"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range orderable([]string{text}) {
			if !isAddress(name) && !isHostName(strings.TrimPrefix(name, "*.")) {
				t.Errorf("%q is ordered for as %q", text, name)
			}
		}
		suites, err := parseCiphers(text)
		all := allCiphers()
		if err == nil && (len(suites) == 0 || slices.ContainsFunc(suites, func(id uint16) bool { return !slices.Contains(all, id) })) {
			t.Errorf("%q offers %v", text, suites)
		}
		unreversed(text)
	})
}
