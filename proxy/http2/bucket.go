package http2

import "time"

// bucket bounds how often something may happen: size times at once, and perSecond
// times in the long run. What shows that the client makes progress fills it too.
type bucket struct {
	size      int
	perSecond int
	tokens    int
	since     time.Time // until when time has filled it
}

func newBucket(size, perSecond int, now time.Time) bucket {
	return bucket{size: size, perSecond: perSecond, tokens: size, since: now}
}

// take takes n tokens and reports whether there were as many.
func (b *bucket) take(n int) bool {
	if b.tokens < n {
		b.fill(time.Now())
	}
	if b.tokens < n {
		return false
	}
	b.tokens -= n
	return true
}

// fill adds what time has brought. The clock is asked only when tokens are short.
func (b *bucket) fill(now time.Time) {
	n := int(now.Sub(b.since) * time.Duration(b.perSecond) / time.Second)
	if n > 0 {
		b.since = now
		b.give(n)
	}
}

func (b *bucket) give(n int) { b.tokens = min(b.tokens+n, b.size) }
