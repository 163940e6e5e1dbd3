package value

import (
	"fmt"
	"strconv"
)

// Umask is a file creation mask, written in octal ("022") as Supervisor does.
type Umask int

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *Umask) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 8, 32)
	if err != nil || n > 0o777 {
		return fmt.Errorf(`%q: expected an octal mask in quotes such as "022"`, text)
	}
	*u = Umask(n)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (u Umask) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%03o", int(u)), nil }

// UnmarshalTOML takes a string: a bare 022 is no TOML number.
func (u *Umask) UnmarshalTOML(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf(`expected an octal mask in quotes such as "022", got %s`, TypeName(v))
	}
	return u.UnmarshalText([]byte(s))
}
