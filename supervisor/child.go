package supervisor

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// child is one running process as its Process sees it.
type child struct {
	pid    int
	start  uint64      // clock ticks after boot
	exited <-chan Exit // gets one value, when it and its tree are gone and its output is read

	signal func(sig syscall.Signal, group bool) error // ESRCH when it has ended
	end    func(sig syscall.Signal, group bool) error // signal, and give its tree time to obey
	kill   func() error                               // SIGKILL to all of it
	lines  func(n int) []string
	leave  func() (out []Channel, files []*os.File, ok bool) // false: it has ended
}

// childProcess is the real thing behind a child. Its goroutine waits for the end
// in Go's poller, which costs no thread and can be called off.
type childProcess struct {
	spec  Spec
	proc  *os.Process
	pidfd *os.File
	tree  tree
	out   *output
	sys   *System
	exit  chan Exit
	left  chan struct{} // closed when the goroutine has returned

	mu     sync.Mutex
	phase  phase
	mild   bool          // the group was told to end and may take its time
	killed chan struct{} // closed by the first kill
}

type phase int

const (
	watching phase = iota
	ending         // it has ended; its pid is ours until reaped
	reaped         // the pid may be somebody else's
	leaving        // another Process takes over
)

// watch returns the child and starts the goroutine that waits for its end.
func (s *System) watch(spec Spec, proc *os.Process, out *output) *child {
	c := &childProcess{
		spec: spec, proc: proc, out: out, sys: s,
		tree: tree{pgid: proc.Pid, marker: s.marker(spec)},
		exit: make(chan Exit, 1), left: make(chan struct{}), killed: make(chan struct{}),
	}
	var start uint64
	if info, err := readStat(proc.Pid); err == nil {
		start = info.start
	}
	if fd, err := unix.PidfdOpen(proc.Pid, unix.PIDFD_NONBLOCK); err == nil {
		c.pidfd = os.NewFile(uintptr(fd), "pidfd")
	}
	go c.run()
	return &child{
		pid: proc.Pid, start: start, exited: c.exit,
		signal: c.signal, end: c.end, kill: c.kill, lines: out.lines, leave: c.leave,
	}
}

// adopt takes over the child that st tells of. If it is gone, its end is told as
// of any other, with an unknown status.
func (s *System) adopt(spec Spec, st State, files []*os.File) *child {
	out := adoptOutput(spec, st.Output, files)
	proc, err := os.FindProcess(st.PID)
	if info, statErr := readStat(st.PID); err == nil && statErr == nil && info.start == st.StartTime {
		if s.Reaper != nil {
			s.Reaper.adopt(st.PID)
		}
		return s.watch(spec, proc, out)
	}
	gone := make(chan Exit, 1)
	out.finish()
	gone <- Exit{Code: -1, Unknown: true}
	none := func(syscall.Signal, bool) error { return syscall.ESRCH }
	return &child{
		pid: st.PID, start: st.StartTime, exited: gone, signal: none, end: none,
		kill: func() error { return syscall.ESRCH }, lines: out.lines,
		leave: func() ([]Channel, []*os.File, bool) { return nil, nil, false },
	}
}

// run waits for the end, ends what the process left behind, collects the status,
// reads the rest of the output, and tells the Process.
func (c *childProcess) run() {
	defer close(c.left)
	if !c.awaitEnd() {
		return
	}
	if c.spec.endsWhole() {
		c.endTree()
	}
	exit := c.reap()
	c.out.finish()
	c.exit <- exit
}

// awaitEnd returns false when the child was left.
func (c *childProcess) awaitEnd() bool {
	if c.pidfd != nil {
		defer c.pidfd.Close()
		if conn, err := c.pidfd.SyscallConn(); err == nil {
			conn.Read(func(fd uintptr) bool { return readable(int(fd), 0) })
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == leaving {
		return false
	}
	c.phase = ending
	return true
}

// reap collects the status. Until then the pid, and with it the group's number,
// cannot be given to another.
func (c *childProcess) reap() Exit {
	c.mu.Lock()
	c.phase = reaped
	c.mu.Unlock()
	state, err := c.proc.Wait()
	if c.sys.Reaper != nil {
		c.sys.Reaper.forget(c.tree.pgid)
	}
	if err != nil { // ECHILD: recorded by a keeper that was killed, no child of ours
		return Exit{Code: -1, Unknown: true}
	}
	return exitOf(state.Sys().(syscall.WaitStatus))
}

// endTree ends what is left of the process's tree: after a stop signal to the
// group the rest of the group gets the time until kill, anything else none.
func (c *childProcess) endTree() {
	limit := time.Now().Add(endTreeLimit)
	for {
		c.mu.Lock()
		mild := c.mild
		c.mu.Unlock()
		members := c.tree.members()
		if mild {
			members = c.tree.inGroup(members)
		}
		switch {
		case len(members) == 0 && !mild:
			return
		case len(members) == 0:
			c.toughen() // what left the group was never told to end
		case mild:
			awaitGone(members, c.killed)
		case time.Now().After(limit):
			c.sys.log().Warn("processes do not end", zap.String("name", c.spec.Name), zap.Int("count", len(members)))
			return
		default:
			killAll(members)
			awaitGone(members, nil)
		}
	}
}

// endTreeLimit bounds the wait for killed processes: one in an uninterruptible
// system call (a dead NFS server) may never go.
const endTreeLimit = 5 * time.Second

func (c *childProcess) toughen() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mild = false
}

func (c *childProcess) signal(sig syscall.Signal, group bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.send(sig, group)
}

// send is called with mu held: the pid is ours as long as it is not reaped.
func (c *childProcess) send(sig syscall.Signal, group bool) error {
	if c.phase == reaped || c.phase == leaving {
		return syscall.ESRCH
	}
	if group {
		return syscall.Kill(-c.tree.pgid, sig)
	}
	err := c.proc.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return syscall.ESRCH
	}
	return err
}

func (c *childProcess) end(sig syscall.Signal, group bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mild = group
	return c.send(sig, group)
}

// kill also reaches what escaped from the group: endTree looks for it once the
// process itself is gone.
func (c *childProcess) kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mild = false
	select {
	case <-c.killed:
	default:
		close(c.killed)
	}
	return c.send(syscall.SIGKILL, c.spec.endsWhole())
}

// leave calls off the wait and hands over the log pipes.
func (c *childProcess) leave() ([]Channel, []*os.File, bool) {
	c.mu.Lock()
	if c.phase != watching || c.pidfd == nil {
		c.mu.Unlock()
		return nil, nil, false
	}
	c.phase = leaving
	c.pidfd.SetReadDeadline(time.Unix(1, 0))
	c.mu.Unlock()
	<-c.left
	if c.sys.Reaper != nil {
		c.sys.Reaper.forget(c.tree.pgid)
	}
	out, files := c.out.leave()
	return out, files, true
}
