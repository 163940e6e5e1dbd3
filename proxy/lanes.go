package proxy

// laned holds what is written with every request: a T for each loop of the poller, so that
// two loops at work do not write to the same line of the CPU's caches. Who reads adds up.
type laned[T any] []*lane[T]

type lane[T any] struct {
	_ [cacheLine]byte // between it and what is only read
	t T
	_ [cacheLine]byte
}

const cacheLine = 64

func newLaned[T any](lanes int) laned[T] {
	l := make(laned[T], lanes)
	for i := range l {
		l[i] = new(lane[T])
	}
	return l
}

func (l laned[T]) of(lane int) *T { return &l[lane].t }

func (l laned[T]) each(f func(*T)) {
	for i := range l {
		f(&l[i].t)
	}
}

// lane is that of the loop of the client's connection.
func (c *conn) lane() int { return c.socket().Lane() }
