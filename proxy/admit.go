package proxy

import "time"

// enter waits for the app to be ready and to have room. A client that leaves
// while it waits is taken out of the queue before the app sees its request.
func (x *exchange) enter() (err error) {
	q := &x.upstream.queue
	if !x.place.ignoreAbort {
		x.conn.watch()
	}
	x.grant, err = q.enter(&x.waiter)
	if err == errMustWait {
		begun := time.Now()
		x.grant, err = x.conn.wait(q, &x.waiter)
		x.Queued = time.Since(begun)
	}
	if err == nil && x.conn.gone.Load() {
		return errClientGone
	}
	return err
}

// wait waits in the queue where hungUp finds the waiter.
func (c *conn) wait(q *queue, w *waiter) (*generation, error) {
	c.waiting.Store(w)
	if c.gone.Load() {
		q.remove(w, errClientGone)
	}
	defer c.waiting.Store(nil)
	return q.wait(w)
}

// letGo gives back what the request holds of its app: the connection, and the
// place that the next one in the queue may take. It may be called more than once.
func (x *exchange) letGo() {
	x.hangUp(false)
	if x.upstream != nil {
		x.conn.unwatch()
	}
	x.giveBack()
}
