package faults

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// webSocket is the client's end of a WebSocket (RFC 6455): whole messages, one frame
// each, masked with zeros.
type webSocket struct {
	t  *testing.T
	c  net.Conn
	br *bufio.Reader
}

// Opcodes of frames.
const (
	frameText, frameBinary, frameClose = 1, 2, 8
)

// openSocket does the handshake; fields are further lines of the request's head.
func openSocket(t *testing.T, addr, fields string) *webSocket {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	w := &webSocket{t: t, c: c, br: bufio.NewReader(c)}
	w.limit()
	fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n", fields)
	var head strings.Builder
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		line, err := w.br.ReadString('\n')
		if err != nil {
			t.Fatalf("after %q: %v", head.String(), err)
		}
		head.WriteString(line)
	}
	// The accept key of RFC 6455 1.3: it is the app that has switched.
	if s := head.String(); !strings.HasPrefix(s, "HTTP/1.1 101 ") || !strings.Contains(s, ": s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") {
		t.Fatalf("the handshake was answered %q", s)
	}
	return w
}

func (w *webSocket) limit() { w.c.SetDeadline(time.Now().Add(patience)) }

func (w *webSocket) send(opcode byte, data []byte) {
	w.t.Helper()
	w.limit()
	head := []byte{0x80 | opcode, 0x80}
	switch n := len(data); {
	case n < 126:
		head[1] |= byte(n)
	case n < 1<<16:
		head[1] |= 126
		head = binary.BigEndian.AppendUint16(head, uint16(n))
	default:
		head[1] |= 127
		head = binary.BigEndian.AppendUint64(head, uint64(n))
	}
	head = append(head, 0, 0, 0, 0) // the mask
	if _, err := w.c.Write(append(head, data...)); err != nil {
		w.t.Fatalf("send %d bytes: %v", len(data), err)
	}
}

// receive returns the next message, which may come in several frames.
func (w *webSocket) receive() (opcode byte, data []byte) {
	w.t.Helper()
	w.limit()
	for {
		first, part := w.frame()
		data = append(data, part...)
		if op := first & 0x0f; op != 0 {
			opcode = op
		}
		if first&0x80 != 0 {
			return opcode, data
		}
	}
}

func (w *webSocket) frame() (first byte, data []byte) {
	w.t.Helper()
	head := w.read(2)
	n := uint64(head[1])
	switch n {
	case 126:
		n = uint64(binary.BigEndian.Uint16(w.read(2)))
	case 127:
		n = binary.BigEndian.Uint64(w.read(8))
	}
	if n > 16<<20 {
		w.t.Fatalf("a frame of %d bytes", n)
	}
	return head[0], w.read(int(n))
}

func (w *webSocket) read(n int) []byte {
	w.t.Helper()
	data := make([]byte, n)
	if _, err := io.ReadFull(w.br, data); err != nil {
		w.t.Fatalf("read %d bytes of a frame: %v", n, err)
	}
	return data
}

func (w *webSocket) echo(opcode byte, data []byte) {
	w.t.Helper()
	w.send(opcode, data)
	if op, got := w.receive(); op != opcode || !bytes.Equal(got, data) {
		w.t.Fatalf("%d bytes of opcode %d came back as %d of %d", len(data), opcode, len(got), op)
	}
}

// ask sends a text and returns the text that comes back.
func (w *webSocket) ask(text string) string {
	w.t.Helper()
	w.send(frameText, []byte(text))
	_, got := w.receive()
	return string(got)
}

// close does the closing handshake, to which the app answers and then ends.
func (w *webSocket) close() {
	w.t.Helper()
	w.send(frameClose, []byte{0x03, 0xe8})
	if op, code := w.receive(); op != frameClose || len(code) < 2 || binary.BigEndian.Uint16(code) != 1000 {
		w.t.Errorf("the close was answered with opcode %d, %x", op, code)
	}
	if rest, err := io.ReadAll(w.br); len(rest) > 0 || err != nil {
		w.t.Errorf("behind the close: %q, %v", rest, err)
	}
	w.c.Close()
}
