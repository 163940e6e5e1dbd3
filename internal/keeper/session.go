package keeper

import (
	"context"
	"os"
	"syscall"
	"time"

	"paddock/supervisor"
)

// sessionDrain is how long requests in flight may take when a person pressed Ctrl-C.
const sessionDrain = 2 * time.Second

// Session is a keeper that a person watches at a terminal (`paddock dev`).
type Session struct {
	// Event is told of every transition. It must not block.
	Event func(supervisor.Event)
	// Attend runs beside the daemon from when it serves until its context ends. restart
	// begins an app again on the socket that it has, whatever state it is in, and
	// returns when it is up, or why it is not.
	Attend func(ctx context.Context, restart func(ctx context.Context, app string) error)
}

// startSession begins to attend; what it returns ends that and waits.
func (k *Keeper) startSession() (stop func()) {
	s := k.opts.Session
	if s == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(k.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Attend(ctx, k.manager.Restart)
	}()
	return func() {
		cancel()
		<-done
	}
}

// meaning turns the end of the terminal into a stop: there is no file to reload.
func (s *Session) meaning(sig os.Signal) os.Signal {
	if s != nil && sig == syscall.SIGHUP {
		return syscall.SIGTERM
	}
	return sig
}

// tells passes a transition on, and reports whether the session is who tells of it.
func (s *Session) tells(e supervisor.Event) bool {
	if s == nil {
		return false
	}
	s.Event(e)
	return e.Kind != supervisor.KindProxy
}
