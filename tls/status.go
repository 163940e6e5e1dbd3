package tls

import (
	"strings"
	"time"
)

// Status is what is known of one certificate.
type Status struct {
	Name      string    `json:"name"`
	Mode      string    `json:"mode"` // auto, internal, or file
	Issuer    string    `json:"issuer,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"`
	RenewAt   time.Time `json:"renew_at,omitzero"` // zero for a file
	Why       string    `json:"why,omitempty"`     // of RenewAt
	State     string    `json:"state,omitempty"`   // what goes on: obtaining, renewing; "" nothing
	NextTry   time.Time `json:"next_try,omitzero"` // after a failure
	Error     string    `json:"error,omitempty"`   // of the last try; "" it succeeded
	Obtained  int       `json:"obtained"`          // since the start
	Failed    int       `json:"failed"`
}

// progress publishes what goes on.
func (h *holder) progress(what string) {
	next := *h.status.Load()
	next.State = what
	h.status.Store(&next)
}

// publish publishes how a step ended.
func (h *holder) publish(err error, wait time.Duration) {
	next := Status{Name: h.name, Mode: h.mode, Obtained: h.gains, Failed: h.status.Load().Failed}
	if c := h.certificate.Load(); h.held == nil && c != nil { // served on, though it is stored no more
		next.NotBefore, next.NotAfter = c.Leaf.NotBefore, c.Leaf.NotAfter
	}
	if h.held != nil {
		leaf := h.held.Leaf
		next.Issuer, next.NotBefore, next.NotAfter = h.held.key, leaf.NotBefore, leaf.NotAfter
		next.RenewAt, next.Why = h.renewAt(), "its age"
		if chosen := h.held.ari.SelectedTime; chosen.Equal(next.RenewAt) {
			next.Why = "its authority asks for it"
		}
	}
	if err != nil {
		next.Failed++
		next.Error, next.NextTry = err.Error(), h.now().Add(wait)
	}
	h.status.Store(&next)
}

// fileStatus tells of certificates that are files: whoever made them renews them.
func (s *Setup) fileStatus() []Status {
	var out []Status
	for i := range s.Sites {
		for _, p := range s.Sites[i].Files.Pairs {
			c, err := p.parse()
			if err != nil {
				continue // Prepare has refused it
			}
			name := strings.Join(s.Sites[i].Names, " ")
			out = append(out, Status{Name: name, Mode: ModeFile, Issuer: c.Leaf.Issuer.CommonName, NotBefore: c.Leaf.NotBefore, NotAfter: c.Leaf.NotAfter})
		}
	}
	return out
}

// ModeFile is the mode of a certificate that is a file of the configuration.
const ModeFile = "file"
