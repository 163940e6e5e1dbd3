package netpoll

import (
	"math"
	"sync/atomic"
	"time"
)

const (
	// sweepPause is the least time between two looks at all deadlines, and so how late a deadline may be noticed.
	sweepPause = 50 * time.Millisecond

	never = math.MaxInt64
)

// A sweeper finds the deadlines that are over. A deadline costs its owner a store and a comparison; one goroutine looks at
// all of them when the earliest it knows of is due, and sleeps when there is none.
type sweeper struct {
	start time.Time
	next  atomic.Int64  // when the next look is due, in nanoseconds since start
	plan  chan struct{} // size 1: next has become sooner
	stop  chan struct{}
}

func (w *sweeper) init() {
	w.start = time.Now()
	w.plan = make(chan struct{}, 1)
	w.stop = make(chan struct{})
}

// run looks until stop is closed.
func (w *sweeper) run(sockets *table) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last time.Duration
	for {
		select {
		case <-w.stop:
			return
		case <-w.plan:
		case <-timer.C:
			last = time.Since(w.start)
			w.look(sockets, int64(last))
		}
		due := max(time.Duration(w.next.Load()), last+sweepPause)
		timer.Reset(due - time.Since(w.start))
	}
}

// look ends the waits whose deadline is over and plans the next look. While it looks, next is never: a deadline set behind
// its back then always announces itself.
func (w *sweeper) look(sockets *table, now int64) {
	w.next.Store(never)
	first := int64(never)
	sockets.each(func(s *socket) {
		first = min(first, s.expire(&s.read, now), s.expire(&s.write, now), s.overdue(now))
	})
	w.lower(first)
}

// announce is called after a deadline has been stored.
func (w *sweeper) announce(at int64) {
	if !w.lower(at) {
		return
	}
	select {
	case w.plan <- struct{}{}:
	default: // a call to plan again is on its way
	}
}

// lower makes the next look sooner and reports whether it had to.
func (w *sweeper) lower(at int64) bool {
	for {
		next := w.next.Load()
		if at >= next {
			return false
		}
		if w.next.CompareAndSwap(next, at) {
			return true
		}
	}
}
