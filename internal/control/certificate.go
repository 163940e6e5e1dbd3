package control

import (
	"context"
	"net/http"
	"time"
)

// Certificate is what is known of one certificate. Zero times are not known.
type Certificate struct {
	Name      string    `json:"name"` // that it is for; of a file, the names of its server
	Mode      string    `json:"mode"` // auto, internal, or file
	Issuer    string    `json:"issuer,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"`
	RenewAt   time.Time `json:"renew_at,omitzero"` // zero for a file
	Why       string    `json:"why,omitempty"`     // of RenewAt
	State     string    `json:"state,omitempty"`   // what goes on: obtaining, renewing; "" nothing
	NextTry   time.Time `json:"next_try,omitzero"` // after a failure
	Error     string    `json:"error,omitempty"`   // of the last try; "" it succeeded
	Obtained  int       `json:"obtained"`          // since the proxy started
	Failed    int       `json:"failed"`
}

// RenewRequest is the body of a renewal.
type RenewRequest struct {
	Name string `json:"name"` // "": every one
}

func (s *Server) renew(body []byte) (func(context.Context) (any, error), error) {
	var request RenewRequest
	if err := decode(body, &request); err != nil {
		return nil, err
	}
	return noResult(func(ctx context.Context) error { return s.calls.Renew(ctx, request.Name) }), nil
}

// Certificates returns what is known of every certificate.
func (c *Client) Certificates(ctx context.Context) ([]Certificate, error) {
	var out []Certificate
	err := c.call(ctx, http.MethodGet, "/v1/certificates", nil, &out)
	return out, err
}

// Renew renews the certificate of a name, or every one, and returns when that is done.
func (c *Client) Renew(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodPost, "/v1/renew", RenewRequest{Name: name}, nil)
}
