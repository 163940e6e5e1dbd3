package dev

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"paddock/supervisor"
)

const (
	// eventQueue is far more than the transitions that happen between two reads.
	eventQueue = 256
	// lastWords is how long the app's last lines are let through before it is said
	// that it has failed.
	lastWords = 100 * time.Millisecond
)

// session is what goes on while the app is served: changes make restarts, and
// transitions are told.
type session struct {
	print  *printer
	plan   Plan
	port   int
	watch  *watcher
	events chan supervisor.Event
}

func newSession(p *printer, plan Plan, port int, w *watcher) *session {
	return &session{print: p, plan: plan, port: port, watch: w, events: make(chan supervisor.Event, eventQueue)}
}

// event takes a transition; it is the keeper's and does not block.
func (s *session) event(e supervisor.Event) {
	select {
	case s.events <- e:
	default:
	}
}

// attend restarts the app for each batch of changes until ctx ends.
func (s *session) attend(ctx context.Context, restart func(context.Context, string) error) {
	var work sync.WaitGroup
	defer work.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed, batches := make(chan string), make(chan []string)
	work.Go(func() { s.watch.run(ctx, changed) })
	work.Go(func() { debounce(ctx, changed, batches) })
	work.Go(func() { s.tell(ctx) })
	s.print.say("%-10s http://localhost:%d (Ctrl-C stops)", "serves", s.port)
	stopWaiting := func() {}
	for {
		select {
		case <-ctx.Done():
			stopWaiting()
			return
		case batch := <-batches:
			stopWaiting() // of the restart before: the code has changed again
			var waiting context.Context
			waiting, stopWaiting = context.WithCancel(ctx)
			s.print.say("%s changed, restarting", names(batch))
			work.Go(func() { _ = restart(waiting, appName) }) // events tell how it went
		}
	}
}

// tell prints the transitions until ctx ends.
func (s *session) tell(ctx context.Context) {
	var began time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-s.events:
			switch {
			case e.Kind == supervisor.KindProxy && e.To == supervisor.Stopping:
				s.print.say("stopping")
			case e.Kind != supervisor.KindApp:
			case e.To == supervisor.Starting:
				began = e.Time
			default:
				s.transition(ctx, e, began)
			}
		}
	}
}

func (s *session) transition(ctx context.Context, e supervisor.Event, began time.Time) {
	switch e.To {
	case supervisor.Running:
		s.print.say("ready after %s", e.Time.Sub(began).Round(10*time.Millisecond))
	case supervisor.Exited:
		s.print.warn("the app ended by itself: %s", e.Exit)
	case supervisor.Fatal:
		select {
		case <-time.After(lastWords):
		case <-ctx.Done():
		}
		s.print.warn("the app did not start: %s", reason(e.Err))
		s.print.warn("the next change of a file tries again")
	}
}

// reason leaves out what is meant for a daemon's log.
func reason(text string) string {
	text = strings.TrimSuffix(text, " (process log may have details)")
	if strings.HasPrefix(text, "not ready within") {
		text += "; does it serve on the socket it is given (LISTEN_FDS), as gunicorn does?"
	}
	return text
}

// names lists a few of the files.
func names(paths []string) string {
	const most = 3
	slices.Sort(paths)
	if more := len(paths) - most; more > 0 {
		return strings.Join(paths[:most], ", ") + " and others"
	}
	return strings.Join(paths, ", ")
}

// shown is a command without what is ours in it.
func shown(command string) string {
	return strings.NewReplacer(helperFolder+string(filepath.Separator), "", " "+helperPort, "").Replace(command)
}
