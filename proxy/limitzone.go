package proxy

import (
	lru "container/list"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"paddock/accesslog"
	"paddock/internal/value"
)

const (
	// limitEntry is about what a key costs: its entry, its place in the order and itself,
	// when it has shortKey bytes or fewer.
	limitEntry = 256
	shortKey   = 64
	// defaultLimitSize is the size of a zone that names none: 40,000 keys.
	defaultLimitSize = 10 << 20
	// maxLimitKey bounds a key; a longer one is not limited (nginx: limit_req).
	maxLimitKey = 65535
)

// limitZone counts requests by a key, as a bucket that leaks: each request puts 1000 in,
// and rate runs out a second (nginx: limit_req_zone).
type limitZone struct {
	name string
	text string // of the configuration
	key  *accesslog.Template
	rate int64 // thousandths of a request a second
	size int   // bytes
	*limitState
}

// limitState is what a zone has counted; it outlives snapshots.
type limitState struct {
	mu    sync.Mutex
	keys  map[string]*lru.Element // of *limitBucket
	order *lru.List               // the newest first
	used  int                     // bytes
}

type limitBucket struct {
	key    string
	excess int64 // thousandths of a request
	last   time.Time
}

const limitZoneForm = `expected "KEY rate=RATE [size=SIZE]", as in "$binary_remote_addr rate=10r/s"`

// parseLimitZone reads one entry of limit_req_zone.
func parseLimitZone(name, text string) (*limitZone, error) {
	z := &limitZone{name: name, text: text, limitState: &limitState{keys: map[string]*lru.Element{}, order: lru.New()}}
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil, fmt.Errorf("%q: %s", text, limitZoneForm)
	}
	var err error
	if z.key, err = accesslog.CompileTemplate(words[0]); err != nil {
		return nil, err
	}
	size := value.Size(defaultLimitSize)
	for _, word := range words[1:] {
		key, argument, _ := strings.Cut(word, "=")
		switch key {
		case "rate":
			z.rate, err = parseRate(argument)
		case "size":
			err = size.UnmarshalText([]byte(argument))
		default:
			err = fmt.Errorf("unknown parameter %q; %s", word, limitZoneForm)
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
	}
	z.size = int(size)
	if z.rate == 0 || z.size < limitEntry {
		return nil, fmt.Errorf("%q: no rate, or no room for a key; %s", text, limitZoneForm)
	}
	return z, nil
}

// parseRate reads "10r/s" or "30r/m" as thousandths a second.
func parseRate(text string) (int64, error) {
	number, unit, _ := strings.Cut(text, "r/")
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 1 || unit != "s" && unit != "m" {
		return 0, fmt.Errorf(`rate=%s; expected one such as "10r/s" or "30r/m"`, text)
	}
	if unit == "m" {
		return n * 1000 / 60, nil
	}
	return n * 1000, nil
}

// look returns what a request of a key would have too much, in thousandths of a request
// (nginx: ngx_http_limit_req_lookup).
func (z *limitZone) look(key []byte, now time.Time) int64 {
	at := z.keys[string(key)]
	if at == nil {
		return 0
	}
	b := at.Value.(*limitBucket)
	passed := min(max(now.Sub(b.last).Milliseconds(), 0), 1<<31)
	return max(b.excess-z.rate*passed/1000+1000, 0)
}

// take counts a request. The key that was asked for longest ago makes room for a new one.
func (z *limitZone) take(key []byte, excess int64, now time.Time) {
	if at := z.keys[string(key)]; at != nil {
		b := at.Value.(*limitBucket)
		b.excess = excess
		if now.Sub(b.last) >= time.Millisecond {
			b.last = now
		}
		z.order.MoveToFront(at)
		return
	}
	z.used += keyCost(len(key))
	for z.used > z.size && len(z.keys) > 0 {
		oldest := z.order.Back()
		was := oldest.Value.(*limitBucket).key
		delete(z.keys, was)
		z.order.Remove(oldest)
		z.used -= keyCost(len(was))
	}
	b := &limitBucket{key: string(key), last: now}
	z.keys[b.key] = z.order.PushFront(b)
}

// keyCost is about how many bytes a key of a length takes: whoever asks may choose it.
func keyCost(length int) int { return limitEntry + max(length-shortKey, 0) }

// allow reports whether a request of the key may come in, and what it has too much. One
// that may is counted if count is set.
func (z *limitZone) allow(key []byte, burst int64, now time.Time, count bool) (excess int64, ok bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	excess = z.look(key, now)
	if excess > burst {
		return excess, false
	}
	if count {
		z.take(key, excess, now)
	}
	return excess, true
}

// count counts a request that all limits let in.
func (z *limitZone) count(key []byte, now time.Time) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.take(key, z.look(key, now), now)
}
