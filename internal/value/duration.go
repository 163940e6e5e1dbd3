package value

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time in nginx's syntax: a number with one of the units ms, s, m,
// h, d, w, M (30 days) and y (365 days), or several from large to small as in
// "1h 30m". A bare number is seconds. Negative values are refused.
// Source: nginx, "Configuration file measurement units".
type Duration time.Duration

// maxDuration keeps sums of a few durations far from overflow.
const maxDuration = 100 * 365 * 24 * time.Hour

var durationUnits = []struct {
	name string
	unit time.Duration
}{
	{"y", 365 * 24 * time.Hour},
	{"M", 30 * 24 * time.Hour},
	{"w", 7 * 24 * time.Hour},
	{"d", 24 * time.Hour},
	{"h", time.Hour},
	{"m", time.Minute},
	{"s", time.Second},
	{"ms", time.Millisecond},
}

// D returns the duration as Go's type.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String prints the duration as it could be written in the file.
func (d Duration) String() string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	rest := time.Duration(d)
	for _, u := range durationUnits[3:] {
		if n := rest / u.unit; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			rest -= n * u.unit
		}
	}
	return b.String()
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	const want = `a time such as "60s", "500ms" or "1h 30m"`
	s := string(text)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n < 0 || n > int64(maxDuration/time.Second) {
			return fmt.Errorf("%q is out of range; expected %s", s, want)
		}
		*d = Duration(time.Duration(n) * time.Second)
		return nil
	}
	var sum time.Duration
	rest, next := strings.TrimSpace(s), 0
	if rest == "" {
		return fmt.Errorf("the value is empty; expected %s", want)
	}
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		if err != nil {
			return fmt.Errorf("%q is no time; expected %s", s, want)
		}
		rest = rest[digits:]
		unit := len(rest) - len(strings.TrimLeft(rest, "yMwdhms"))
		i := next
		for i < len(durationUnits) && durationUnits[i].name != rest[:unit] {
			i++
		}
		if i == len(durationUnits) || n > int64(maxDuration/durationUnits[i].unit) {
			return fmt.Errorf("%q is no time; expected %s", s, want)
		}
		sum += time.Duration(n) * durationUnits[i].unit
		if sum > maxDuration {
			return fmt.Errorf("%q is out of range; expected %s", s, want)
		}
		next = i + 1
		rest = strings.TrimLeft(rest[unit:], " ")
	}
	*d = Duration(sum)
	return nil
}

// UnmarshalTOML takes a string, or a bare number of seconds.
func (d *Duration) UnmarshalTOML(v any) error {
	return unmarshalScalar(v, d.UnmarshalText, `a time such as "60s" or a number of seconds`)
}

// Seconds is a whole number of seconds, as Supervisor writes startsecs and
// stopwaitsecs. Range: 0 to 3153600000.
type Seconds int64

// D returns the seconds as Go's type.
func (s Seconds) D() time.Duration { return time.Duration(s) * time.Second }

// UnmarshalTOML takes a number, or a string that holds one.
func (s *Seconds) UnmarshalTOML(v any) error {
	const want = "a whole number of seconds, 0 or more"
	return unmarshalScalar(v, func(text []byte) error {
		n, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil || n < 0 || n > int64(maxDuration/time.Second) {
			return fmt.Errorf("%q: expected %s", text, want)
		}
		*s = Seconds(n)
		return nil
	}, want)
}

// unmarshalScalar hands a TOML string or integer to parse as text.
func unmarshalScalar(v any, parse func([]byte) error, want string) error {
	switch v := v.(type) {
	case string:
		return parse([]byte(v))
	case int64:
		return parse(strconv.AppendInt(nil, v, 10))
	}
	return fmt.Errorf("expected %s, got %s", want, TypeName(v))
}

// TypeName names the TOML type of a decoded value for error messages.
func TypeName(v any) string {
	switch v := v.(type) {
	case string:
		return "a string"
	case int64:
		return "a number"
	case float64:
		if math.Trunc(v) != v {
			return "a number with a fraction"
		}
		return "a floating-point number"
	case bool:
		return "true or false"
	case time.Time:
		return "a date"
	case []any, []map[string]any:
		return "an array"
	case map[string]any:
		return "a table"
	}
	return fmt.Sprintf("a %T", v)
}
