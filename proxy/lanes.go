package proxy

import "sync/atomic"

// laned holds what is written with every request: a T for each loop of the poller, so that
// two loops at work do not write to the same line of the CPU's caches. Who reads adds up.
// A T is made when it is first written.
type laned[T any] []atomic.Pointer[lane[T]]

type lane[T any] struct {
	_ [cacheLine]byte // between it and what is only read
	t T
	_ [cacheLine]byte
}

const cacheLine = 64

func newLaned[T any](lanes int) laned[T] { return make(laned[T], lanes) }

func (l laned[T]) of(number int) *T {
	p := &l[number]
	if made := p.Load(); made != nil {
		return &made.t
	}
	p.CompareAndSwap(nil, new(lane[T]))
	return &p.Load().t
}

func (l laned[T]) each(f func(*T)) {
	for i := range l {
		if made := l[i].Load(); made != nil {
			f(&made.t)
		}
	}
}

// lane is that of the loop of the client's connection.
func (c *conn) lane() int { return c.socket().Lane() }
