package supervisor

import (
	"fmt"
	"time"
)

// Snapshot is what a process was at one moment.
type Snapshot struct {
	Name       string
	Kind       Kind
	Generation int
	State      ProcessState
	PID        int                  // 0 when there is none
	StartTime  uint64               // of that pid, in clock ticks after boot
	Since      time.Time            // of State
	Started    time.Time            // last spawn; zero: never
	Ended      time.Time            // last end; zero: never
	Exit       *Exit                // of the last child; nil: none has ended
	Err        string               // why it is not up (Supervisor: spawnerr)
	Tries      int                  // what has gone wrong in a row
	RetryAt    time.Time            // BACKOFF: the next try
	Failing    bool                 // STOPPING because the start failed
	Again      bool                 // STOPPING, to be started again
	Lines      func(n int) []string `json:"-"` // its last lines of output, oldest first
}

// publish makes the present state the snapshot.
func (p *Process) publish() {
	s := Snapshot{
		Name: p.spec.Name, Kind: p.spec.Kind, Generation: p.spec.Generation,
		State: p.state, Since: p.since, Started: p.started, Ended: p.ended,
		Exit: p.exit, Err: p.err, Tries: max(p.tries.Failed, p.tries.Crashes-1), RetryAt: p.retryAt,
		Failing: p.failing != "", Again: p.again, Lines: p.lines,
	}
	if p.child != nil {
		s.PID, s.StartTime = p.child.pid, p.child.start
	}
	p.shown.set(s)
	if p.changed != nil {
		p.changed()
	}
}

// Survivor is what to note about the process for the keeper after this one.
func (s Snapshot) Survivor() Survivor {
	return Survivor{Name: s.Name, Generation: s.Generation, PID: s.PID, StartTime: s.StartTime}
}

// Uptime is how long the child has been there; 0 without one.
func (s Snapshot) Uptime() time.Duration {
	if s.PID == 0 {
		return 0
	}
	return time.Since(s.Started)
}

// Description is Supervisor's: "pid 12, uptime 0:01:02", the error of a process
// that failed, or when it stopped.
func (s Snapshot) Description() string {
	switch s.State {
	case Running:
		return fmt.Sprintf("pid %d, uptime %s", s.PID, uptime(s.Uptime()))
	case Backoff, Fatal:
		return s.Err
	case Stopped, Exited:
		if s.Started.IsZero() {
			return "Not started"
		}
		return s.Ended.Format("Jan 02 03:04 PM")
	}
	return ""
}

// uptime prints as Python's timedelta does: "1 day, 2:03:04".
func uptime(d time.Duration) string {
	secs := int(d / time.Second)
	clock := fmt.Sprintf("%d:%02d:%02d", secs/3600%24, secs/60%60, secs%60)
	switch days := secs / 86400; days {
	case 0:
		return clock
	case 1:
		return "1 day, " + clock
	default:
		return fmt.Sprintf("%d days, %s", days, clock)
	}
}
