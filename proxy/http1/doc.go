// Package http1 reads and writes HTTP/1.x messages as bytes: heads of requests
// and responses, and the chunked coding, in both directions. It opens no socket,
// waits for nothing and decides nothing about who may ask for what.
//
// # Reading
//
// Parse takes what has arrived so far and says one of three things: the head is
// complete and so many bytes long, it needs more bytes (ErrIncomplete), or it is
// refused (*Error, with the status to answer and the rule behind it). Every byte
// is checked as soon as it is there, so that a TLS handshake on a clear port or a
// bad method fails at once.
//
//	buf → Request.Parse  → head  → ChunkReader.Next → body bytes
//	buf → Response.Parse → head  → Response.Body → ChunkReader.Next → body bytes
//
// What RFC 9112 leaves to the reader is refused, never repaired: bare LF, folded
// lines, blanks before a colon, lines without a colon, lengths given twice, a
// length beside a coding, codings other than one "chunked".
//
// Every slice of a parsed head points into the buffer that was given to Parse
// (Path forms that had to be rewritten: into the Request). It is valid until that
// buffer changes or Reset is called.
//
// # Forwarding
//
// Nothing of a received head goes on as it came. Names, order and values are kept
// but each field is written anew by AppendField, and those with Field.Drop set are
// left out: they belong to this connection, they were named in Connection, or
// they are written by whoever forwards (Host and the framing).
package http1
