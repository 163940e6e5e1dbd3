package proxy

import (
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// location is one place of a server and what is done with its requests: answer,
// pass, or else a file.
type location struct {
	prefix string // of a "/prefix" or "= /exact" location
	regexp *regexp.Regexp
	final  bool // "^~": no regular expression is tried
	settings
	answer   *answer
	pass     *pass
	alias    *folder   // nil: the files are in the root of the settings
	try      *tryFiles // nil: none
	internal bool      // only internal redirects lead here
	slash    *location // answers the path that lacks only the last slash of a proxied prefix
}

// locationTable finds the location of a path, in nginx's order: the exact one;
// the longest prefix, which ends the search when it says "^~"; the first regular
// expression; else that longest prefix.
type locationTable struct {
	exact    map[string]*location
	prefixes []*location // longest first
	regexps  []*location
	slashed  map[string]*location // proxied ones whose path ends with a slash, by that path without it
	named    map[string]*location // without the "@"
}

// find returns nil when no location matches, and redirect when the path lacks
// only the slash that ends a proxied location: nginx answers that with a 301.
func (t *locationTable) find(path []byte) (found *location, redirect bool) {
	if l := t.exact[string(path)]; l != nil {
		return l, false
	}
	if l := t.slashed[string(path)]; l != nil && t.prefixed(string(path)) == nil {
		return l, true
	}
	for _, l := range t.prefixes {
		if len(path) >= len(l.prefix) && string(path[:len(l.prefix)]) == l.prefix {
			found = l
			break
		}
	}
	if found != nil && found.final {
		return found, false
	}
	for _, l := range t.regexps {
		if l.regexp.Match(path) {
			return l, false
		}
	}
	return found, false
}

// add enters a location under its pattern: "/prefix", "= /exact", "^~ /prefix",
// "~ regex", "~* regex" or "@name".
func (t *locationTable) add(pattern string, l *location) error {
	modifier, rest := splitPattern(pattern)
	switch modifier {
	case "~", "~*":
		re, err := compileRegexp(rest, modifier == "~*")
		if err != nil {
			return err
		}
		l.regexp = re
		t.regexps = append(t.regexps, l)
		return nil
	case "@":
		return t.addNamed(rest, l)
	}
	if !strings.HasPrefix(rest, "/") {
		return fmt.Errorf(`%q: expected "/prefix", "= /exact", "^~ /prefix", "~ regex", "~* regex" or "@name"`, pattern)
	}
	l.prefix, l.final = rest, modifier == "^~"
	l.slash = &location{settings: l.settings, answer: &answer{status: 301, slash: true}}
	if modifier == "=" {
		return t.addExact(l)
	}
	return t.addPrefix(l)
}

var errTwice = errors.New("this location stands twice in the server")

func (t *locationTable) addExact(l *location) error {
	if t.exact[l.prefix] != nil {
		return errTwice
	}
	if t.exact == nil {
		t.exact = map[string]*location{}
	}
	t.exact[l.prefix] = l
	t.addSlashed(l)
	return nil
}

func (t *locationTable) addNamed(name string, l *location) error {
	switch {
	case name == "" || strings.ContainsAny(name, " \t/"):
		return fmt.Errorf(`"@%s": expected a name behind the "@"`, name)
	case t.named[name] != nil:
		return errTwice
	case t.named == nil:
		t.named = map[string]*location{}
	}
	t.named[name] = l
	return nil
}

func (t *locationTable) addPrefix(l *location) error {
	if t.prefixed(l.prefix) != nil {
		return errTwice
	}
	if t.exact[l.prefix] == nil { // of the two nginx takes the exact one
		t.addSlashed(l)
	}
	t.prefixes = append(t.prefixes, l)
	sort.SliceStable(t.prefixes, func(i, j int) bool { return len(t.prefixes[i].prefix) > len(t.prefixes[j].prefix) })
	return nil
}

func (t *locationTable) addSlashed(l *location) {
	path, ok := strings.CutSuffix(l.prefix, "/")
	if l.pass == nil || !ok {
		return
	}
	if t.slashed == nil {
		t.slashed = map[string]*location{}
	}
	t.slashed[path] = l
}

func (t *locationTable) prefixed(prefix string) *location {
	for _, l := range t.prefixes {
		if l.prefix == prefix {
			return l
		}
	}
	return nil
}

// splitPattern takes the modifier off a pattern, with or without a space after it.
func splitPattern(pattern string) (modifier, rest string) {
	pattern = strings.TrimSpace(pattern)
	for _, m := range [...]string{"^~", "~*", "~", "=", "@"} {
		if rest, ok := strings.CutPrefix(pattern, m); ok {
			return m, strings.TrimSpace(rest)
		}
	}
	return "", pattern
}
