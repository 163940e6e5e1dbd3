package tls

import (
	"encoding/base64"
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/certmagic"

	"paddock/internal/value"
)

// Config is [tls]: where certificates of tls = "auto" come from.
type Config struct {
	Email             string        `toml:"email"`                        // who an authority may write to about the account; default none
	Challenges        value.Strings `toml:"challenges"`                   // how names are proved: "http-01" (a listener reached on port 80), "tls-alpn-01" (one on port 443), "dns-01" (manual_auth_hook); default the first two as far as there are listeners, and dns-01 for wildcards
	ManualAuthHook    value.Command `toml:"manual_auth_hook" json:"-"`    // makes the TXT record _acme-challenge.$CERTBOT_DOMAIN with $CERTBOT_VALIDATION and returns when it is seen; run as the proxy's user (certbot: --manual-auth-hook)
	ManualCleanupHook value.Command `toml:"manual_cleanup_hook" json:"-"` // removes it; $CERTBOT_AUTH_OUTPUT is what the first one printed (certbot: --manual-cleanup-hook)
	Authority         []Authority   `toml:"authority"`
}

// Authority is one [[tls.authority]]. They are tried in their order until one issues.
type Authority struct {
	Directory     string `toml:"directory"`         // URL of its ACME directory, or "letsencrypt", "letsencrypt-staging", "zerossl", "google"; letsencrypt
	TestDirectory string `toml:"test_directory"`    // tried first after a failure, so that the real one's limits are not used up; Let's Encrypt's staging for letsencrypt, else none
	Profile       string `toml:"profile"`           // of the certificates, one that the authority offers; its default, and "shortlived" for IP addresses
	TrustedRoots  string `toml:"trusted_roots"`     // PEM file of the authorities that its own HTTPS is verified with; the system's
	EABKeyID      string `toml:"eab_kid"`           // external account binding: the key's identifier; none (certbot: --eab-kid)
	EABKeyFile    string `toml:"eab_hmac_key_file"` // file that holds the key, in base64url; none
}

// directories are authorities that have a name.
var directories = map[string]Authority{
	"letsencrypt": {
		Directory:     "https://acme-v02.api.letsencrypt.org/directory",
		TestDirectory: "https://acme-staging-v02.api.letsencrypt.org/directory",
	},
	"letsencrypt-staging": {Directory: "https://acme-staging-v02.api.letsencrypt.org/directory"},
	"zerossl":             {Directory: "https://acme.zerossl.com/v2/DV90"},
	"google":              {Directory: "https://dv.acme-v02.api.pki.goog/directory"},
}

const defaultAuthority = "letsencrypt"

// resolved returns the authority with its addresses.
func (a Authority) resolved() Authority {
	if a.Directory == "" {
		a.Directory = defaultAuthority
	}
	if known, ok := a.known(); ok {
		a.Directory = known.Directory
		if a.TestDirectory == "" {
			a.TestDirectory = known.TestDirectory
		}
	}
	return a
}

// known returns the authority that has the name, or the address.
func (a Authority) known() (Authority, bool) {
	for name, known := range directories {
		if a.Directory == name || a.Directory == known.Directory {
			return known, true
		}
	}
	return Authority{}, false
}

// Kinds of challenges (RFC 8555, RFC 8737).
const (
	challengeHTTP = "http-01"
	challengeTLS  = "tls-alpn-01"
	challengeDNS  = "dns-01"
)

