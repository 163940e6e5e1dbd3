package proxy

import (
	"errors"

	"paddock/proxy/http1"
)

// framing takes a message body out of the bytes of a connection, in either
// direction.
type framing struct {
	kind   http1.Body
	left   int64 // of a body of known length
	chunks http1.ChunkReader
}

func (f *framing) reset(kind http1.Body, length int64) {
	f.kind, f.left = kind, length
	f.chunks.Reset()
}

// take consumes n bytes of buf. data is what of them is body, moved together in
// buf when it came in several chunks; it is valid until buf changes. done: the
// body has ended, and what follows n belongs to no one or to the next message. A
// body that lasts until the connection closes is never done here.
func (f *framing) take(buf []byte) (n int, data []byte, done bool, err error) {
	switch f.kind {
	case http1.None:
		return 0, nil, true, nil
	case http1.Length:
		data = buf[:min(int64(len(buf)), f.left)]
		f.left -= int64(len(data))
		return len(data), data, f.left == 0, nil
	case http1.Chunked:
		return f.takeChunks(buf)
	}
	return len(buf), buf, false, nil
}

func (f *framing) takeChunks(buf []byte) (n int, data []byte, done bool, err error) {
	for n < len(buf) && !done && err == nil {
		var used int
		var piece []byte
		used, piece, done, err = f.chunks.Next(buf[n:])
		data = join(buf, data, piece)
		n += used
	}
	return n, data, done, err
}

// join moves piece behind data; both are parts of buf, data in front.
func join(buf, data, piece []byte) []byte {
	if len(data) == 0 {
		return piece
	}
	return append(data, piece...) // in place: both share buf, and what lay between was framing
}

var errBroken = errors.New("the message broke off")

// end tells whether the body may end where the connection closed.
func (f *framing) end() error {
	if f.kind == http1.UntilClose {
		return nil
	}
	return errBroken
}
