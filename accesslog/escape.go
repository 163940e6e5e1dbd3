package accesslog

import (
	"fmt"
	"slices"
)

// Escape says how the values of a log line are made safe.
// Source: nginx, the parameter escape of log_format.
type Escape int

const (
	Default Escape = iota // `"`, `\`, control bytes and all from 0x7f up become \xHH; missing is "-"
	JSON                  // as in a JSON string; bytes from 0x7f up stay as they are; missing is empty
	None                  // nothing is changed, line breaks included; missing is empty
)

// ParseEscape reads "default", "json" or "none"; "" is "default".
func ParseEscape(name string) (Escape, error) {
	switch name {
	case "", "default":
		return Default, nil
	case "json":
		return JSON, nil
	case "none":
		return None, nil
	}
	return 0, fmt.Errorf(`escape = %q; expected "default", "json" or "none"`, name)
}

func (e Escape) missing() string {
	if e == Default {
		return "-"
	}
	return ""
}

func (e Escape) table() *escapes {
	switch e {
	case JSON:
		return &jsonEscapes
	case None:
		return nil
	}
	return &defaultEscapes
}

// escapes holds what each byte becomes; "" is the byte itself. A nil table
// changes nothing.
type escapes [256]string

var (
	defaultEscapes = makeDefaultEscapes()
	jsonEscapes    = makeJSONEscapes()
)

func makeDefaultEscapes() (t escapes) {
	for c := range t {
		if c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			t[c] = fmt.Sprintf(`\x%02X`, c)
		}
	}
	return t
}

// makeJSONEscapes leaves 0x7f and above alone, as nginx does: a value that is no
// UTF-8 makes a line that is no JSON.
func makeJSONEscapes() (t escapes) {
	for c := range 0x20 {
		t[c] = fmt.Sprintf(`\u%04X`, c)
	}
	t['"'], t['\\'] = `\"`, `\\`
	t['\n'], t['\r'], t['\t'], t['\b'], t['\f'] = `\n`, `\r`, `\t`, `\b`, `\f`
	return t
}

// apply escapes dst[start:] where it is, from its end to its start, so that no
// second buffer is needed.
func (t *escapes) apply(dst []byte, start int) []byte {
	if t == nil {
		return dst
	}
	extra := 0
	for _, c := range dst[start:] {
		if s := t[c]; s != "" {
			extra += len(s) - 1
		}
	}
	if extra == 0 {
		return dst
	}
	end := len(dst)
	dst = slices.Grow(dst, extra)[:end+extra]
	for from, to := end-1, len(dst); from >= start; from-- {
		c := dst[from]
		if s := t[c]; s != "" {
			to -= len(s)
			copy(dst[to:], s)
		} else {
			to--
			dst[to] = c
		}
	}
	return dst
}
