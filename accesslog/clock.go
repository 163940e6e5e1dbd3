package accesslog

import (
	"strconv"
	"sync/atomic"
	"time"
)

const (
	layoutLocal   = "02/Jan/2006:15:04:05 -0700"
	layoutISO8601 = "2006-01-02T15:04:05-07:00" // never "Z", as nginx
)

// clock prints a time in one layout. All lines of a second share one text, so
// that it is made once a second and not once a line.
type clock struct {
	layout string
	last   atomic.Pointer[stamp]
}

type stamp struct {
	second int64
	zone   *time.Location
	text   string
}

func (c *clock) append(dst []byte, e *Entry) ([]byte, bool) {
	now := e.now()
	second, zone := now.Unix(), now.Location()
	last := c.last.Load()
	if last == nil || last.second != second || last.zone != zone {
		last = &stamp{second: second, zone: zone, text: now.Format(c.layout)}
		c.last.Store(last)
	}
	return append(dst, last.text...), true
}

// now is the time that a line or a template shows: the end of the request, or
// the present one while it goes on.
func (e *Entry) now() time.Time {
	if e.End.IsZero() {
		return time.Now()
	}
	return e.End
}

// appendSeconds prints seconds with three decimals, cut and not rounded.
func appendSeconds(dst []byte, d time.Duration) []byte {
	return appendMillis(dst, max(d, 0).Milliseconds())
}

func appendMillis(dst []byte, ms int64) []byte {
	dst = strconv.AppendInt(dst, ms/1000, 10)
	return append(dst, '.', digit(ms/100), digit(ms/10), digit(ms))
}

func digit(n int64) byte { return '0' + byte(n%10) }
