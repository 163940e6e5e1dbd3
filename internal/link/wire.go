package link

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// MaxMessage is the largest JSON of one message, in bytes. What may be larger goes into a memfd.
	MaxMessage = 1 << 20
	// MaxFiles is the largest number of descriptors of one message. Linux takes 253 (SCM_MAX_FD).
	MaxFiles = 250

	headerSize = 8
)

// Message is one message, or the answer to one.
type Message struct {
	Type  string          `json:"type"`
	ID    uint64          `json:"id,omitempty"`    // 0: no answer is expected; a reply has the ID of its request
	Error string          `json:"error,omitempty"` // of a reply: why the request was refused
	Body  json.RawMessage `json:"body,omitempty"`
}

// Decode reads the body into v.
func (m Message) Decode(v any) error {
	if len(m.Body) == 0 {
		return fmt.Errorf("%s message without a body", m.Type)
	}
	if err := json.Unmarshal(m.Body, v); err != nil {
		return fmt.Errorf("body of %s message: %w", m.Type, err)
	}
	return nil
}

// encode returns header and JSON of a message.
func encode(m Message, files int) ([]byte, error) {
	if files > MaxFiles {
		return nil, fmt.Errorf("%s message with %d descriptors; expected at most %d", m.Type, files, MaxFiles)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("%s message: %w", m.Type, err)
	}
	if len(text) > MaxMessage {
		return nil, fmt.Errorf("%s message of %d bytes; expected at most %d", m.Type, len(text), MaxMessage)
	}
	frame := make([]byte, headerSize, headerSize+len(text))
	binary.BigEndian.PutUint32(frame, uint32(len(text)))
	binary.BigEndian.PutUint32(frame[4:], uint32(files))
	return append(frame, text...), nil
}

// decodeHeader returns the length of the JSON and the number of descriptors.
func decodeHeader(header []byte) (length, files int, err error) {
	n, f := binary.BigEndian.Uint32(header), binary.BigEndian.Uint32(header[4:])
	if n == 0 || n > MaxMessage {
		return 0, 0, fmt.Errorf("message of %d bytes; expected 1 to %d", n, MaxMessage)
	}
	if f > MaxFiles {
		return 0, 0, fmt.Errorf("message with %d descriptors; expected at most %d", f, MaxFiles)
	}
	return int(n), int(f), nil
}

// decodeMessage reads the JSON of a message.
func decodeMessage(text []byte) (Message, error) {
	var m Message
	if err := json.Unmarshal(text, &m); err != nil {
		return Message{}, fmt.Errorf("malformed message: %w", err)
	}
	if m.Type == "" {
		return Message{}, errors.New("malformed message: it has no type")
	}
	return m, nil
}

// writeFrame writes the whole frame; the descriptors go with its first byte.
func writeFrame(sock *net.UnixConn, frame []byte, files []*os.File) error {
	sent := 0
	if len(files) > 0 {
		fds, err := descriptors(files)
		if err != nil {
			return err
		}
		sent, _, err = sock.WriteMsgUnix(frame, unix.UnixRights(fds...), nil)
		runtime.KeepAlive(files)
		if err != nil {
			return err
		}
	}
	if sent == len(frame) {
		return nil
	}
	_, err := sock.Write(frame[sent:])
	return err
}

// descriptors returns the numbers without File.Fd, which may make the descriptor
// blocking for everybody who shares it.
func descriptors(files []*os.File) ([]int, error) {
	fds := make([]int, len(files))
	for i, f := range files {
		raw, err := f.SyscallConn()
		if err != nil {
			return nil, fmt.Errorf("descriptor %d: %w", i, err)
		}
		if err := raw.Control(func(fd uintptr) { fds[i] = int(fd) }); err != nil {
			return nil, fmt.Errorf("descriptor %d: %w", i, err)
		}
	}
	return fds, nil
}

// readFrame reads one message. At the end between two messages the error is io.EOF.
// Whatever the error, no descriptor stays open.
func readFrame(sock *net.UnixConn, oob []byte) (m Message, files []*os.File, err error) {
	defer func() {
		if err != nil {
			CloseAll(files)
			files = nil
		}
	}()
	var header [headerSize]byte
	if files, err = readHeader(sock, header[:], oob); err != nil {
		return Message{}, files, err
	}
	length, count, err := decodeHeader(header[:])
	if err != nil {
		return Message{}, files, err
	}
	if count != len(files) {
		return Message{}, files, fmt.Errorf("%d of %d descriptors arrived (too many open files?)", len(files), count)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(sock, text); err != nil {
		return Message{}, files, truncated(err)
	}
	m, err = decodeMessage(text)
	return m, files, err
}

// readHeader fills header and collects the descriptors that come with it. It never
// reads past the header, so the kernel cannot hand over those of the next message.
func readHeader(sock *net.UnixConn, header, oob []byte) ([]*os.File, error) {
	var files []*os.File
	for read := 0; read < len(header); {
		n, oobn, flags, _, err := sock.ReadMsgUnix(header[read:], oob)
		got, perr := parseRights(oob[:oobn])
		files = append(files, got...)
		switch {
		case err == nil && n == 0:
			err = io.EOF
		case err == nil && perr != nil:
			err = fmt.Errorf("control message: %w", perr)
		case err == nil && flags&unix.MSG_CTRUNC != 0:
			err = errors.New("not all descriptors arrived (too many open files?)")
		}
		if err != nil && read+n > 0 {
			err = truncated(err)
		}
		if err != nil {
			return files, err
		}
		read += n
	}
	return files, nil
}

// parseRights turns control messages into files.
func parseRights(oob []byte) ([]*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	controls, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for _, c := range controls {
		fds, err := unix.ParseUnixRights(&c)
		if err != nil {
			continue // another kind of control message holds no descriptors
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "link"))
		}
	}
	return files, nil
}

// truncated is what an end inside a message is called.
func truncated(err error) error {
	if ended(err) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ended reports the end of the connection. A peer that died with unread messages
// resets it, which is the same end as a close.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
}
