package netpoll

import "sync/atomic"

// The table holds 4,194,304 descriptors, four times the kernel's usual fs.nr_open; its first level takes 32 KiB, and each
// thousand descriptors 8 KiB.
const (
	chunkSize   = 1024
	chunkCount  = 4096
	descriptors = chunkSize * chunkCount
)

// A table leads from a descriptor's number to its socket. It is read without a lock.
type table struct {
	chunks [chunkCount]atomic.Pointer[chunk]
}

type chunk [chunkSize]atomic.Pointer[socket]

func (t *table) get(fd int) *socket {
	if fd < 0 || fd >= descriptors {
		return nil
	}
	c := t.chunks[fd/chunkSize].Load()
	if c == nil {
		return nil
	}
	return c[fd%chunkSize].Load()
}

// set enters s and reports false when the number is too high for the table.
func (t *table) set(fd int, s *socket) bool {
	if fd < 0 || fd >= descriptors {
		return false
	}
	at := &t.chunks[fd/chunkSize]
	if at.Load() == nil {
		at.CompareAndSwap(nil, new(chunk))
	}
	at.Load()[fd%chunkSize].Store(s)
	return true
}

func (t *table) clear(fd int) {
	t.chunks[fd/chunkSize].Load()[fd%chunkSize].Store(nil)
}

// each calls f for every socket that is open all the time; those that come or go meanwhile may be missed.
func (t *table) each(f func(*socket)) {
	for i := range t.chunks {
		c := t.chunks[i].Load()
		if c == nil {
			continue
		}
		for j := range c {
			if s := c[j].Load(); s != nil {
				f(s)
			}
		}
	}
}
