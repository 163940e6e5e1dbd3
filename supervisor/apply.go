package supervisor

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"go.uber.org/zap"
)

// Applied says what an Apply has begun to change.
type Applied struct {
	Added, Changed, Removed []string // names

	work sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

// Wait returns when all of it is done: deploys of changed apps, stops of what was
// removed. The error joins what failed; a failed deploy leaves the old generation.
func (a *Applied) Wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() { a.work.Wait(); close(done) }() // ends with the work
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return errors.Join(a.errs...)
}

func (a *Applied) failed(err error) {
	if err == nil || errors.Is(err, ErrNotRunning) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.errs = append(a.errs, err)
}

// Apply makes set what runs. What did not change is not touched; a changed app is
// deployed as a new generation, a changed program stopped and started; what is new
// and has autostart is started in ascending priority; what is gone is stopped. It
// returns when all of that is under way. The error means that nothing was changed.
func (m *Manager) Apply(set Set) (*Applied, error) {
	for name := range set.Programs {
		if _, both := set.Apps[name]; both {
			return nil, fmt.Errorf("%q is the name of an app and of a program; expected different names", name)
		}
	}
	m.apply.Lock()
	defer m.apply.Unlock()
	m.mu.Lock()
	closed := m.closed
	m.mu.Unlock()
	if closed {
		return nil, ErrShutdown
	}
	applied := &Applied{}
	m.removeOld(set, applied)
	m.removeUnnamed(set, applied)
	m.changeOrAdd(set, applied)
	m.opts.Restore, m.opts.Files = nil, nil
	return applied, nil
}

// removeOld stops what is not in the set, or is there as the other kind.
func (m *Manager) removeOld(set Set, applied *Applied) {
	order := m.list()
	slices.Reverse(order)
	for _, mb := range order {
		_, isApp := set.Apps[mb.name]
		_, isProgram := set.Programs[mb.name]
		if isApp && mb.app != nil || isProgram && mb.app == nil {
			continue
		}
		applied.Removed = append(applied.Removed, mb.name)
		m.remove(mb, applied)
	}
}

// removeUnnamed stops what was taken over and is not in the set.
func (m *Manager) removeUnnamed(set Set, applied *Applied) {
	if m.opts.Restore == nil {
		return
	}
	quiet := DefaultProgram()
	quiet.StdoutLogfile, quiet.StderrLogfile = LogNone, LogNone
	for _, rec := range m.opts.Restore.Apps {
		if _, ok := set.Apps[rec.Name]; !ok {
			m.endRestored(rec.Name, &AppSpec{App: App{Program: quiet}}, quiet, applied)
		}
	}
	for _, rec := range m.opts.Restore.Programs {
		if _, ok := set.Programs[rec.Name]; !ok {
			m.endRestored(rec.Name, nil, quiet, applied)
		}
	}
}

func (m *Manager) endRestored(name string, app *AppSpec, prog Program, applied *Applied) {
	applied.Removed = append(applied.Removed, name)
	mb, err := m.newMember(name, app, prog)
	if err != nil {
		applied.failed(err)
		return
	}
	m.remove(mb, applied)
}

func (m *Manager) remove(mb *member, applied *Applied) {
	gone := make(chan struct{})
	m.mu.Lock()
	delete(m.members, mb.name)
	m.leaving[mb.name] = leaver{mb, gone}
	m.mu.Unlock()
	applied.work.Add(1)
	m.work.Go(func() {
		defer applied.work.Done()
		applied.failed(mb.stop(m.hurry))
		mb.close()
		m.mu.Lock()
		if m.leaving[mb.name].gone == gone {
			delete(m.leaving, mb.name)
		}
		m.mu.Unlock()
		close(gone)
	})
}

// wanted is one entry of a Set.
type wanted struct {
	name     string
	app      *AppSpec
	program  Program
	priority int
}

func (s Set) ordered() []wanted {
	var all []wanted
	for name, app := range s.Apps {
		all = append(all, wanted{name, &app, Program{}, app.Priority})
	}
	for name, prog := range s.Programs {
		all = append(all, wanted{name, nil, prog, prog.Priority})
	}
	slices.SortFunc(all, func(a, b wanted) int {
		if a.priority != b.priority {
			return a.priority - b.priority
		}
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return all
}

func (m *Manager) changeOrAdd(set Set, applied *Applied) {
	for _, w := range set.ordered() {
		m.mu.Lock()
		mb := m.members[w.name]
		m.mu.Unlock()
		if mb != nil {
			m.change(mb, w, applied)
			continue
		}
		applied.Added = append(applied.Added, w.name)
		if err := m.add(w); err != nil {
			m.opts.Logger.Error("cannot start", zap.String("name", w.name), zap.Error(err))
			applied.failed(fmt.Errorf("start %s: %w", w.name, err))
		}
	}
}

// add makes a member, and starts it if it has autostart. One of the same name that
// is being removed is waited for: two must not run at once.
func (m *Manager) add(w wanted) error {
	m.mu.Lock()
	gone := m.leaving[w.name].gone
	m.mu.Unlock()
	if gone != nil {
		<-gone
	}
	restored := m.opts.Restore.has(w.name)
	mb, err := m.newMember(w.name, w.app, w.program)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.members[w.name] = mb
	m.mu.Unlock()
	if !mb.program.Autostart || restored {
		return nil
	}
	return mb.begin()
}

// change gives a member what is new for it.
func (m *Manager) change(mb *member, w wanted, applied *Applied) {
	if mb.app != nil {
		changed := !reflect.DeepEqual(mb.appAs, *w.app)
		if !changed {
			return
		}
		applied.Changed = append(applied.Changed, w.name)
		m.setApp(mb, *w.app)
		updated := mb.app.send(appRequest{op: appUpdate, spec: w.app}) // in the order of the Applies
		applied.work.Add(1)
		m.work.Go(func() {
			defer applied.work.Done()
			applied.failed(<-updated)
		})
		return
	}
	if reflect.DeepEqual(mb.program, w.program) {
		return
	}
	applied.Changed = append(applied.Changed, w.name)
	if err := m.update(mb, w.program); err != nil {
		applied.failed(fmt.Errorf("start %s: %w", w.name, err))
	}
}
