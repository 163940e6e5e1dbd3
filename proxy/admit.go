package proxy

import "time"

// enter waits for the app to be ready and to have room. A client that leaves
// while it waits is taken out of the queue before the app sees its request.
func (x *exchange) enter() (err error) {
	q := &x.upstream.queue
	if !x.place.ignoreAbort {
		x.conn.watch()
	}
	if x.stage != stageQueue {
		x.stage = stageQueue
		x.grant, err = q.enter(&x.waiter)
		if err == errMustWait {
			x.queued = x.clock()
		}
	}
	if !x.queued.IsZero() {
		if x.inline {
			return errDetach
		}
		x.grant, err = x.queue(q)
		x.Queued, x.queued = time.Since(x.queued), time.Time{}
	}
	if err == nil && x.gone() {
		return errClientGone
	}
	return err
}

// queue waits in the queue, where hungUp finds the waiter.
func (x *exchange) queue(q *queue) (*generation, error) {
	if x.place.ignoreAbort {
		return q.wait(&x.waiter)
	}
	c := x.conn
	if c.stream == nil { // that one tells from its begin on
		c.nc.OnHangup(c.onHangup)
	}
	c.setWaiting(&x.waiter)
	defer c.setWaiting(nil)
	if c.gone.Load() {
		q.remove(&x.waiter, errClientGone)
	}
	return q.wait(&x.waiter)
}

// gone reports whether the client has left, and that matters (nginx:
// proxy_ignore_client_abort).
func (x *exchange) gone() bool { return x.conn.gone.Load() && !x.place.ignoreAbort }

func (c *conn) setWaiting(w *waiter) {
	c.mu.Lock()
	c.waiting = w
	c.mu.Unlock()
}

// letGo gives back what the request holds of its app: the connection, and the
// place that the next one in the queue may take. It may be called more than once.
func (x *exchange) letGo() {
	x.hangUp(false)
	x.giveBack()
}
