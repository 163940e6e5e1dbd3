package netpoll

import "sync/atomic"

// A waiter is a parked goroutine: a channel of size 1, so that who wakes it never blocks.
type waiter struct{ wake chan struct{} }

// The states of a side that are no parked goroutine; nil is the fourth kind. See the package's comment.
var (
	ready = &waiter{}
	armed = &waiter{}
)

// passed is the deadline that the clock has gone by.
const passed = -1

// A side is one direction of a socket.
type side struct {
	state    atomic.Pointer[waiter]
	deadline atomic.Int64 // nanoseconds since the poller began; 0 none, passed when it is over
}

// take takes ready away, before the system call that answers it. False means that there is nothing to call for.
func (s *side) take() bool { return s.state.CompareAndSwap(ready, nil) }

// restore says that the next call goes to the kernel without waiting for an event.
func (s *side) restore() { s.state.CompareAndSwap(nil, ready) }

// wake ends the wait, if there is one, and leaves next: ready after an event, nil when the reason stands elsewhere. It
// reports whether it took the connection out of WaitReadable; the caller, and nobody else, then has to resume it.
func (s *side) wake(next *waiter) (resume bool) {
	for {
		old := s.state.Load()
		if old == ready || old == next {
			return false
		}
		if !s.state.CompareAndSwap(old, next) {
			continue
		}
		if old != nil && old != armed {
			old.wake <- struct{}{}
		}
		return old == armed
	}
}

// expire marks a deadline that is over and reports whether it did; left is the time to wait for otherwise.
func (s *side) expire(now int64) (over bool, left int64) {
	at := s.deadline.Load()
	if at <= 0 {
		return false, never
	}
	if at > now {
		return false, at
	}
	// A deadline set anew in the meantime stays; it has told the sweeper itself.
	return s.deadline.CompareAndSwap(at, passed), never
}
