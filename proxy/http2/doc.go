// Package http2 is the server's side of HTTP/2 (RFC 9113) on one connection:
// frames, flow control, the life of streams, and the bounds of all of these. It
// opens no socket and knows no policy: each request is handed to a handler as the
// head of an HTTP/1.1 message, for the same parser and the same rules as all other
// requests, and each answer comes back as one.
//
//	client ─► readFrame ─► take… ─► Stream ──► handler
//	client ◄─ writer ◄──── out ◄─── Send ◄────────┘
//
// One goroutine reads (Serve) and one writes; there is neither while the connection is
// idle (ErrIdle). A handler begins on the reader's and
// goes on wherever it likes. What they share is guarded by one mutex of the connection;
// nobody holds it while a system call is made. The reader never waits for the client to
// take bytes: what it has to answer goes into the outgoing buffer, and everything
// that a client may make it do is paid for from two token buckets, which hold for
// the connection as a whole: one for streams that end other than by an answer,
// whoever reset them, and one for frames that carry nothing. A client that empties
// one gets GOAWAY with ENHANCE_YOUR_CALM.
//
// Fields are decoded by golang.org/x/net/http2/hpack. Answers are encoded without
// a dynamic table: the tables of a thousand idle connections are memory, and no
// state means that no order has to be kept.
package http2
