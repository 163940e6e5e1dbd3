package link

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// writeTimeout is how long the other side may take to make room for one message.
// It only reads and dispatches, so one that takes longer hangs.
const writeTimeout = 10 * time.Second

// ErrClosed is returned by calls on a connection that was closed on this side.
var ErrClosed = errors.New("link: connection closed")

// Conn is one end of the link. Send, Call, Reply and Close may be used from any
// goroutine; Hello, Receive and Serve from one at a time.
type Conn struct {
	sock         *net.UnixConn
	oob          []byte // for Receive
	writeTimeout time.Duration

	writing sync.Mutex // one message at a time

	mu    sync.Mutex // guards what follows
	calls map[uint64]chan Message
	last  uint64 // ID of the newest call
	err   error  // why the connection is closed; nil while it is open
	done  chan struct{}
}

// Pair makes a link: this side's end, and the other as a file to be inherited by
// the proxy, which gives its number to [Open]. The caller closes the file when
// the proxy has started.
func Pair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("link: socketpair: %w", err)
	}
	c, err := Open(uintptr(fds[0]))
	if err != nil {
		_ = unix.Close(fds[1])
		return nil, nil, err
	}
	return c, os.NewFile(uintptr(fds[1]), "link"), nil
}

// Open takes over the descriptor of an end of the link; it belongs to the
// connection from here on, or is closed when Open fails.
func Open(fd uintptr) (*Conn, error) {
	unix.CloseOnExec(int(fd))
	if err := checkSocket(int(fd)); err != nil {
		_ = unix.Close(int(fd))
		return nil, fmt.Errorf("link: descriptor %d: %w", fd, err)
	}
	file := os.NewFile(fd, "link")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("link: descriptor %d: %w", fd, err)
	}
	return &Conn{
		sock:         conn.(*net.UnixConn), // checkSocket saw AF_UNIX and SOCK_STREAM
		oob:          make([]byte, unix.CmsgSpace(4*(MaxFiles+3))),
		writeTimeout: writeTimeout,
		calls:        map[uint64]chan Message{},
		done:         make(chan struct{}),
	}, nil
}

func checkSocket(fd int) error {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return err
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return err
	}
	if domain != unix.AF_UNIX || kind != unix.SOCK_STREAM {
		return errors.New("expected a unix stream socket")
	}
	return nil
}

// Send sends one message that expects no answer when id is 0. Either the whole
// message goes out or an error comes back; a message that is too large or has more
// than [MaxFiles] files is refused and changes nothing, any other error closes the
// connection. The files stay the caller's and must stay open until Send returns.
func (c *Conn) Send(typ string, id uint64, body any, files ...*os.File) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("link: body of %s message: %w", typ, err)
	}
	return c.send(Message{Type: typ, ID: id, Body: raw}, files)
}

func (c *Conn) send(m Message, files []*os.File) error {
	frame, err := encode(m, len(files))
	if err != nil {
		return fmt.Errorf("link: %w", err)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.failure(); err != nil {
		return err
	}
	_ = c.sock.SetWriteDeadline(time.Now().Add(c.writeTimeout))
	if err := writeFrame(c.sock, frame, files); err != nil {
		return c.fail(fmt.Errorf("link: send %s: %w", m.Type, err))
	}
	return nil
}

// Receive waits for the next message. The descriptors are close-on-exec and the
// caller's to close. At the end of the connection the error is io.EOF; a message
// that is too large, truncated or malformed is an error that closes it.
func (c *Conn) Receive() (Message, []*os.File, error) {
	m, files, err := readFrame(c.sock, c.oob)
	if err == nil {
		return m, files, nil
	}
	if ended(err) {
		return Message{}, nil, c.fail(io.EOF)
	}
	return Message{}, nil, c.fail(fmt.Errorf("link: receive: %w", err))
}

// Close closes the connection: calls that wait fail with [ErrClosed], and a Serve
// in another goroutine returns. Closing twice is harmless.
func (c *Conn) Close() error {
	_ = c.fail(ErrClosed)
	return nil
}

// fail closes the connection for the given reason, unless it is closed, and
// returns the reason that holds.
func (c *Conn) fail(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.err = err
	close(c.done)
	_ = c.sock.Close()
	return err
}

func (c *Conn) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
