// Package accesslog holds nginx's log formats and $variables, and the buffered
// access log.
//
// A format or a template is compiled once, when the configuration is loaded, to
// a list of operations; a name that is not known is an error then and never at
// request time. At request time the operations are walked over one [Entry].
// Appending a line allocates nothing.
//
//	Entry ── Format.Append ──► one line ── Log.Write ──► bounded buffer ──► file
//
// A [Log] never makes a request wait for the disk: lines go to a buffer that one
// goroutine writes out. When the disk refuses and the buffer is full, whole
// lines are dropped and counted.
package accesslog
