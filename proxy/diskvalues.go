package proxy

import (
	"slices"

	"paddock/accesslog"
)

// $realpath_root asks the file system, which may hang. A configuration that has it in any
// text that the path of a request expands lets all its requests go on where they may wait
// as soon as their head is there: what refuses one, its page and its line in the log may
// hold the text of another place than the one that it is for.

// wait reports whether a text of the settings asks the file system.
func (s *settings) wait() bool {
	return slices.ContainsFunc(s.logs, (*logTarget).waits) ||
		s.site.set != nil && slices.ContainsFunc(s.site.set.fields, func(f requestField) bool { return asksDisk(f.value) }) ||
		slices.ContainsFunc(s.site.added, func(f addedField) bool { return asksDisk(f.value) }) ||
		slices.ContainsFunc(s.site.errorPages, func(p errorPage) bool { return asksDisk(p.target) })
}

func (t *logTarget) waits() bool {
	return t.format != nil && t.format.Waits() || asksDisk(t.condition) || t.target.Waits()
}

func asksDisk(t *accesslog.Template) bool { return t != nil && t.Waits() }
