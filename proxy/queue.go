package proxy

import (
	"errors"
	"sync"
	"time"

	"paddock/accesslog"
)

// queue lets no more than limit requests at once through to one upstream and
// keeps the rest in order of arrival. It knows which generation takes new
// requests; requests on older ones finish there.
type queue struct {
	mu          sync.Mutex
	phase       phase
	limit       int  // requests at once in the current generation; 0: any number
	async       bool // a WebSocket is not counted in limit
	size        int  // requests that may wait
	timeout     time.Duration
	retryAfter  time.Duration // told to clients while the app is down
	output      string        // shown to them then; "" but under `paddock dev`
	current     *generation
	generations map[int]*generation
	first, last *waiter
	waiting     int
}

var errMustWait = errors.New("the request waits")

// waiter is one request in the queue. It is embedded in the exchange, so that
// waiting allocates nothing but its timer.
type waiter struct {
	queue      *queue
	timeout    time.Duration
	prev, next *waiter
	listed     bool
	grant      *generation
	refused    error
	wake       chan struct{} // of size 1: one token for each time that it was taken off the list
}

// enter lets the request through to a generation, which must be given back by
// leave, or puts it in the queue: then it returns errMustWait, and wait goes on.
func (q *queue) enter(w *waiter) (*generation, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.refusal(); err != nil {
		return nil, err
	}
	if q.first == nil && q.room() {
		q.current.inFlight++
		return q.current, nil
	}
	if q.waiting >= q.size {
		return nil, errQueueFull
	}
	q.append(w)
	return nil, errMustWait
}

// check fails when enter would fail at once because the app is down.
func (q *queue) check() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.refusal()
}

// wait blocks until the waiter was taken off the list, or takes it off itself
// when queue_timeout is over.
func (q *queue) wait(w *waiter) (*generation, error) {
	timer := time.NewTimer(w.timeout)
	defer timer.Stop()
	select {
	case <-w.wake:
	case <-timer.C:
		q.remove(w, errQueueTimeout)
		<-w.wake
	}
	return w.grant, w.refused
}

// remove takes a waiter off the list and tells it why. It does nothing when the
// waiter has left the list already: it was let through, or refused.
func (q *queue) remove(w *waiter, why error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.listed {
		q.unlink(w)
		w.refused = why
		w.wake <- struct{}{}
	}
}

// leave gives back what enter granted and lets the next ones through.
func (q *queue) leave(g *generation) {
	q.mu.Lock()
	defer q.mu.Unlock()
	g.inFlight--
	q.advance()
	q.settle(g)
}

// exempt takes a request that became a WebSocket out of the limit, when it costs the
// app no worker, and lets the next ones through. It stays in flight. It reports
// whether it did; count takes it back then, before leave.
func (q *queue) exempt(g *generation) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.async {
		return false
	}
	g.exempt++
	q.advance()
	return true
}

func (q *queue) count(g *generation) {
	q.mu.Lock()
	defer q.mu.Unlock()
	g.exempt--
}

// advance lets waiters through while there is room. The caller holds mu.
func (q *queue) advance() {
	for q.first != nil && q.phase == phaseReady && q.room() {
		w := q.first
		q.unlink(w)
		w.grant = q.current
		w.grant.inFlight++
		w.wake <- struct{}{}
	}
}

// settle wakes those who wait for a generation to be idle and forgets it when it
// is old. The caller holds mu.
func (q *queue) settle(g *generation) {
	if g.inFlight > 0 {
		return
	}
	for _, done := range g.drained {
		close(done)
	}
	g.drained = nil
	if g != q.current && q.generations[g.number] == g {
		delete(q.generations, g.number)
	}
}

func (q *queue) room() bool {
	return q.phase == phaseReady && q.current != nil && (q.limit == 0 || q.current.inFlight-q.current.exempt < q.limit)
}

func (q *queue) refusal() error {
	if q.phase.waits() {
		return nil
	}
	return &refusal{status: 503, retryAfter: max(q.retryAfter, time.Second), output: q.output, reason: accesslog.RefusedAppDown}
}

func (q *queue) append(w *waiter) {
	if w.wake == nil {
		w.wake = make(chan struct{}, 1)
	}
	w.queue, w.timeout, w.grant, w.refused, w.listed = q, q.timeout, nil, nil, true
	w.prev, w.next = q.last, nil
	if q.last != nil {
		q.last.next = w
	} else {
		q.first = w
	}
	q.last = w
	q.waiting++
}

func (q *queue) unlink(w *waiter) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		q.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		q.last = w.prev
	}
	w.prev, w.next, w.listed = nil, nil, false
	q.waiting--
}
