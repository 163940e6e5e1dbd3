package netpoll

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Gate keeps the listeners of a poller from accepting more than there is room for. Its functions must not wait.
type Gate struct {
	Full  func() bool // asked before each accept; true: connections stay in the socket's queue, and it is asked again soon
	Wants func()      // it is full, and there is one in the queue
	Short func()      // the kernel had no descriptor for a connection
}

// SetGate sets the gate of all listeners, those to come too.
func (p *Poller) SetGate(g *Gate) { p.gate.Store(g) }

func (p *Poller) full() bool {
	g := p.gate.Load()
	return g != nil && g.Full()
}

// knock tells the gate that somebody waits, and reports whether that is so.
func (l *Listener) knock() bool {
	fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, 0); n == 0 && err == nil {
		return false
	}
	l.poller.gate.Load().Wants()
	return true
}

func (p *Poller) short(errno syscall.Errno) {
	if g := p.gate.Load(); g != nil && (errno == syscall.EMFILE || errno == syscall.ENFILE) {
		g.Short()
	}
}

// Resting reports whether the connection is in WaitReadable or Arm, and how much time it has left there.
func (c *Conn) Resting() (left time.Duration, ok bool) {
	deadline := time.Duration(c.read.deadline.Load())
	return deadline - time.Since(c.poller.sweeper.start), c.read.state.Load() == armed
}
