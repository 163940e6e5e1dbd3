package proxy

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// nameTable finds a server by the host name of a request, in nginx's order:
// the exact name, the longest name that starts with "*.", the longest that ends
// in ".*", the first regular expression. Names are lower case.
type nameTable struct {
	exact    map[string]*server
	suffixes map[string]*server // "*.example.com" as ".example.com"
	prefixes map[string]*server // "www.example.*" as "www.example."
	regexps  []nameRegexp
}

type nameRegexp struct {
	re *regexp.Regexp
	to *server
}

// add enters one server_name. It fails on a name that nginx refuses too, and
// on one that another server of this address has.
func (t *nameTable) add(name string, to *server) error {
	if expr, ok := strings.CutPrefix(name, "~"); ok {
		re, err := compileRegexp(expr, true)
		if err != nil {
			return err
		}
		t.regexps = append(t.regexps, nameRegexp{re, to})
		return nil
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	switch {
	case strings.HasPrefix(name, "*."):
		return enter(&t.suffixes, name[1:], name, to)
	case strings.HasPrefix(name, "."):
		if err := enter(&t.exact, name[1:], name[1:], to); err != nil {
			return err
		}
		return enter(&t.suffixes, name, name, to)
	case strings.HasSuffix(name, ".*"):
		return enter(&t.prefixes, name[:len(name)-1], name, to)
	}
	return enter(&t.exact, name, name, to)
}

func enter(m *map[string]*server, key, name string, to *server) error {
	if strings.ContainsAny(key, "*/ \t;{}") || strings.Contains(key, "..") || key == "." {
		return fmt.Errorf(`%q: expected a name, "*.example.com", "www.example.*", ".example.com" or "~regex"`, name)
	}
	if *m == nil {
		*m = map[string]*server{}
	}
	if old := (*m)[key]; old != nil && old != to {
		return fmt.Errorf("%q is a name of another server on the same address", name)
	}
	(*m)[key] = to
	return nil
}

// find returns nil when no name matches. host is lower case, without a port.
func (t *nameTable) find(host []byte) *server {
	host = bytes.TrimSuffix(host, []byte("."))
	if s := t.exact[string(host)]; s != nil {
		return s
	}
	if s := t.bySuffix(host); s != nil {
		return s
	}
	if s := t.byPrefix(host); s != nil {
		return s
	}
	for i := range t.regexps {
		if t.regexps[i].re.Match(host) {
			return t.regexps[i].to
		}
	}
	return nil
}

func (t *nameTable) bySuffix(host []byte) *server {
	if t.suffixes == nil {
		return nil
	}
	for i := 1; i < len(host); i++ { // "*" stands for at least one byte
		if host[i] != '.' {
			continue
		}
		if s := t.suffixes[string(host[i:])]; s != nil {
			return s
		}
	}
	return nil
}

func (t *nameTable) byPrefix(host []byte) *server {
	if t.prefixes == nil {
		return nil
	}
	for i := len(host) - 2; i >= 0; i-- {
		if host[i] != '.' {
			continue
		}
		if s := t.prefixes[string(host[:i+1])]; s != nil {
			return s
		}
	}
	return nil
}

// compileRegexp compiles an expression of a server_name or a location. nginx's
// are PCRE; RE2 knows no look-around and no back-references, and says so.
func compileRegexp(expr string, ignoreCase bool) (*regexp.Regexp, error) {
	if expr == "" {
		return nil, fmt.Errorf("the regular expression is empty")
	}
	text := expr
	if ignoreCase {
		text = "(?i)" + text
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("%q is no regular expression of RE2 syntax (no look-around, no back-references): %w", expr, err)
	}
	return re, nil
}
