package proxy

import (
	"fmt"
	"time"
)

// AppState is what the supervisor tells of an app: where its requests go and
// whether they may. Its JSON is the supervisor's.
type AppState struct {
	Name       string
	State      string        // "starting", "ready", "backoff", "fatal" or "stopped"
	Generation int           // the one that takes requests
	Socket     string        // its socket: a file name in the folder of app sockets
	Limit      int           // requests that it serves at once; 0: any number
	Async      bool          // a WebSocket is none of them: it costs no worker
	RetryAfter time.Duration // in backoff: until the next start
	Err        string        // why it is down, for people
	Output     string        // its last lines when it is down, for the page of `paddock dev`
}

// phase is what a state means for requests.
type phase int

const (
	phaseStarting phase = iota // they wait
	phaseReady                 // they go through
	phaseDown                  // they get 503 at once
)

func (p phase) waits() bool { return p != phaseDown }

func parsePhase(state string) (phase, error) {
	switch state {
	case "starting":
		return phaseStarting, nil
	case "ready":
		return phaseReady, nil
	case "backoff", "fatal", "stopped":
		return phaseDown, nil
	}
	return 0, fmt.Errorf("unknown state %q; expected starting, ready, backoff, fatal or stopped", state)
}

// SetApp takes a new state of an app. Requests that wait are let through,
// refused, or wait on, as the state says; requests under way finish where they
// are. A state may come before the configuration that has the app.
func (p *Proxy) SetApp(s AppState) error {
	if _, err := parsePhase(s.State); err != nil {
		return fmt.Errorf("app %s: %w", s.Name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.states[s.Name] = s
	if u := p.upstreams[s.Name]; u != nil && u.app {
		u.setState(s, p.appSocket(s.Socket))
	}
	return nil
}

// setState switches an app to the generation of s and wakes whom it concerns.
func (u *upstream) setState(s AppState, at address) {
	next, _ := parsePhase(s.State) // checked by SetApp
	q := &u.queue
	q.mu.Lock()
	old := q.current
	if old == nil || old.number != s.Generation || old.peers[0].text != at.text {
		q.current = u.generation(s.Generation, at)
	}
	q.phase, q.retryAfter, q.output = next, s.RetryAfter, s.Output
	u.stateLimit, q.async = s.Limit, s.Async
	q.limit = u.limit()
	u.state = s
	now := q.current
	q.flush()
	q.retire(old)
	q.mu.Unlock()
	old.closeBut(now)
}

// flush lets through or refuses every waiter that the new phase concerns. The
// caller holds mu.
func (q *queue) flush() {
	q.advance()
	for err := q.refusal(); err != nil && q.first != nil; {
		w := q.first
		q.unlink(w)
		w.refused = err
		w.wake <- struct{}{}
	}
}
