package tls

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
)

// Setup is all that certificates are served by. The keeper has read and checked it; it
// travels to the proxy as JSON.
type Setup struct {
	Config Config
	Dir    string      // where certificates of authorities are kept; the proxy's own
	Sites  []SiteSetup // one for each [[server]], in their order
}

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
