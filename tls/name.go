package tls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"runtime/debug"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	// firstPause is the wait after a first failure; each one doubles it, up to maxPause.
	// That makes seven tries in the first hour. Half of it again is added by chance, so
	// that names that failed together do not come back together.
	firstPause = time.Minute
	maxPause   = 6 * time.Hour
	// pausesOfLife bounds the first pause for certificates that live for seconds.
	pausesOfLife = 12
	minPause     = time.Second

	// lookTime is how often the storage is looked at: another machine may have renewed.
	lookTime = 6 * time.Hour
	// askPause is the wait after an authority did not say when to renew.
	askPause = time.Hour
	// tryTime bounds a try, all authorities together.
	tryTime = 15 * time.Minute
)

// holder looks after the certificate of one name. Its goroutine owns the state; others
// read what it publishes.
type holder struct {
	name    string
	mode    string
	source  *atomic.Pointer[source] // of the mode, by the newest configuration
	now     func() time.Time
	log     *zap.Logger
	demand  chan demand
	changed chan struct{} // size 1: the source is a new one

	certificate atomic.Pointer[tls.Certificate]
	status      atomic.Pointer[Status]

	// Of the goroutine.
	held  *stored
	fails int
	gains int
	since time.Time // when held came to us
	askAt time.Time // not before: what the authority suggests, after it could not be asked
	end   context.CancelFunc
	done  chan struct{}
}

// demand asks for a renewal now.
type demand struct{ answer chan error }

// run loads, obtains and renews until ctx ends.
func (h *holder) run(ctx context.Context) {
	defer close(h.done)
	var asked []demand
	for {
		wait, err := h.step(ctx, len(asked) > 0)
		for _, d := range asked {
			d.answer <- err
		}
		asked = nil
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-h.changed:
			timer.Stop()
			h.fails = 0 // of an authority, or a setting, that may be another now
		case d := <-h.demand:
			timer.Stop()
			asked = append(asked, d)
		}
	}
}

// wake has the holder look again, now.
func (h *holder) wake() {
	select {
	case h.changed <- struct{}{}:
	default: // it is to look already
	}
}

// preload takes what is stored, before the holder runs.
func (h *holder) preload(c *stored) {
	h.held, h.since = c, h.now()
	h.certificate.Store(&c.Certificate.Certificate)
	h.publish(nil, 0)
}

// step brings the certificate up to date and returns how long it will be. force renews
// one that is good.
func (h *holder) step(ctx context.Context, force bool) (wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	s := h.source.Load()
	err = survive(h.log, func() error { return h.tend(ctx, s, force) })
	switch {
	case err == nil:
		h.fails = 0
		wait = h.rest()
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		return maxPause, err // told to end
	default:
		h.fails++
		wait = h.backOff(s.waits())
		h.log.Error("no certificate", zap.String("name", h.name), zap.Int("failures", h.fails), zap.Duration("again in", wait.Round(time.Second)), zap.Error(err))
	}
	h.publish(err, wait)
	return wait, err
}

// survive does work with what an authority or a storage sent. That it panics is a failure
// as any other: it must not end the process, which serves. The stack is for the log, not for
// the line that a person reads.
func survive(log *zap.Logger, work func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			log.Error("the work on a certificate panicked", zap.String("panic", fmt.Sprint(reason)), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("panic: %v", reason)
		}
	}()
	return work()
}

// tend does what there is to do.
func (h *holder) tend(ctx context.Context, s *source, force bool) error {
	if err := h.load(ctx, s); errors.Is(err, fs.ErrNotExist) {
		h.held = nil
	} else if err != nil {
		return err
	}
	if h.held == nil {
		h.progress("obtaining")
		if err := s.long.ObtainCertSync(h.order(ctx), h.name); err != nil {
			return err
		}
		return h.gained(ctx, s, "got a certificate")
	}
	h.ask(ctx, s)
	if !force && h.now().Before(h.renewAt()) {
		return nil
	}
	h.progress("renewing")
	// Of several machines the first renews; the others find out behind the lock.
	if err := s.config(h.held.Lifetime()).RenewCertSync(h.order(ctx), h.name, force); err != nil {
		return err
	}
	return h.gained(ctx, s, "renewed a certificate")
}

