package value

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes in nginx's syntax: a number, alone or followed by
// k, m or g (upper or lower case; powers of 1024). Source: nginx,
// "Configuration file measurement units".
type Size int64

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(s), 10), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := parseBytes(string(text), []string{"k", "m", "g"})
	if err != nil {
		return fmt.Errorf(`%w; expected a size such as "1m", "8k" or 1024`, err)
	}
	*s = Size(n)
	return nil
}

// UnmarshalTOML takes a string, or a bare number of bytes.
func (s *Size) UnmarshalTOML(v any) error {
	return unmarshalScalar(v, s.UnmarshalText, `a size such as "1m" or a number of bytes`)
}

// ByteSize is a number of bytes in Supervisor's syntax: a number, alone or
// followed by KB, MB or GB (any case; powers of 1024).
type ByteSize int64

// MarshalText implements encoding.TextMarshaler.
func (s ByteSize) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(s), 10), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *ByteSize) UnmarshalText(text []byte) error {
	n, err := parseBytes(string(text), []string{"kb", "mb", "gb"})
	if err != nil {
		return fmt.Errorf(`%w; expected a size such as "50MB", "512KB" or 1024`, err)
	}
	*s = ByteSize(n)
	return nil
}

// UnmarshalTOML takes a string, or a bare number of bytes.
func (s *ByteSize) UnmarshalTOML(v any) error {
	return unmarshalScalar(v, s.UnmarshalText, `a size such as "50MB" or a number of bytes`)
}

func parseBytes(s string, units []string) (int64, error) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	n, err := strconv.ParseInt(s[:digits], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no size", s)
	}
	unit := strings.ToLower(s[digits:])
	if unit == "" {
		return n, nil
	}
	shift := 0
	for _, u := range units {
		shift += 10
		if u == unit {
			if n > math.MaxInt64>>shift {
				return 0, fmt.Errorf("%q is too large", s)
			}
			return n << shift, nil
		}
	}
	return 0, fmt.Errorf("%q has no known unit", s)
}
