package tls

import (
	"context"
	"fmt"
	"time"
)

// preloadTime bounds the wait for a storage when names are new. What does not come in
// time is loaded behind.
const preloadTime = 2 * time.Second

// prepareNames finds or makes the holder of each name. New ones load what is stored, so
// that a proxy that has just started, or been started again, serves it at once.
func (m *Manager) prepareNames(p *Plan) {
	p.holders = map[string]*holder{}
	for i, s := range p.Servers {
		if s == nil || s.managed == nil {
			continue
		}
		mode := p.setup.Sites[i].TLS
		s.managed.holders = make(map[string]*holder, len(s.managed.names))
		for _, name := range s.managed.names {
			id := mode + " " + name
			h := m.holders[id]
			if h == nil {
				h = p.holders[id]
			}
			if h == nil {
				h = m.newHolder(name, mode)
				p.fresh = append(p.fresh, h)
			}
			p.holders[id], s.managed.holders[name] = h, h
		}
	}
	p.preload(m)
}

// preload takes what comes in time: a file system that hangs heeds no context.
func (p *Plan) preload(m *Manager) {
	ctx, cancel := context.WithTimeout(m.ctx, preloadTime)
	defer cancel()
	type found struct {
		h *holder
		c *stored // nil: there is none
	}
	all := make(chan found, len(p.fresh))
	for _, h := range p.fresh {
		from := m.sources[h.mode].Load()
		if p.auto != nil {
			from = map[string]*source{ModeAuto: p.auto, ModeInternal: p.local}[h.mode]
		}
		m.work.Go(func() {
			var c *stored
			err := survive(h.log, func() (err error) {
				c, err = from.load(ctx, h.name)
				return err
			})
			if err != nil {
				c = nil // the holder says what is wrong
			}
			all <- found{h, c}
		})
	}
	for range p.fresh {
		select {
		case f := <-all:
			if f.c != nil {
				f.h.preload(f.c)
			}
		case <-ctx.Done():
			return
		}
	}
}

// commitNames starts and ends holders. With new sources those that had failed try again.
func (m *Manager) commitNames(p *Plan) {
	for id, h := range m.holders {
		switch {
		case p.holders[id] == nil:
			h.end()
		case p.auto != nil:
			h.wake()
		}
	}
	for _, h := range p.fresh {
		ctx, end := context.WithCancel(m.ctx)
		h.end = end
		m.work.Go(func() { h.run(ctx) })
	}
	m.holders = p.holders
}

func (m *Manager) newHolder(name, mode string) *holder {
	h := &holder{
		name: name, mode: mode, source: m.sources[mode], now: time.Now, log: m.log,
		demand: make(chan demand), changed: make(chan struct{}, 1), done: make(chan struct{}),
	}
	h.status.Store(&Status{Name: name, Mode: mode})
	return h
}

// renew waits for the holder's goroutine to renew.
func (h *holder) renew(ctx context.Context) error {
	d := demand{make(chan error, 1)}
	select {
	case h.demand <- d:
	case <-h.done:
		return fmt.Errorf("%s: no certificate is looked after any more", h.name)
	case <-ctx.Done():
		return fmt.Errorf("%s: an order is under way: %w", h.name, ctx.Err())
	}
	select {
	case err := <-d.answer:
		return err
	case <-h.done:
		return fmt.Errorf("%s: told to end", h.name)
	case <-ctx.Done():
		return ctx.Err()
	}
}
