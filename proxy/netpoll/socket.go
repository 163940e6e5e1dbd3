package netpoll

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrInterrupted is what Read and Write return after Interrupt.
var ErrInterrupted = errors.New("netpoll: connection interrupted")

// ErrWouldBlock is what the Try calls return instead of waiting. It is a temporary net.Error, so that crypto/tls goes on
// after one.
var ErrWouldBlock error = wouldBlock{}

type wouldBlock struct{}

func (wouldBlock) Error() string   { return "netpoll: the call would have to wait" }
func (wouldBlock) Timeout() bool   { return false }
func (wouldBlock) Temporary() bool { return true }

var errBusy = errors.New("netpoll: two goroutines read, or two write, on one connection")

// Flags of a socket; none is ever taken back.
const (
	flagHangup      = 1 << iota // the peer has closed or half-closed, or the connection broke
	flagInterrupted             // Interrupt
	flagWoken                   // Wake
)

// marked is the bit of use that says that the socket is to be closed.
const marked = 1 << 31

// A socket is a descriptor with what is known of its readiness.
type socket struct {
	poller     *Poller
	loop       *loop
	conn       *Conn     // nil for a listener
	accepts    *Listener // nil for a connection
	fd         int
	generation int32
	use        atomic.Uint32 // who is at work with fd, and marked
	flags      atomic.Uint32
	read       side
	write      side

	mu     sync.Mutex    // guards changes of events, and Conn.onHangup
	events atomic.Uint32 // registered with epoll; 0 not registered
	soon   atomic.Int64  // when the sweeper is to register it, in nanoseconds since the poller began; 0 never
}

// init enters s into the poller's table. On failure fd is closed.
func (s *socket) init(p *Poller, fd int) error {
	turn := p.opened.Add(1)
	s.poller, s.fd, s.generation = p, fd, int32(turn)
	if s.loop == nil {
		s.loop = p.loops[turn%uint32(len(p.loops))]
	}
	s.write.state.Store(ready)
	if !p.table.set(fd, s) {
		sysClose(fd)
		return os.NewSyscallError("descriptor table", syscall.EMFILE)
	}
	return nil
}

// acquire keeps the descriptor open until release.
func (s *socket) acquire() bool {
	for {
		use := s.use.Load()
		if use&marked != 0 {
			return false
		}
		if s.use.CompareAndSwap(use, use+1) {
			return true
		}
	}
}

func (s *socket) release() {
	if s.use.Add(^uint32(0)) == marked {
		s.destroy()
	}
}

// close marks the socket and wakes who is parked on it. The last to let go closes the descriptor.
func (s *socket) close() error {
	for {
		use := s.use.Load()
		if use&marked != 0 {
			return net.ErrClosed
		}
		if !s.use.CompareAndSwap(use, use|marked) {
			continue
		}
		s.wakeBoth()
		if use == 0 {
			s.destroy()
		}
		return nil
	}
}

func (s *socket) destroy() {
	s.poller.table.clear(s.fd)
	if s.conn == nil {
		// The caller of Listen holds the same open file, so closing this descriptor does not end the registration.
		_ = s.loop.control(unix.EPOLL_CTL_DEL, s, 0)
	}
	sysClose(s.fd)
}

// register makes epoll report events, beside what it reports already and hang-ups. A change reports anew what is so by then.
func (s *socket) register(events uint32) error {
	if now := s.events.Load(); now != 0 && now&events == events {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.change(s.events.Load() | events | readEvents)
}

// change is called with mu held.
func (s *socket) change(events uint32) error {
	op := unix.EPOLL_CTL_MOD
	if s.events.Load() == 0 {
		op = unix.EPOLL_CTL_ADD
	}
	if err := s.loop.control(op, s, events); err != nil {
		return err
	}
	s.events.Store(events)
	return nil
}

// failure is the reason why d must not wait or go on, nil if there is none.
func (s *socket) failure(d *side) error {
	switch {
	case s.use.Load()&marked != 0:
		return net.ErrClosed
	case s.flags.Load()&flagInterrupted != 0:
		return ErrInterrupted
	case d.deadline.Load() == passed:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// wait parks the calling goroutine until something happened to d; the caller then looks what. It returns at once when
// something has happened already.
func (s *socket) wait(d *side, events uint32) error {
	if err := s.register(events); err != nil {
		return err
	}
	w := s.poller.waiters.Get().(*waiter)
	defer s.poller.waiters.Put(w)
	if !d.state.CompareAndSwap(nil, w) {
		if state := d.state.Load(); state != nil && state != ready {
			return errBusy
		}
		return nil
	}
	// A deadline, Interrupt or Close that came before the swap has woken nobody. If the waiter cannot be taken back,
	// somebody else has removed it and sends.
	if s.failure(d) != nil && d.state.CompareAndSwap(w, nil) {
		return nil
	}
	<-w.wake
	return nil
}

// wake ends a wait on d, whichever kind it is. It is not for the loop's goroutine.
func (s *socket) wake(d *side, next *waiter) {
	switch {
	case !d.wake(next):
	case s.conn != nil:
		s.conn.start()
	default:
		go s.accepts.run()
	}
}

func (s *socket) wakeBoth() {
	s.wake(&s.read, nil)
	s.wake(&s.write, nil)
}

func (s *socket) interrupt() {
	s.flags.Or(flagInterrupted)
	s.wakeBoth()
}

// expire ends the wait on d if its deadline is over; otherwise it returns the deadline.
func (s *socket) expire(d *side, now int64) int64 {
	over, left := d.expire(now)
	if over {
		s.wake(d, nil)
	}
	return left
}

// overdue registers the socket if it is time; otherwise it returns when that will be.
func (s *socket) overdue(now int64) int64 {
	at := s.soon.Load()
	if at == 0 || at > now {
		if at == 0 {
			at = never
		}
		return at
	}
	s.soon.Store(0)
	if s.acquire() {
		_ = s.register(0) // the next wait registers again and returns the error
		s.release()
	}
	return never
}

func (s *socket) setDeadline(d *side, t time.Time) error {
	if s.use.Load()&marked != 0 {
		return net.ErrClosed
	}
	if t.IsZero() {
		d.deadline.Store(0)
		return nil
	}
	at := int64(t.Sub(s.poller.sweeper.start))
	if at <= 0 {
		// Long ago is the idiom that ends a Read at once; it does not wait for the sweeper.
		d.deadline.Store(passed)
		s.wake(d, nil)
		return nil
	}
	d.deadline.Store(at)
	s.poller.sweeper.announce(at)
	return nil
}
