package tls

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
)

// Setup is all that certificates are served by. The keeper has read and checked it; it
// travels to the proxy as JSON.
type Setup struct {
	Config      Config
	Authorities []AuthorityFiles // of Config.Authority, in its order
	AuthHook    []string         // of Config, its path resolved
	CleanupHook []string
	Dir         string      // where certificates of authorities are kept; the proxy's own
	HTTPPort    bool        // a listener can be asked for http-01 as far as we know: it is on port 80
	HTTPSPort   bool        // and for tls-alpn-01: port 443
	Sites       []SiteSetup // one for each [[server]], in their order
}

// AuthorityFiles are what the files of an authority hold.
type AuthorityFiles struct {
	Roots  []byte
	EABKey []byte
}

// eabKey is the key without what editors and providers put around it.
func eabKey(file []byte) string { return strings.TrimRight(strings.TrimSpace(string(file)), "=") }

// SiteSetup is a site with the names of its server and what its files hold.
type SiteSetup struct {
	Site
	Names []string
	Files Files
}

// identity tells sites apart whose sessions must not mix: equal ones are the same site
// after a reload.
func (s *SiteSetup) identity() [sha256.Size]byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("tls: a site as JSON: %v", err)) // it has no type that can fail
	}
	return sha256.Sum256(text)
}
