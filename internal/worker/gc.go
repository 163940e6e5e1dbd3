package worker

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// gcPercent is how much the heap grows before it is collected: idle connections are most of it,
	// so that the growth costs more memory than a collection costs time.
	gcPercent = 67

	// gcRoom is what may be allocated between two collections in any case. A TLS handshake allocates
	// 50 KB: a heap of 3 MB would be collected 70 times a second.
	gcRoom = 12 << 20

	liveHeap = "/gc/heap/live:bytes"

	firstHeap = 4 << 20 // what the runtime takes for the heap before the first collection
)

// gcPacer sets after each collection when the next one is due.
type gcPacer struct {
	live    []metrics.Sample
	percent int
}

// paceGC lasts as long as the process.
func paceGC() {
	p := &gcPacer{live: []metrics.Sample{{Name: liveHeap}}}
	p.set(firstHeap)
	afterEachGC(p.adjust)
}

// afterEachGC has f called for as long as the process lives: each collection finds an object
// that nobody holds.
func afterEachGC(f func()) {
	type nobodys struct{ _ *gcPacer }
	runtime.AddCleanup(new(nobodys), func(f func()) {
		f()
		afterEachGC(f)
	}, f)
}

// adjust is for the heap as the last collection left it.
func (p *gcPacer) adjust() {
	metrics.Read(p.live)
	p.set(p.live[0].Value.Uint64())
}

func (p *gcPacer) set(live uint64) {
	if percent := percentFor(live); percent != p.percent {
		p.percent = percent
		debug.SetGCPercent(percent)
	}
}

// percentFor goes in steps: each change stops the process for a moment.
func percentFor(live uint64) int {
	const step = 50
	percent := gcRoom*100/max(live, 1<<20) + step - 1
	return int(max(gcPercent, percent-percent%step))
}
