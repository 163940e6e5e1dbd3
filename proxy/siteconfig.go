package proxy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"paddock/internal/value"
)

// SiteSettings are the directives of files and headers that a server and its
// locations share. nil means "not set here": the server's value, then the default,
// applies. A list or table replaces the server's, as in nginx.
type SiteSettings struct {
	Root             string        `toml:"root"`               // folder of the files; "": none (nginx: root)
	Index            value.Strings `toml:"index"`              // tried for a path that ends in "/"; index.html (nginx: index)
	DefaultType      string        `toml:"default_type"`       // of a file whose extension is unknown; text/plain (nginx: default_type)
	AllowHiddenFiles *bool         `toml:"allow_hidden_files"` // serve .NAME, NAME~, NAME.bak and NAME.swp too; false; .well-known is always served
	Expires          *Expires      `toml:"expires"`            // off (nginx: expires)
	AddHeader        AddedHeaders  `toml:"add_header"`         // NAME = "value", { value = "…", always = true } or an array of these; on 200, 201, 204, 206, 301 to 304, 307 and 308 unless always (nginx: add_header)
	ErrorPage        value.Strings `toml:"error_page"`         // "CODE… [=[CODE]] URI" (nginx: error_page)
	AbsoluteRedirect *bool         `toml:"absolute_redirect"`  // scheme and host in redirects of our own; true (nginx: absolute_redirect)

	ProxySetHeader       map[string]string `toml:"proxy_set_header"`       // name → value with $variables; "" removes (nginx: proxy_set_header)
	ProxyHideHeader      value.Strings     `toml:"proxy_hide_header"`      // fields of an app's answer (nginx: proxy_hide_header)
	ProxyInterceptErrors *bool             `toml:"proxy_intercept_errors"` // error_page for an app's answers from 300 on; false (nginx: proxy_intercept_errors)

	Gzip            *bool         `toml:"gzip"`              // false (nginx: gzip)
	GzipTypes       value.Strings `toml:"gzip_types"`        // beside text/html; "*": all (nginx: gzip_types)
	GzipMinLength   *value.Size   `toml:"gzip_min_length"`   // by Content-Length; 20 (nginx: gzip_min_length)
	GzipCompLevel   *int          `toml:"gzip_comp_level"`   // 1 to 9; 1 (nginx: gzip_comp_level)
	GzipProxied     value.Strings `toml:"gzip_proxied"`      // requests with Via; off (nginx: gzip_proxied)
	GzipVary        *bool         `toml:"gzip_vary"`         // false (nginx: gzip_vary)
	GzipHTTPVersion string        `toml:"gzip_http_version"` // 1.1 (nginx: gzip_http_version)
}

// Expires is the value of `expires`: "TIME", "-TIME", "@TIME of day",
// "modified [-]TIME", "epoch", "max" or "off". A bare number is seconds.
type Expires string

// UnmarshalTOML takes a string or a whole number.
func (e *Expires) UnmarshalTOML(v any) error {
	switch v := v.(type) {
	case string:
		*e = Expires(v)
		return nil
	case int64:
		*e = Expires(strconv.FormatInt(v, 10))
		return nil
	}
	return fmt.Errorf(`expected a time in quotes such as "30d", or a number of seconds, got %s`, value.TypeName(v))
}

// AddedHeader is one field of add_header.
type AddedHeader struct {
	Name   string
	Value  string // with $variables
	Always bool   // whatever the status; otherwise only with those that nginx lists
}

// AddedHeaders is the table of add_header, in the order of the names: a TOML table
// has none. A value is "TEXT", { value = "TEXT", always = true }, or an array of these
// for a field that stands several times.
type AddedHeaders []AddedHeader

// UnmarshalTOML takes a table.
func (h *AddedHeaders) UnmarshalTOML(v any) error {
	table, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf(`expected a table such as { X-Frame-Options = "DENY" }, got %s`, value.TypeName(v))
	}
	out := AddedHeaders{}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		values, several := table[name].([]any)
		if !several {
			values = []any{table[name]}
		}
		for _, one := range values {
			field, err := addedHeader(name, one)
			if err != nil {
				return err
			}
			out = append(out, field)
		}
	}
	*h = out
	return nil
}

func addedHeader(name string, v any) (AddedHeader, error) {
	const want = `a string or { value = "…", always = true }`
	h := AddedHeader{Name: name}
	switch v := v.(type) {
	case string:
		h.Value = v
		return h, nil
	case map[string]any:
		for key, part := range v {
			ok := false
			switch key {
			case "value":
				h.Value, ok = part.(string)
			case "always":
				h.Always, ok = part.(bool)
			default:
				return h, fmt.Errorf("unknown key %q; expected %s", key, want)
			}
			if !ok {
				return h, fmt.Errorf("%s: got %s; expected %s", key, value.TypeName(part), want)
			}
		}
		return h, nil
	}
	return h, fmt.Errorf("expected %s, got %s", want, value.TypeName(v))
}