// Validate reports what is wrong with the section at key. sites are those of all servers
// with their names.
func (c *Config) Validate(key string, sites []SiteSetup, problems *value.Problems) {
	at := func(name string) string { return value.Join(key, name) }
	if _, err := mail.ParseAddress(c.Email); c.Email != "" && err != nil {
		problems.Addf(at("email"), "%q: expected an address such as ops@example.com", c.Email)
	}
	for _, kind := range c.Challenges {
		if !slices.Contains([]string{challengeHTTP, challengeTLS, challengeDNS}, kind) {
			problems.Addf(at("challenges"), "%q: expected http-01, tls-alpn-01 or dns-01", kind)
		}
	}
	if slices.Contains(c.Challenges, challengeDNS) && !c.ManualAuthHook.Set() {
		problems.Addf(at("challenges"), "dns-01 takes a manual_auth_hook; expected one")
	}
	if c.ManualCleanupHook.Set() && !c.ManualAuthHook.Set() {
		problems.Addf(at("manual_cleanup_hook"), "there is no manual_auth_hook to clean up after; expected both, or none")
	}
	for i := range c.Authority {
		c.Authority[i].validate(value.Index(at("authority"), i), problems)
	}
	for i := range sites {
		if sites[i].TLS == ModeAuto {
			c.validateNames(value.Join(value.Index("server", i), "server_name"), orderable(sites[i].Names), problems)
		}
	}
}

// validateNames wants names that can be proved, and that an authority may issue for:
// orders that cannot succeed would only use up its limits.
func (c *Config) validateNames(key string, names []string, problems *value.Problems) {
	for _, name := range names {
		switch {
		case isWildcard(name) && !c.ManualAuthHook.Set(): // RFC 8555 7.1.3
			problems.Addf(key, `%q: only a DNS record proves a wildcard; expected tls.manual_auth_hook, or no wildcard`, name)
		case c.onlyPublic() && !isPublic(name):
			problems.Addf(key, `%q: no public authority issues for it; expected tls = "internal", or a name of the public DNS`, name)
		default:
			continue
		}
		return
	}
}

// onlyPublic reports whether every authority is one that the whole world trusts.
func (c *Config) onlyPublic() bool {
	return !slices.ContainsFunc(c.Authority, func(a Authority) bool {
		_, known := a.known()
		return !known && a.Directory != ""
	})
}

// isPublic reports whether a public authority may issue for a name: it has a dot, and is
// no private address or name (CA/Browser Forum Baseline Requirements 4.2.2).
func isPublic(name string) bool {
	return certmagic.SubjectQualifiesForPublicCert(name) && (strings.Contains(name, ".") || isAddress(name))
}

func (a *Authority) validate(key string, problems *value.Problems) {
	for name, text := range map[string]string{"directory": a.resolved().Directory, "test_directory": a.TestDirectory} {
		if u, err := url.Parse(text); text != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
			problems.Addf(value.Join(key, name), `%q: expected an https:// URL, or one of "letsencrypt", "letsencrypt-staging", "zerossl", "google"`, text)
		}
	}
	if a.EABKeyID == "" && a.EABKeyFile != "" {
		problems.Addf(value.Join(key, "eab_kid"), "no identifier for the key in eab_hmac_key_file; expected one")
	}
	if a.EABKeyID != "" && a.EABKeyFile == "" {
		problems.Addf(value.Join(key, "eab_hmac_key_file"), "no key for eab_kid; expected a file that holds it")
	}
}

// Read fills in the files of an authority.
func (a *Authority) Read(read func(path string) ([]byte, error), report func(key string, err error)) AuthorityFiles {
	var f AuthorityFiles
	var err error
	if a.TrustedRoots != "" {
		if f.Roots, err = read(a.TrustedRoots); err != nil {
			report("trusted_roots", err)
		} else if _, err := parsePool(f.Roots); err != nil {
			report("trusted_roots", fmt.Errorf("%s: %w", a.TrustedRoots, err))
		}
	}
	if a.EABKeyFile != "" {
		if f.EABKey, err = read(a.EABKeyFile); err != nil {
			report("eab_hmac_key_file", err)
		} else if _, err := base64.RawURLEncoding.DecodeString(eabKey(f.EABKey)); err != nil {
			report("eab_hmac_key_file", fmt.Errorf("%s: %w; expected the key as the authority shows it, in base64url", a.EABKeyFile, err))
		}
	}
	return f
}
