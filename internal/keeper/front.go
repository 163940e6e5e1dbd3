package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"

	"paddock/internal/link"
	"paddock/supervisor"
)

// front is the proxy as the supervisor sees it. It lives on when the proxy process
// dies: what was published is told to the next one, and a probe or a drain that was
// under way is asked again.
type front struct {
	log *zap.Logger

	mu      sync.Mutex
	conn    *link.Conn // of a proxy that serves; nil while there is none
	changed chan struct{}
	apps    map[string]supervisor.AppState // as last published
}

func newFront(log *zap.Logger) *front {
	return &front{log: log, changed: make(chan struct{}), apps: map[string]supervisor.AppState{}}
}

// attach tells a proxy that has been configured what became of the apps, and lets
// probes and drains through to it.
func (f *front) attach(conn *link.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.apps {
		f.tell(conn, s)
	}
	f.conn = conn
	f.wake()
}

// detach forgets a proxy whose link has ended.
func (f *front) detach(conn *link.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn == conn {
		f.conn = nil
		f.wake()
	}
}

// wake lets everybody who waits for a proxy look again; mu is held.
func (f *front) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// Publish implements supervisor.Front.
func (f *front) Publish(s supervisor.AppState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old := f.apps[s.Name]; s.State == supervisor.AppReady && old.Generation != s.Generation {
		f.log.Info(fmt.Sprintf("%s: generation %d serves", s.Name, s.Generation))
	}
	f.apps[s.Name] = s
	if f.conn != nil {
		f.tell(f.conn, s)
	}
}

// forget drops an app that is no longer configured.
func (f *front) forget(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.apps, name)
}

// tell sends a state. A link that fails has ended, and its proxy with it; the next
// one is told anew.
func (f *front) tell(conn *link.Conn, s supervisor.AppState) {
	if err := conn.Send(link.TypeApp, 0, s); err != nil {
		f.log.Debug("app state to the proxy", zap.String("app", s.Name), zap.Error(err))
	}
}

// Probe implements supervisor.Front.
func (f *front) Probe(ctx context.Context, app string, generation int) error {
	return f.ask(ctx, link.TypeProbe, link.Probe{App: app, Generation: generation, Socket: supervisor.SocketName(app, generation)})
}

// Drain implements supervisor.Front. With no proxy there is nothing in flight.
func (f *front) Drain(ctx context.Context, app string, generation int) error {
	if conn, _ := f.current(); conn == nil {
		return nil
	}
	return f.ask(ctx, link.TypeDrain, link.Drain{App: app, Generation: generation})
}

// ask sends a request to the proxy there is, or to the next one, until one answers.
func (f *front) ask(ctx context.Context, typ string, body any) error {
	for {
		conn, changed := f.current()
		if conn != nil {
			_, err := conn.Call(ctx, typ, body)
			var refused *link.Refused
			if err == nil || ctx.Err() != nil || errors.As(err, &refused) {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no proxy to ask: %w", ctx.Err())
		case <-changed:
		}
	}
}

// call is one request to the proxy that is there now.
func (f *front) call(ctx context.Context, typ string, body, answer any) error {
	conn, _ := f.current()
	if conn == nil {
		return errors.New("the proxy is not there")
	}
	m, err := conn.Call(ctx, typ, body)
	if err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(m.Body, answer)
}

func (f *front) current() (*link.Conn, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.conn, f.changed
}
