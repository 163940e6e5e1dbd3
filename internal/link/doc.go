// Package link carries messages between the keeper and the proxy over a stream
// socketpair. It imports nothing of ours.
//
// # On the wire
//
// A message is a header of eight bytes and then JSON:
//
//	4 bytes  length of the JSON, big-endian, 1 to 1 MiB
//	4 bytes  number of descriptors, big-endian, 0 to 250
//	JSON     {"type": "probe", "id": 7, "body": {…}}
//
// Descriptors travel as SCM_RIGHTS with the first byte of the header. What is
// larger than a message (the configuration, key material) travels as a sealed
// memfd: see [SealedMemfd] and [ReadMemfd].
//
// # In use
//
// Each side says [Conn.Hello] once and then runs [Conn.Serve] in a goroutine that
// it waits for. Requests go out with [Conn.Call], which waits for the answer, or
// with [Conn.Send], which does not; the other side's arrive at Serve's handler and
// are answered with [Conn.Reply]:
//
//	err := conn.Serve(func(m link.Message, files []*os.File) {
//		switch m.Type {
//		case link.TypeDescriptors:
//			gather.Add(m, files)
//		case link.TypeProbe:
//			go answerProbe(conn, m)
//		default:
//			conn.Refuse(m)
//		}
//	})
//
// Serve returns io.EOF when the other side has closed or died.
package link
