package tls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
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

// keeper looks after the certificate of one name. Its goroutine owns the state; others
// read what it publishes.
type keeper struct {
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
	askAt time.Time // not before: what the authority suggests, after it could not be asked
	end   context.CancelFunc
	done  chan struct{}
}

// demand asks for a renewal now.
type demand struct{ answer chan error }

// run loads, obtains and renews until ctx ends.
func (k *keeper) run(ctx context.Context) {
	defer close(k.done)
	var asked []demand
	for {
		wait, err := k.step(ctx, len(asked) > 0)
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
		case <-k.changed:
			timer.Stop()
			k.fails = 0 // of an authority, or a setting, that may be another now
		case d := <-k.demand:
			timer.Stop()
			asked = append(asked, d)
		}
	}
}

// wake has the keeper look again, now.
func (k *keeper) wake() {
	select {
	case k.changed <- struct{}{}:
	default: // it is to look already
	}
}

// preload takes what is stored, before the keeper runs.
func (k *keeper) preload(ctx context.Context, s *source) {
	if c, err := s.load(ctx, k.name); err == nil {
		k.held = c
		k.certificate.Store(&c.Certificate.Certificate)
		k.publish(nil, 0)
	}
}

// step brings the certificate up to date and returns how long it will be. force renews
// one that is good.
func (k *keeper) step(ctx context.Context, force bool) (wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	s := k.source.Load()
	err = k.tend(ctx, s, force)
	switch {
	case err == nil:
		k.fails = 0
		wait = k.rest()
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		return maxPause, err // told to end
	default:
		k.fails++
		wait = max(k.pause(), s.waits().Sub(k.now()))
		k.log.Error("no certificate", zap.String("name", k.name), zap.Int("failures", k.fails), zap.Duration("again in", wait.Round(time.Second)), zap.Error(err))
	}
	k.publish(err, wait)
	return wait, err
}

// tend does what there is to do.
func (k *keeper) tend(ctx context.Context, s *source, force bool) error {
	if err := k.load(ctx, s); errors.Is(err, fs.ErrNotExist) {
		k.held = nil
	} else if err != nil {
		return err
	}
	if k.held == nil {
		k.progress("obtaining")
		if err := s.long.ObtainCertSync(k.order(ctx), k.name); err != nil {
			return err
		}
		return k.gained(ctx, s, "got a certificate")
	}
	k.ask(ctx, s)
	if !force && k.now().Before(k.renewAt()) {
		return nil
	}
	k.progress("renewing")
	// Of several machines the first renews; the others find out behind the lock.
	if err := s.config(k.held.Lifetime()).RenewCertSync(k.order(ctx), k.name, force); err != nil {
		return err
	}
	return k.gained(ctx, s, "renewed a certificate")
}

// ask looks up when the authority would have the certificate renewed, as often as it
// says. Without an answer the certificate's age decides.
func (k *keeper) ask(ctx context.Context, s *source) {
	if k.held.issuer == nil || !k.held.ari.NeedsRefresh() || k.now().Before(k.askAt) {
		return
	}
	if err := s.refresh(ctx, k.held, k.name); err != nil {
		k.askAt = k.now().Add(askPause)
		k.log.Debug("no renewal information", zap.String("name", k.name), zap.Error(err))
	}
}

// load takes what is stored. What is there and is no certificate is moved aside: the
// one in memory goes on until a new one is there.
func (k *keeper) load(ctx context.Context, s *source) error {
	c, err := s.load(ctx, k.name)
	var io *fs.PathError
	switch {
	case err == nil:
		k.held = c
		k.certificate.Store(&c.Certificate.Certificate)
		return nil
	case errors.Is(err, fs.ErrNotExist), errors.As(err, &io), ctx.Err() != nil:
		return err
	}
	k.log.Error("what is stored is no certificate; it is set aside", zap.String("name", k.name), zap.Error(err))
	if err := s.setAside(ctx, k.name, k.now()); err != nil {
		return fmt.Errorf("set aside: %w", err)
	}
	return fs.ErrNotExist
}

// gained loads a new certificate.
func (k *keeper) gained(ctx context.Context, s *source, what string) error {
	before := k.held
	if err := k.load(ctx, s); err != nil {
		return err
	}
	if before != nil && before.Leaf.Equal(k.held.Leaf) {
		return nil // certmagic counts to the second
	}
	k.askAt = time.Time{}
	k.gains++
	k.log.Info(what, zap.String("name", k.name), zap.String("issuer", k.held.key), zap.Time("until", k.held.Leaf.NotAfter))
	return nil
}

// order is the context of a try.
func (k *keeper) order(ctx context.Context) context.Context {
	o := order{again: k.fails > 0}
	if k.held != nil && k.held.issuer != nil {
		o.replaces = k.held.Leaf
	}
	return context.WithValue(ctx, orderKey{}, o)
}

// renewAt is when the certificate is to be renewed: at the time that was chosen in its
// authority's window, but not later than its age allows.
func (k *keeper) renewAt() time.Time {
	leaf, life := k.held.Leaf, k.held.Lifetime()
	at := leaf.NotAfter.Add(-time.Duration(float64(life) * ratio(life)))
	if chosen := k.held.ari.SelectedTime; !chosen.IsZero() && chosen.Before(at) {
		return chosen
	}
	return at
}

// rest is how long nothing has to be done.
func (k *keeper) rest() time.Duration {
	next := k.now().Add(lookTime)
	if at := k.renewAt(); at.Before(next) {
		next = at
	}
	if ask := k.held.ari.RetryAfter; ask != nil {
		if at := later(*ask, k.askAt); at.Before(next) {
			next = at
		}
	}
	return max(next.Sub(k.now()), minPause)
}

// pause is the wait after k.fails failures in a row.
func (k *keeper) pause() time.Duration {
	first := firstPause
	if k.held != nil {
		first = max(min(first, k.held.Lifetime()/pausesOfLife), minPause)
	}
	wait := min(first<<min(k.fails-1, 16), maxPause)
	return wait + rand.N(wait/2+1)
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
