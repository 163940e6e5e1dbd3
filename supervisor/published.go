package supervisor

import (
	"context"
	"sync/atomic"
)

// published is a value that one goroutine sets and any number read and wait for.
type published[T any] struct {
	p atomic.Pointer[edition[T]]
}

type edition[T any] struct {
	value T
	next  chan struct{} // closed when a newer edition is out
}

// set publishes v. Only the owner calls it.
func (p *published[T]) set(v T) {
	old := p.p.Swap(&edition[T]{value: v, next: make(chan struct{})})
	if old != nil {
		close(old.next)
	}
}

func (p *published[T]) get() T { return p.p.Load().value }

// wait returns the first edition, from the present one on, that done accepts. An
// edition that is replaced quickly may not be seen.
func (p *published[T]) wait(ctx context.Context, done func(T) bool) (T, error) {
	for {
		e := p.p.Load()
		if done(e.value) {
			return e.value, nil
		}
		select {
		case <-e.next:
		case <-ctx.Done():
			return e.value, ctx.Err()
		}
	}
}
