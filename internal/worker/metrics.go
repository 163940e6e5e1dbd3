package worker

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"

	"paddock/internal/link"
	"paddock/internal/metrics"
)

// metricsPoint is where metrics are served; nil: nowhere.
type metricsPoint struct {
	key      string
	listener net.Listener // not served yet; nil afterwards
	server   *metrics.Server
}

// prepareMetrics opens what a configuration wants, or returns what is there. The
// listening socket is copied: the keeper's stays its own.
func (w *Worker) prepareMetrics(c link.Configure, files []*os.File) (*metricsPoint, error) {
	if c.Metrics == "" {
		return nil, nil
	}
	if w.metrics != nil && w.metrics.key == c.Metrics {
		return w.metrics, nil
	}
	i := slices.Index(c.Listeners, c.Metrics)
	if i < 0 {
		return nil, fmt.Errorf("metrics: no socket for the listen address %s", c.Metrics)
	}
	l, err := net.FileListener(files[i])
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return &metricsPoint{key: c.Metrics, listener: l}, nil
}

// rollback closes what was opened for nothing.
func (p *metricsPoint) rollback() {
	if p != nil && p.listener != nil {
		p.listener.Close()
	}
}

// commitMetrics makes next the one that serves. The old one finishes by itself.
func (w *Worker) commitMetrics(next *metricsPoint) {
	old := w.metrics
	w.metrics = next
	if next != nil && next.listener != nil {
		next.server = metrics.Serve(next.listener, w.figures(), w.log)
		next.listener = nil
	}
	if old != nil && old != next {
		w.asked.Go(old.server.Close)
	}
}

// figures are what metrics are made of.
func (w *Worker) figures() metrics.Source {
	return metrics.Source{Version: w.opts.Build, Proxy: w.proxy.Metrics, Keeper: w.askKeeper, Certificates: w.certificateFigures}
}

// askKeeper asks for the keeper's part of a scrape.
func (w *Worker) askKeeper(ctx context.Context) (metrics.Keeper, error) {
	var k metrics.Keeper
	m, err := w.conn.Call(ctx, link.TypeStats, nil)
	if err == nil {
		err = m.Decode(&k)
	}
	return k, err
}

// closeMetrics ends the last one.
func (w *Worker) closeMetrics() {
	if w.metrics != nil {
		w.metrics.server.Close()
	}
}
