package accesslog

import (
	"fmt"

	"paddock/internal/value"
)

// DefaultFormat is the format of a log that names none (nginx: access_log).
const DefaultFormat = "combined"

// Setting is the value of `access_log`: "off", a path, or a table
// { path = "…", format = "NAME" }. Source: nginx, access_log.
type Setting struct {
	Off    bool
	Path   string // "" is the default log
	Format string // a name of [log_format]; "" is DefaultFormat
}

// UnmarshalTOML takes "off", a path, or a table.
func (s *Setting) UnmarshalTOML(v any) error {
	const want = `"off", a path, or { path = "…", format = "…" }`
	switch v := v.(type) {
	case string:
		if v == "" {
			return fmt.Errorf("the value is empty; expected %s", want)
		}
		if v == "off" {
			*s = Setting{Off: true}
		} else {
			*s = Setting{Path: v}
		}
		return nil
	case map[string]any:
		var out Setting
		for key, e := range v {
			text, ok := e.(string)
			if !ok || text == "" {
				return fmt.Errorf("%s: expected a string, got %s", key, value.TypeName(e))
			}
			switch key {
			case "path":
				out.Path = text
			case "format":
				out.Format = text
			default:
				return fmt.Errorf("unknown key %q; expected %s", key, want)
			}
		}
		*s = out
		return nil
	}
	return fmt.Errorf("expected %s, got %s", want, value.TypeName(v))
}

// FormatSetting is one entry of [log_format]: a format text, or a table
// { escape = "default|json|none", format = "…" }. Source: nginx, log_format.
type FormatSetting struct {
	Format string
	Escape string // "", "default", "json" or "none"
}

// Compile compiles the format. Errors are those of [ParseEscape] and [CompileFormat].
func (f FormatSetting) Compile() (*Format, error) {
	escape, err := ParseEscape(f.Escape)
	if err != nil {
		return nil, err
	}
	return CompileFormat(f.Format, escape)
}

// UnmarshalTOML takes a string or a table.
func (f *FormatSetting) UnmarshalTOML(v any) error {
	const want = `a format in quotes, or { escape = "json", format = "…" }`
	switch v := v.(type) {
	case string:
		*f = FormatSetting{Format: v}
		return nil
	case map[string]any:
		var out FormatSetting
		for key, e := range v {
			text, ok := e.(string)
			if !ok {
				return fmt.Errorf("%s: expected a string, got %s", key, value.TypeName(e))
			}
			switch key {
			case "format":
				out.Format = text
			case "escape":
				if _, err := ParseEscape(text); err != nil {
					return err
				}
				out.Escape = text
			default:
				return fmt.Errorf("unknown key %q; expected %s", key, want)
			}
		}
		*f = out
		return nil
	}
	return fmt.Errorf("expected %s, got %s", want, value.TypeName(v))
}
