package supervisor

import (
	"os"
	"slices"
	"time"
)

// Kind says what a process is for.
type Kind string

// The kinds of a process. The proxy is supervised by the same code but is no
// program: groups, "all" and Supervisor's API never touch it.
const (
	KindProgram Kind = "program"
	KindApp     Kind = "app"
	KindProxy   Kind = "proxy"
)

// Spec is all that a process is started from. It is a value: a Process gets a new
// one by Update, never by a change behind its back.
type Spec struct {
	Program
	Name       string
	Kind       Kind
	Generation int // of an app, from 1

	// Workers is the TOML's `workers` of an app; 0: one per CPU unless the app says.
	Workers int
	// HealthTimeout is the time an app has to become ready. 0: DefaultHealthTimeout.
	HealthTimeout time.Duration
	// Trial makes the first start the only one until the process has been
	// RUNNING: a deploy that fails is not tried again.
	Trial bool

	// ExtraFiles is called before each spawn; what it returns is the child's
	// descriptor 3 and up. The caller keeps and closes them.
	ExtraFiles func() ([]*os.File, error)
	// ListenFDs tells how many of the extra files are listening sockets, to be
	// announced by LISTEN_FDS.
	ListenFDs int
	// Inherit gives the child the keeper's own standard output, and its standard error
	// unless Stderr is set.
	Inherit bool
	// Stdout and Stderr take the output. nil: it is read and thrown away, and only
	// its last lines are kept. With redirect_stderr Stderr is not used.
	Stdout, Stderr *Sink
}

// probed reports whether the process is RUNNING when its probe was answered.
func (s *Spec) probed() bool { return s.Kind == KindApp }

// endsWhole reports whether nothing of the process may outlive it.
func (s *Spec) endsWhole() bool { return s.Killasgroup || s.Kind == KindApp }

// settle is how long the process has to stay in STARTING.
func (s *Spec) settle() time.Duration {
	if !s.probed() {
		return s.Startsecs.D()
	}
	if s.HealthTimeout > 0 {
		return s.HealthTimeout
	}
	return DefaultHealthTimeout
}

// expects reports whether an end is no reason to restart with autorestart "unexpected".
func (s *Spec) expects(e Exit) bool {
	return e.Signal == 0 && !e.Unknown && slices.Contains(s.Exitcodes, e.Code)
}

// restarts reports whether a process that was RUNNING is started again.
func (s *Spec) restarts(e Exit) bool {
	switch s.Autorestart {
	case RestartAlways:
		return true
	case RestartUnexpected:
		return !s.expects(e)
	}
	return false
}
