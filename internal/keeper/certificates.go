package keeper

import (
	"context"
	"errors"
	"net/http"

	"paddock/internal/control"
	"paddock/internal/link"
)

// Certificates asks the proxy, which is who gets and serves them.
func (k *Keeper) Certificates(ctx context.Context) ([]control.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, proxyTimeout)
	defer cancel()
	var out []control.Certificate
	err := k.front.call(ctx, link.TypeCertificates, nil, &out)
	return out, err
}

// Renew has the proxy renew certificates, and waits for it.
func (k *Keeper) Renew(ctx context.Context, name string) error {
	err := k.front.call(ctx, link.TypeRenew, link.Renew{Name: name}, nil)
	var refused *link.Refused
	if errors.As(err, &refused) {
		return &control.Error{Status: http.StatusBadGateway, Text: err.Error()}
	}
	return err
}
