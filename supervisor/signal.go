package supervisor

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Signal is a signal by name, with or without SIG, or by number, as Supervisor's stopsignal.
type Signal syscall.Signal

// String returns the name without SIG.
func (s Signal) String() string {
	if name := unix.SignalName(syscall.Signal(s)); name != "" {
		return strings.TrimPrefix(name, "SIG")
	}
	return strconv.Itoa(int(s))
}

// MarshalText implements encoding.TextMarshaler.
func (s Signal) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Signal) UnmarshalText(text []byte) error {
	name := strings.ToUpper(string(text))
	n := unix.SignalNum("SIG" + strings.TrimPrefix(name, "SIG"))
	if i, err := strconv.Atoi(name); err == nil && i > 0 && i <= 64 {
		n = syscall.Signal(i)
	}
	if n == 0 {
		return fmt.Errorf(`%q is no signal; expected a name such as "TERM" or a number from 1 to 64`, text)
	}
	*s = Signal(n)
	return nil
}

// UnmarshalTOML takes a name or a number.
func (s *Signal) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case string:
		return s.UnmarshalText([]byte(v))
	case int64:
		return s.UnmarshalText(strconv.AppendInt(nil, v, 10))
	}
	return fmt.Errorf(`expected a signal such as "TERM"`)
}

// Autorestart says what happens when a process that was RUNNING ends
// (Supervisor: autorestart).
type Autorestart string

// The values of autorestart.
const (
	RestartNever      Autorestart = "false"
	RestartUnexpected Autorestart = "unexpected" // when the exit code is not in exitcodes, or a signal ended it
	RestartAlways     Autorestart = "true"
)

// UnmarshalTOML takes true, false or "unexpected".
func (a *Autorestart) UnmarshalTOML(v any) error {
	switch v {
	case true, "true":
		*a = RestartAlways
	case false, "false":
		*a = RestartNever
	case "unexpected":
		*a = RestartUnexpected
	default:
		return fmt.Errorf(`expected true, false or "unexpected"`)
	}
	return nil
}
