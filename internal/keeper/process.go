package keeper

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"paddock/internal/control"
	"paddock/supervisor"
)

// Process does what one command asks for, with all of the names at once: an app
// that takes long to stop does not hold up the others.
func (k *Keeper) Process(ctx context.Context, r control.ProcessRequest) ([]control.ProcessResult, error) {
	k.mu.Lock()
	manager := k.manager
	k.mu.Unlock()
	if manager == nil {
		return nil, errNotLive
	}
	do, err := action(manager, r)
	if err != nil {
		return nil, &control.Error{Status: http.StatusBadRequest, Text: err.Error()}
	}
	names := r.Names
	if len(names) == 1 && names[0] == control.All {
		names = all(manager)
	}
	results := make([]control.ProcessResult, len(names))
	var work sync.WaitGroup
	for i, name := range names {
		work.Go(func() { results[i] = result(r.Action, name, do(ctx, name)) })
	}
	work.Wait()
	return results, nil
}

// action returns what is to be done with each name.
func action(m *supervisor.Manager, r control.ProcessRequest) (func(context.Context, string) error, error) {
	switch r.Action {
	case control.ActionStart:
		return m.Start, nil
	case control.ActionStop:
		return m.Stop, nil
	case control.ActionRestart:
		return m.Restart, nil
	case control.ActionSignal:
		var sig supervisor.Signal
		if err := sig.UnmarshalText([]byte(r.Signal)); err != nil {
			return nil, err
		}
		return func(_ context.Context, name string) error { return m.Signal(name, sig) }, nil
	}
	return nil, fmt.Errorf("unknown action %q", r.Action)
}

func all(m *supervisor.Manager) []string {
	var names []string
	for _, s := range m.Status() {
		names = append(names, s.Name)
	}
	return names
}

// result puts an error into supervisorctl's words.
func result(action, name string, err error) control.ProcessResult {
	r := control.ProcessResult{Name: name}
	for _, known := range []error{
		supervisor.ErrNoSuchName, supervisor.ErrNoFile, supervisor.ErrNotExecutable,
		supervisor.ErrAlreadyStarted, supervisor.ErrNotRunning,
	} {
		if errors.Is(err, known) {
			r.Error = known.Error()
			r.Harmless = known == supervisor.ErrAlreadyStarted && action == control.ActionStart ||
				known == supervisor.ErrNotRunning && action == control.ActionStop
			return r
		}
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}