// ask looks up when the authority would have the certificate renewed, as often as it
// says. Without an answer the certificate's age decides.
func (h *holder) ask(ctx context.Context, s *source) {
	if h.held.issuer == nil || !h.held.ari.NeedsRefresh() || h.now().Before(h.askAt) {
		return
	}
	if err := s.refresh(ctx, h.held, h.name); err != nil {
		h.askAt = h.now().Add(askPause)
		h.log.Debug("no renewal information", zap.String("name", h.name), zap.Error(err))
	}
}

// load takes what is stored. What is there and is no certificate is moved aside: the
// one in memory goes on until a new one is there.
func (h *holder) load(ctx context.Context, s *source) error {
	c, err := s.load(ctx, h.name)
	var io *fs.PathError
	switch {
	case err == nil:
		if h.held == nil || !h.held.Leaf.Equal(c.Leaf) {
			h.since = h.now()
		}
		h.held = c
		h.certificate.Store(&c.Certificate.Certificate)
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.As(err, &io), ctx.Err() != nil:
		return err
	}
	h.log.Error("what is stored is no certificate; it is set aside", zap.String("name", h.name), zap.Error(err))
	if err := s.setAside(ctx, h.name, h.now()); err != nil {
		return fmt.Errorf("set aside: %w", err)
	}
	return fs.ErrNotExist
}

// gained loads a new certificate.
func (h *holder) gained(ctx context.Context, s *source, what string) error {
	before := h.held
	if err := h.load(ctx, s); err != nil {
		return err
	}
	if before != nil && before.Leaf.Equal(h.held.Leaf) {
		return nil // certmagic counts to the second
	}
	h.askAt = time.Time{}
	h.gains++
	h.log.Info(what, zap.String("name", h.name), zap.String("issuer", h.held.key), zap.Time("until", h.held.Leaf.NotAfter))
	return nil
}

// order is the context of a try.
func (h *holder) order(ctx context.Context) context.Context {
	o := order{again: h.fails > 0}
	if h.held != nil && h.held.issuer != nil {
		o.replaces = h.held.Leaf
	}
	return context.WithValue(ctx, orderKey{}, o)
}

// renewAt is when the certificate is to be renewed: at the time that was chosen in its
// authority's window, within bounds that no mistake of an authority moves, else by age.
func (h *holder) renewAt() time.Time {
	life, end := h.held.Lifetime(), h.held.Leaf.NotAfter
	chosen := h.held.ari.SelectedTime
	if chosen.IsZero() {
		return end.Add(-part(life, ratio(life)))
	}
	chosen = later(chosen, h.since.Add(min(part(life, youngest), askPause)))
	if last := end.Add(-part(life, lastRatio(life))); last.Before(chosen) {
		return last
	}
	return chosen
}

func part(life time.Duration, ratio float64) time.Duration {
	return time.Duration(float64(life) * ratio)
}

// rest is how long nothing has to be done.
func (h *holder) rest() time.Duration {
	next := h.now().Add(lookTime)
	if at := h.renewAt(); at.Before(next) {
		next = at
	}
	if ask := h.held.ari.RetryAfter; ask != nil {
		if at := later(*ask, h.askAt); at.Before(next) {
			next = at
		}
	}
	return max(next.Sub(h.now()), minPause)
}

// backOff is the wait after a failure; until is when the first authority lets us ask
// again. Of that wait too, half as much is added by chance: every name is told the same.
func (h *holder) backOff(until time.Time) time.Duration {
	wait := h.pause()
	if told := until.Sub(h.now()); told > 0 {
		wait = max(wait, told+rand.N(told/2+1))
	}
	return wait
}

// pause is the wait after h.fails failures in a row.
func (h *holder) pause() time.Duration {
	first := firstPause
	if h.held != nil {
		first = max(min(first, h.held.Lifetime()/pausesOfLife), minPause)
	}
	wait := min(first<<min(h.fails-1, 16), maxPause)
	return wait + rand.N(wait/2+1)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
