package worker

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

func TestHeapGrowsByTwoThirdsOrByTheRoom(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{
		{0, 1200}, {1 << 20, 1200}, {3 << 20, 400}, {9 << 20, 150}, {13 << 20, 100}, {24 << 20, 67}, {1 << 30, 67}, {1 << 50, 67},
	} {
		if got := percentFor(c.live); got != c.want {
			t.Errorf("%d bytes: %d %%, want %d", c.live, got, c.want)
		}
	}
}

// The percentage follows the heap: with 64 MB alive it is no more than what idle connections may cost.
func TestPercentageFollowsTheHeap(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	p := &gcPacer{live: []metrics.Sample{{Name: liveHeap}}}
	held := make([]byte, 64<<20)
	runtime.GC()
	p.adjust()
	if p.percent != gcPercent {
		t.Errorf("%d %% with %d MB alive, want %d", p.percent, len(held)>>20, gcPercent)
	}
	runtime.KeepAlive(held)
	held = nil
	runtime.GC()
	p.adjust()
	if p.percent <= gcPercent {
		t.Errorf("%d %% with a small heap", p.percent)
	}
}

// Each collection is noticed, not only the first.
func TestEachCollectionIsNoticed(t *testing.T) {
	noticed := make(chan struct{}, 1)
	afterEachGC(func() {
		select {
		case noticed <- struct{}{}:
		default: // the test is over
		}
	})
	for range 3 {
		runtime.GC()
		<-noticed
	}
}
