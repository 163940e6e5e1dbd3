package proxy

import (
	"errors"
	"math"
	"strings"
	"time"

	"paddock/internal/value"
	"paddock/proxy/http1"
)

// expiry is a compiled `expires`.
type expiry struct {
	kind expiryKind
	time time.Duration // after now or the file's time; for expiresDaily, since midnight
}

type expiryKind uint8

const (
	expiresOff expiryKind = iota
	expiresEpoch
	expiresMax
	expiresAccess
	expiresModified
	expiresDaily
)

func (c *compiler) expires(key, text string) expiry {
	e, err := parseExpires(text)
	if err != nil {
		c.problems.Addf(key, "%q: %v", text, err)
	}
	return e
}

var errExpires = errors.New(`expected a time of whole seconds such as "30d" or "-1", "modified 1h", "@15h30m", "epoch", "max" or "off"`)

// parseExpires reads the forms of nginx's expires.
func parseExpires(text string) (expiry, error) {
	switch text {
	case "off":
		return expiry{}, nil
	case "epoch":
		return expiry{kind: expiresEpoch}, nil
	case "max":
		return expiry{kind: expiresMax}, nil
	}
	e := expiry{kind: expiresAccess}
	if rest, ok := strings.CutPrefix(text, "modified "); ok {
		e.kind, text = expiresModified, strings.TrimSpace(rest)
	} else if rest, ok := strings.CutPrefix(text, "@"); ok {
		e.kind, text = expiresDaily, rest
	}
	rest, negative := strings.CutPrefix(text, "-")
	if !negative {
		rest = strings.TrimPrefix(text, "+")
	}
	var d value.Duration
	if err := d.UnmarshalText([]byte(rest)); err != nil || d < 0 || d.D()%time.Second != 0 ||
		e.kind == expiresDaily && (negative || d.D() > 24*time.Hour) {
		return expiry{}, errExpires
	}
	e.time = d.D()
	if negative {
		e.time = -e.time
	}
	return e, nil
}

// at returns when an answer expires, and Cache-Control's max-age in seconds.
func (e expiry) at(now, modified time.Time) (when time.Time, maxAge int64) {
	switch {
	case e.kind == expiresEpoch:
		return time.Unix(1, 0), math.MinInt64
	case e.kind == expiresMax:
		return time.Unix(2145916555, 0), 315360000 // nginx's, 31 Dec 2037
	case e.time == 0 && e.kind != expiresDaily:
		return now, 0
	case e.kind == expiresDaily:
		when = nextTime(now, e.time)
	case e.kind == expiresModified && !modified.IsZero():
		when = modified.Add(e.time)
	default:
		when = now.Add(e.time)
	}
	maxAge = when.Unix() - now.Unix()
	if e.time < 0 {
		maxAge = -1
	}
	return when, maxAge
}

// nextTime is the next time that the day is as old as d, by local time.
func nextTime(now time.Time, d time.Duration) time.Time {
	y, m, day := now.Date()
	sec := int(d / time.Second)
	next := time.Date(y, m, day, 0, 0, sec, 0, now.Location())
	if !next.After(now) {
		next = time.Date(y, m, day+1, 0, 0, sec, 0, now.Location())
	}
	return next
}

// appendExpires appends Expires and Cache-Control.
func (e expiry) append(dst []byte, now, modified time.Time) []byte {
	when, maxAge := e.at(now, modified)
	dst = append(dst, "Expires: "...)
	dst = append(when.UTC().AppendFormat(dst, dateLayout), "\r\n"...)
	if maxAge < 0 {
		return http1.AppendField(dst, "Cache-Control", "no-cache")
	}
	dst = append(dst, "Cache-Control: max-age="...)
	return append(http1.AppendInt(dst, maxAge), "\r\n"...)
}
