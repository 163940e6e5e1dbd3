package supervisor

import (
	"os"
	"time"
)

// State is all that is needed to go on with a process in another program image:
// after an execve in place the children are still ours. It is written as JSON.
// Ages are times before the State was made, by the monotonic clock.
type State struct {
	Name       string
	Kind       Kind
	Generation int
	State      ProcessState
	PID        int    // 0: no child
	StartTime  uint64 // of that pid, in clock ticks after boot: tells a reused pid
	Failed     int
	Crashes    int
	Trial      bool
	Exit       *Exit
	Err        string
	Failing    string
	Again      bool
	Age        time.Duration   // since the state was entered
	StartedAge time.Duration   // since the last spawn; -1: never
	EndedAge   time.Duration   // since the last end; -1: never
	Delay      time.Duration   // BACKOFF: until the next try
	DeathAges  []time.Duration // the proxy's last deaths
	Output     []Channel       // pipes that the child writes to
}

// Channel is one log pipe. Bytes that were read from it are in the Sink already;
// the others wait in the pipe.
type Channel struct {
	Stderr bool // of standard error; else of standard output
	File   int  // index of the read end in the files handed over
}

// letGo leaves the child when that was asked for and no end is under way.
func (p *Process) letGo() {
	if !p.leaving || p.closed {
		return
	}
	if p.child != nil {
		out, files, ok := p.child.leave()
		if !ok {
			return // its end is on the way to p.exited
		}
		p.left.Output, p.files = out, files
		p.left.PID, p.left.StartTime = p.child.pid, p.child.start
	}
	p.timer.Stop()
	p.closed = true
	p.describe(&p.left)
}

func (p *Process) describe(s *State) {
	now := time.Now()
	s.Name, s.Kind, s.Generation = p.spec.Name, p.spec.Kind, p.spec.Generation
	s.State, s.Failed, s.Crashes, s.Trial = p.state, p.tries.Failed, p.tries.Crashes, p.trial
	s.Exit, s.Err, s.Failing, s.Again = p.exit, p.err, p.failing, p.again
	s.Age, s.StartedAge, s.EndedAge = now.Sub(p.since), age(now, p.started), age(now, p.ended)
	s.Delay = max(p.retryAt.Sub(now), 0)
	for _, t := range p.tries.deaths {
		s.DeathAges = append(s.DeathAges, now.Sub(t))
	}
}

// takeOver makes s the state of a new Process. A child that is not there any more
// has ended, with a status that nobody can tell.
func (p *Process) takeOver(s State, files []*os.File) {
	now := time.Now()
	p.state, p.since, p.trial = s.State, now.Add(-s.Age), s.Trial
	p.started, p.ended = before(now, s.StartedAge), before(now, s.EndedAge)
	p.tries.Failed, p.tries.Crashes = s.Failed, s.Crashes
	p.exit, p.err, p.failing, p.again = s.Exit, s.Err, s.Failing, s.Again
	for _, d := range s.DeathAges {
		p.tries.deaths = append(p.tries.deaths, now.Add(-d))
	}
	if s.PID != 0 {
		p.child = p.host.adopt(p.spec, s, files)
		p.exited, p.lines = p.child.exited, p.child.lines
	}
	switch p.state {
	case Starting:
		p.timer.Reset(max(p.spec.settle()-s.Age, 0))
	case Backoff:
		p.retryAt = now.Add(s.Delay)
		p.timer.Reset(s.Delay)
	case Stopping:
		p.timer.Reset(max(p.spec.Stopwaitsecs.D()-s.Age, 0))
	}
}

func age(now, t time.Time) time.Duration {
	if t.IsZero() {
		return -1
	}
	return now.Sub(t)
}

func before(now time.Time, age time.Duration) time.Time {
	if age < 0 {
		return time.Time{}
	}
	return now.Add(-age)
}
