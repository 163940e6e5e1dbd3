package proxy

import (
	"cmp"
	"maps"
	"mime"
	"slices"
	"strings"

	"paddock/accesslog"
	"paddock/internal/value"
	"paddock/proxy/http1"
)

// siteRules are the compiled [SiteSettings] of a place, after inheritance.
type siteRules struct {
	root         *folder // nil: none
	index        []string
	defaultType  string
	hidden       bool
	expires      expiry
	added        []addedField
	set          *requestFields // nil: the defaults
	hide         []string       // lower case
	errorPages   []errorPage
	intercept    bool
	relativeHost bool // redirects without scheme and host
	gzip         gzipRules
}

const (
	defaultIndex = "index.html" // nginx: index
	defaultType  = "text/plain" // nginx: default_type
)

func defaultSite() siteRules {
	return siteRules{index: []string{defaultIndex}, defaultType: defaultType, gzip: defaultGzip()}
}

// site resolves what a server or location sets over what it inherits.
func (c *compiler) site(key string, own *SiteSettings, s siteRules) siteRules {
	if own.Root != "" {
		s.root = c.folder(value.Join(key, "root"), own.Root)
	}
	if own.Index != nil {
		s.index = own.Index
		c.checkIndex(value.Join(key, "index"), own.Index)
	}
	s.defaultType = cmp.Or(own.DefaultType, s.defaultType)
	c.checkType(value.Join(key, "default_type"), own.DefaultType)
	setBool(&s.hidden, own.AllowHiddenFiles)
	setBool(&s.intercept, own.ProxyInterceptErrors)
	if own.AbsoluteRedirect != nil {
		s.relativeHost = !*own.AbsoluteRedirect
	}
	if own.Expires != nil {
		s.expires = c.expires(value.Join(key, "expires"), string(*own.Expires))
	}
	if own.AddHeader != nil {
		s.added = c.addedFields(value.Join(key, "add_header"), own.AddHeader)
	}
	if own.ErrorPage != nil {
		s.errorPages = c.errorPages(value.Join(key, "error_page"), own.ErrorPage)
	}
	if own.ProxySetHeader != nil {
		s.set = c.requestFields(value.Join(key, "proxy_set_header"), own.ProxySetHeader)
	}
	if own.ProxyHideHeader != nil {
		s.hide = c.hiddenFields(value.Join(key, "proxy_hide_header"), own.ProxyHideHeader)
	}
	s.gzip = c.gzip(key, own, s.gzip)
	return s
}

func setBool(b, own *bool) {
	if own != nil {
		*b = *own
	}
}

// folder returns the folder at a path; places that name the same share it.
func (c *compiler) folder(key, path string) *folder {
	if strings.Contains(path, "$") {
		c.problems.Addf(key, "%q holds a variable; expected a path", path)
	}
	if c.folders == nil {
		c.folders = map[string]*folder{}
	}
	if c.folders[path] == nil {
		c.folders[path] = &folder{path: path}
	}
	return c.folders[path]
}

func (c *compiler) checkIndex(key string, names []string) {
	if len(names) == 0 {
		c.problems.Addf(key, `the list is empty; expected one such as index = "index.html"`)
	}
	for _, name := range names {
		if name == "" || strings.ContainsAny(name, "$ \t") {
			c.problems.Addf(key, "%q: expected the name of a file", name)
		}
	}
}

func (c *compiler) checkType(key, text string) {
	if text == "" {
		return
	}
	if _, _, err := mime.ParseMediaType(text); err != nil || !strings.Contains(text, "/") || !http1.IsValue(text) {
		c.problems.Addf(key, `%q: expected a type such as "application/octet-stream"`, text)
	}
}

// template compiles a value that becomes a header field.
func (c *compiler) template(key, text string) *accesslog.Template {
	t, err := accesslog.CompileTemplate(text)
	if err != nil {
		c.problems.Addf(key, "%v", err)
	}
	if !http1.IsValue(text) {
		c.problems.Addf(key, "%q holds a control character; expected text of one line", text)
	}
	return t
}

// hiddenFields compiles proxy_hide_header.
func (c *compiler) hiddenFields(key string, names []string) []string {
	hide := []string{}
	for _, name := range names {
		if !http1.IsToken(name) {
			c.problems.Addf(key, "%q is no field name", name)
		}
		hide = append(hide, strings.ToLower(name))
	}
	return hide
}

// requestFields is a compiled proxy_set_header.
type requestFields struct {
	names  []string // lower case, of every entry
	fields []requestField
}

type requestField struct {
	name  string
	value *accesslog.Template
}

// requestFields compiles proxy_set_header. What frames the message and what
// belongs to one connection is written by the proxy alone.
func (c *compiler) requestFields(key string, table map[string]string) *requestFields {
	set := &requestFields{}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		at, lower := value.Join(key, name), strings.ToLower(name)
		switch lower {
		case "connection", "upgrade", "content-length", "transfer-encoding", "keep-alive", "te", "trailer", "expect":
			c.problems.Addf(at, "%s is written by Paddock, for WebSocket too; expected another field", name)
			continue
		}
		if !http1.IsToken(name) {
			c.problems.Addf(at, "%q is no field name", name)
			continue
		}
		if slices.Contains(set.names, lower) {
			c.problems.Addf(at, "%s stands twice", name)
		}
		set.names = append(set.names, lower)
		if t := c.template(at, table[name]); table[name] != "" {
			set.fields = append(set.fields, requestField{name, t})
		}
	}
	return set
}

// has reports whether an entry takes the place of the field of that name.
func (s *requestFields) has(lower string) bool {
	return s != nil && slices.Contains(s.names, lower)
}

// replaces reports the same of a name as received.
func (s *requestFields) replaces(name []byte) bool {
	for _, n := range s.names {
		if len(n) == len(name) && equalFold(name, n) {
			return true
		}
	}
	return false
}

// appendSetFields appends the fields of proxy_set_header, and keeps what the
// client sent under these names from going on. A value that comes out empty sends
// nothing, as in nginx.
func (x *exchange) appendSetFields(dst []byte) []byte {
	set := x.place.site.set
	if set == nil {
		return dst
	}
	for i := range set.fields {
		f := &set.fields[i]
		if x.scratch = f.value.Append(x.scratch[:0], &x.Entry); len(x.scratch) > 0 {
			dst = http1.AppendField(dst, f.name, x.scratch)
		}
	}
	for i := range x.req.Fields {
		if f := &x.req.Fields[i]; set.replaces(f.Name) {
			f.Drop = true
		}
	}
	return dst
}
