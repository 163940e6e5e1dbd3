package accesslog

import (
	"fmt"
	"strconv"
	"strings"

	"paddock/internal/value"
)

const (
	// DefaultFormat is the format of a log that names none (nginx: access_log).
	DefaultFormat = "combined"
	// defaultGzipBuffer is the buffer of a log with gzip that names none (nginx: 64k).
	defaultGzipBuffer = 64 << 10
	// defaultGzipLevel favours speed (nginx: gzip of access_log, 1).
	defaultGzipLevel = 1
)

const settingForm = `"off", "PATH [FORMAT] [buffer=SIZE] [gzip[=LEVEL]] [flush=TIME] [if=CONDITION]", a table { path = "…", format = "…" }, or an array of these`

// Setting is one log of `access_log`: "off", a text as in nginx.conf, or a table
// with a key for each part. Source: nginx, access_log.
type Setting struct {
	Off    bool
	Path   string         // "" is the default log; "syslog:server=…" goes to syslog; $variables are expanded for each request
	Format string         // a name of [log_format], "combined" or "json"; "" is DefaultFormat
	If     string         // a text with $variables: no line when it comes out "" or "0"
	Buffer value.Size     // bytes that are written at once; 0: DefaultFlush alone decides
	Flush  value.Duration // how long a line waits at most; 0 is DefaultFlush
	Gzip   int            // level 1 to 9 of gzip members; 0: text
	Rotation
}

// Settings is the value of `access_log`: every log that a request is written to.
// nil means "not set here". "off" stands alone.
type Settings []Setting

// UnmarshalTOML takes one log or an array of logs.
func (s *Settings) UnmarshalTOML(v any) error {
	entries, several := v.([]any)
	if !several {
		entries = []any{v}
	}
	out := Settings{}
	for _, e := range entries {
		var one Setting
		if err := one.UnmarshalTOML(e); err != nil {
			return err
		}
		out = append(out, one)
	}
	if len(out) == 0 {
		return fmt.Errorf("the array is empty; expected %s", settingForm)
	}
	for _, one := range out {
		if one.Off && len(out) > 1 {
			return fmt.Errorf(`"off" stands beside another log; expected it alone`)
		}
	}
	*s = out
	return nil
}

// UnmarshalTOML takes "off", a text as in nginx.conf, or a table.
func (s *Setting) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case string:
		return s.parse(v)
	case map[string]any:
		var out Setting
		for key, part := range v {
			if err := out.set(key, part); err != nil {
				return err
			}
		}
		*s = out
		return nil
	}
	return fmt.Errorf("expected %s, got %s", settingForm, value.TypeName(v))
}

// parse reads the arguments of nginx's directive.
func (s *Setting) parse(text string) error {
	words := strings.Fields(text)
	switch {
	case len(words) == 0:
		return fmt.Errorf("the value is empty; expected %s", settingForm)
	case words[0] == "off":
		if len(words) > 1 {
			return fmt.Errorf(`%q: nothing may follow "off"`, text)
		}
		*s = Setting{Off: true}
		return nil
	}
	out := Setting{Path: words[0]}
	for i, word := range words[1:] {
		name, argument, given := strings.Cut(word, "=")
		switch {
		case name == "gzip" && !given:
			out.Gzip = defaultGzipLevel
		case given && (name == "buffer" || name == "flush" || name == "gzip" || name == "if"):
			if err := out.set(name, argument); err != nil {
				return err
			}
		case i == 0:
			out.Format = word
		default:
			return fmt.Errorf("%q: unknown parameter %q; expected %s", text, word, settingForm)
		}
	}
	*s = out
	return nil
}

// set sets one key of the table.
func (s *Setting) set(key string, v any) error {
	var err error
	switch key {
	case "path":
		err = setText(&s.Path, v)
	case "format":
		err = setText(&s.Format, v)
	case "if":
		err = setText(&s.If, v)
	case "buffer":
		if err = s.Buffer.UnmarshalTOML(v); err == nil && s.Buffer == 0 {
			err = fmt.Errorf("expected a size above 0")
		}
	case "flush":
		if err = s.Flush.UnmarshalTOML(v); err == nil && s.Flush == 0 {
			err = fmt.Errorf("expected a time above 0")
		}
	case "gzip":
		s.Gzip, err = gzipLevel(v)
	default:
		known, rotationErr := s.Rotation.set(key, v)
		if !known {
			return fmt.Errorf("unknown key %q; expected path, format, if, buffer, flush, gzip, %s", key, rotationKeys)
		}
		err = rotationErr
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

func setText(dst *string, v any) error {
	text, ok := v.(string)
	if !ok || text == "" {
		return fmt.Errorf("expected a string, got %s", value.TypeName(v))
	}
	*dst = text
	return nil
}

func gzipLevel(v any) (int, error) {
	level := int64(0)
	switch v := v.(type) {
	case bool:
		if v {
			return defaultGzipLevel, nil
		}
		return 0, nil
	case string:
		level, _ = strconv.ParseInt(v, 10, 8)
	case int64:
		level = v
	}
	if level < 1 || level > 9 {
		return 0, fmt.Errorf("expected true, false or a level from 1 to 9, got %v", v)
	}
	return int(level), nil
}

// Check says what is wrong with the parts of a setting together.
func (s *Setting) Check() error {
	switch kind := KindOf(s.Path); {
	case s.Off:
		return nil
	case kind != KindFile && (s.Buffer > 0 || s.Flush > 0 || s.Gzip > 0):
		return fmt.Errorf("buffer, flush and gzip are for a file without $variables in its path (nginx: access_log)")
	case kind != KindFile && s.Rotation != Rotation{}:
		return fmt.Errorf("only a file without $variables in its path is rotated; expected none of %s", rotationKeys)
	case s.Flush > 0 && s.Buffer == 0 && s.Gzip == 0:
		return fmt.Errorf("flush without a buffer; expected buffer=SIZE or gzip beside it (nginx: access_log)")
	case s.Gzip > 0 && s.Rotation.Compress:
		return fmt.Errorf("gzip writes a log that is packed already; expected compress = false")
	case kind == KindSyslog:
		_, err := parseSyslog(s.Path)
		return err
	case kind == KindFolder:
		_, err := parseFolderPath(s.Path)
		return err
	}
	return s.Rotation.check()
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
