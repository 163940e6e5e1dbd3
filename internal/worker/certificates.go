package worker

import (
	"context"

	"paddock/internal/link"
	"paddock/internal/metrics"
	"paddock/tls"
)

// certificates is what is known of each.
func (w *Worker) certificates() []tls.Status {
	if w.tls == nil {
		return nil
	}
	return w.tls.Status()
}

func (w *Worker) renew(ctx context.Context, m link.Message) error {
	var r link.Renew
	if err := m.Decode(&r); err != nil {
		return err
	}
	if w.tls == nil {
		return errNotConfigured
	}
	return w.tls.Renew(ctx, r.Name)
}

// certificateFigures is the same for a scrape.
func (w *Worker) certificateFigures() []metrics.Certificate {
	all := w.certificates()
	out := make([]metrics.Certificate, len(all))
	for i, s := range all {
		out[i] = metrics.Certificate{
			Name: s.Name, Mode: s.Mode, NotBefore: s.NotBefore, NotAfter: s.NotAfter, RenewAt: s.RenewAt,
			Obtained: s.Obtained, Failed: s.Failed, Failing: s.Error != "",
		}
	}
	return out
}
