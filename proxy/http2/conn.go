package http2

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"
)

// Transport is what a connection is read from and written to: a TCP connection, or
// TLS on it. A Read that has timed out may be called again.
type Transport interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	Close() error
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// Preface is what a client begins with (RFC 9113 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Conn is one connection. Shutdown may be called from any goroutine.
type Conn struct {
	nc     Transport
	cfg    Config
	handle func(*Stream)

	// The reader's own.
	begin      []byte // read before Serve and not yet moved to in
	in         []byte
	start, end int // in[start:end] was read and not yet taken
	decoder    *hpack.Decoder
	block      block
	head       openHead
	greeted    bool // the client's SETTINGS have come

	handlers sync.WaitGroup

	mu       sync.Mutex    // guards what follows, and the streams
	work     sync.Cond     // the writer waits for it
	writing  bool          // it runs, or has failed
	written  chan struct{} // closed when it has ended
	parked   bool          // no reader, and soon no writer
	out      []byte        // what is to be written
	spare    []byte        // the buffer that is being written, or was
	taken    uint64        // bytes that the writer has taken from out, ever,
	gone     uint64        // and those that the client's side has taken of them
	mark     uint64        // what gone is when all DATA is out
	closing  bool          // nothing is to come behind what out holds
	failed   error         // why the connection is over; nil while it is not
	phase    phase
	drained  *time.Timer
	streams  map[uint32]*Stream
	live     int       // streams that count against MaxStreams
	idle     time.Time // since when there is no stream
	lastID   uint32    // of the last stream that was opened
	requests int
	late     late

	window     int64 // that the client has left for all streams
	initial    int64 // window that a stream of the client's begins with
	credit     int   // bytes of bodies that the client may still send
	unreturned int   // bytes of bodies that were taken and not yet given back
	noTable    bool  // the next block has to say that there is no dynamic table
	blocked    queue // streams that wait for the connection's window, or for room
	resets     bucket
	control    bucket
}

// phase is how far the end of a connection has come.
type phase uint8

const (
	serving  phase = iota
	winding        // the client was told to open no more streams; those on their way are served
	draining       // it has heard: streams above lastID are nobody's
)

// openHead is a head whose END_HEADERS has not come.
type openHead struct {
	stream        uint32 // 0: none
	kind          headKind
	end           bool // of the stream
	depends       bool // on itself
	continuations int
	size          int // encoded
}

type headKind uint8

const (
	headRequest headKind = iota
	headTrailers
	headLate // of a stream that is over: decoded and dropped
)

// NewConn returns a connection that has just been accepted. handle is called for
// each request by the reader, which waits for it to return; the stream lives on until
// its Close.
func NewConn(nc Transport, cfg Config, handle func(*Stream)) *Conn {
	now := time.Now()
	c := &Conn{
		nc: nc, cfg: cfg.withDefaults(), handle: handle,
		streams: map[uint32]*Stream{}, idle: now,
		window: firstWindow, initial: firstWindow, credit: connWindow,
		resets:  newBucket(resetBurst, resetsPerSecond, now),
		control: newBucket(controlBurst, controlPerSecond, now),
	}
	c.work.L = &c.mu
	c.block.maxSize, c.block.maxFields = c.cfg.MaxHead, c.cfg.MaxFields
	c.decoder = newDecoder(c.block.take)
	return c
}

var (
	readBuffers  = sync.Pool{New: func() any { return new([readBuffer]byte) }}
	smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
)

// ErrIdle is what Serve and Resume return when there has been no stream for a while.
// The connection then has neither goroutine nor buffer. Resume goes on, when there is
// something to read or the read deadline has passed.
var ErrIdle = errors.New("http2: the connection is idle")

// Serve serves the connection until it is over, and closes it, or until it is idle.
// begin is what was read of it already; it stays as it is. At the end every stream is
// closed. The error says why it ended: nil when neither side did anything wrong.
func (c *Conn) Serve(begin []byte) error {
	c.begin = begin
	c.greet()
	return c.serve(c.readFirst)
}

// Resume goes on with an idle connection, as Serve.
func (c *Conn) Resume() error {
	c.unpark()
	return c.serve(c.readFrames)
}

// unpark has the reader look at the clock again in a while, unless the time of the
// connection is over.
func (c *Conn) unpark() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parked = false
	if left := time.Until(c.idle.Add(c.cfg.IdleTimeout)); left > 0 {
		_ = c.setUntil(time.Now().Add(min(left, parkAfter))) // an error is the next Read's
	}
}

func (c *Conn) serve(read func() error) error {
	c.in = smallBuffers.Get().(*[smallBuffer]byte)[:]
	defer c.giveIn()
	err := guard(read)
	if err == ErrIdle {
		return err
	}
	c.fail(err)
	err = c.flushed(err)
	if err != io.EOF && err != ErrClosed {
		c.linger()
	}
	c.nc.Close()
	c.handlers.Wait()
	if err == io.EOF || err == errOver {
		return nil
	}
	return err
}

// greet sends our SETTINGS, and opens the connection's window: that of a stream is
// to bound a body.
func (c *Conn) greet() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = appendSettings(c.out, c.cfg.MaxStreams, c.cfg.BodyWindow)
	c.out = appendWindowUpdate(c.out, 0, connWindow-firstWindow)
	c.wake()
}

// errOver ends the reader when nobody did anything wrong: the connection was idle,
// or is drained.
var errOver = errors.New("http2: the connection is over")

// guard is the reader, or the writer. A panic ends this connection and no other.
func guard(work func() error) (err error) {
	defer caught(&err)
	return work()
}

func (c *Conn) readFirst() error {
	if err := c.setDeadline(c.cfg.HeaderTimeout); err != nil {
		return err
	}
	if err := c.readPreface(); err != nil {
		return err
	}
	return c.readFrames()
}

func (c *Conn) readFrames() error {
	for {
		f, err := c.readFrame()
		if err != nil {
			return err
		}
		if err := c.take(&f); err != nil {
			return err
		}
	}
}

func (c *Conn) readPreface() error {
	if err := c.fill(len(Preface)); err != nil {
		return err
	}
	if string(c.in[:len(Preface)]) != Preface {
		return protocolError("bad preface")
	}
	c.start = len(Preface)
	return nil
}

// readFrame returns the next frame; the last one's payload is gone.
func (c *Conn) readFrame() (f frame, err error) {
	if err := c.fill(frameHeader); err != nil {
		return f, err
	}
	h := c.in[c.start:]
	length := int(h[0])<<16 | int(h[1])<<8 | int(h[2])
	if length > maxFrame {
		return f, &connError{FrameSizeError, "frame too long"}
	}
	f.kind, f.flags = frameType(h[3]), h[4]
	f.stream = (uint32(h[5])<<24 | uint32(h[6])<<16 | uint32(h[7])<<8 | uint32(h[8])) & maxStreamID
	if err := c.fill(frameHeader + length); err != nil {
		return f, err
	}
	f.payload = c.in[c.start+frameHeader : c.start+frameHeader+length]
	c.start += frameHeader + length
	return f, nil
}

// fill reads until n bytes are there.
func (c *Conn) fill(n int) error {
	for c.end-c.start < n {
		c.makeRoom(n)
		if len(c.begin) > 0 {
			m := copy(c.in[c.end:], c.begin)
			c.begin, c.end = c.begin[m:], c.end+m
			continue
		}
		m, err := c.nc.Read(c.in[c.end:])
		c.end += m
		if m == 0 && err != nil {
			if err := c.timedOut(err); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeRoom readies in for n bytes behind start. A connection without a stream waits
// with its small buffer.
func (c *Conn) makeRoom(n int) {
	if c.start == c.end {
		c.start, c.end = 0, 0
		if len(c.in) > smallBuffer && c.isIdle() {
			c.giveIn()
			c.in = smallBuffers.Get().(*[smallBuffer]byte)[:]
		}
	}
	if len(c.in) == smallBuffer && (n > smallBuffer || c.end > 0) {
		buf := readBuffers.Get().(*[readBuffer]byte)
		n := copy(buf[:], c.in[c.start:c.end])
		c.giveIn()
		c.in, c.start, c.end = buf[:], 0, n
	}
	if c.start+n > len(c.in) {
		c.end = copy(c.in, c.in[c.start:c.end])
		c.start = 0
	}
}

// giveIn gives the buffer back.
func (c *Conn) giveIn() {
	if len(c.in) > smallBuffer {
		readBuffers.Put((*[readBuffer]byte)(c.in))
	} else {
		smallBuffers.Put((*[smallBuffer]byte)(c.in))
	}
	c.in = nil
}

func (c *Conn) isIdle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.streams) == 0
}

// timedOut judges an error of Read. A deadline is looked at only when it is over:
// nil means that it was none, and has been set anew.
func (c *Conn) timedOut(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.failed != nil:
		return c.failed
	case c.phase == draining && c.unused():
		return errOver
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return io.EOF
	case !c.greeted || c.head.stream != 0:
		return errOver
	}
	if !c.unused() {
		return c.setUntil(time.Now().Add(parkAfter))
	}
	end := c.idle.Add(c.cfg.IdleTimeout)
	switch rest := c.idle.Add(parkAfter); {
	case !time.Now().Before(end):
		return errOver
	case time.Now().Before(rest) && rest.Before(end):
		return c.setUntil(rest)
	}
	if err := c.setUntil(end); err != nil || c.start < c.end || len(c.out) > 0 {
		return err
	}
	c.parked, c.block.fields = true, nil
	c.work.Signal()
	return ErrIdle
}

// setDeadline sets the time for what is to be read next.
func (c *Conn) setDeadline(d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.setUntil(time.Now().Add(d))
}

// setUntil is setDeadline with mu held. A kick is not undone.
func (c *Conn) setUntil(t time.Time) error {
	switch {
	case c.failed != nil:
		return c.failed
	case c.phase == draining && c.unused():
		return errOver
	}
	return c.nc.SetReadDeadline(t)
}

// kick ends a Read. mu is held.
func (c *Conn) kick() { _ = c.nc.SetReadDeadline(time.Unix(1, 0)) } // one that is broken ends by itself

// fail ends the connection: its streams are over, and the client is told why.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		code := NoError
		switch e := err.(type) {
		case *connError:
			code = e.code
		case *Panic:
			code = InternalError
		}
		c.failed = ErrClosed
		c.out = appendGoAway(c.out, c.lastID, code)
	}
	for _, s := range c.streams {
		s.hangUp(ErrClosed)
	}
	if c.drained != nil {
		c.drained.Stop()
	}
	c.closing = true
	_ = c.nc.SetWriteDeadline(time.Now().Add(closeTimeout)) // one that is broken fails by itself
	c.wake()
}

// linger says that nothing more comes, and swallows what the client still sends
// (RFC 9112 9.6).
func (c *Conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.nc.SetReadDeadline(time.Now().Add(lingerTimeout)) != nil {
		return
	}
	for got := 0; got < lingerBytes; {
		n, err := c.nc.Read(c.in)
		if err != nil {
			return
		}
		got += n
	}
}

// Shutdown has the client open no more streams; those that it has opened, and
// those on their way, are served, and then the connection is closed.
func (c *Conn) Shutdown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.windUp()
}

// Idle reports whether no stream is open, how much time the connection has left then,
// and whether it is about to end.
func (c *Conn) Idle() (left time.Duration, idle, ending bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cfg.IdleTimeout - time.Since(c.idle), c.unused(), c.phase != serving
}

// drainPing is the PING whose answer says that the client has seen the GOAWAY
// before it (RFC 9113 6.8).
var drainPing = [8]byte{'p', 'a', 'd', 'd', 'o', 'c', 'k', '!'}

// windUp begins the end. mu is held.
func (c *Conn) windUp() {
	if c.phase != serving || c.failed != nil {
		return
	}
	c.phase = winding
	c.out = appendGoAway(c.out, maxStreamID, NoError)
	c.out = appendPing(c.out, 0, drainPing)
	c.drained = time.AfterFunc(drainTimeout, c.heard)
	c.wake()
}

// heard goes on when the client knows that it may open no more streams.
func (c *Conn) heard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != winding || c.failed != nil {
		return
	}
	c.phase = draining
	c.drained.Stop()
	c.out = appendGoAway(c.out, c.lastID, NoError)
	c.wake()
	c.endDrained()
}

// endDrained ends a connection whose last stream is over. mu is held.
func (c *Conn) endDrained() {
	if c.phase == draining && c.unused() {
		c.kick()
	}
}

// unused reports whether there is no stream, and no byte of a body is on its way out: a slow
// client may need longer for the last of an answer than a connection may be idle. Heads and
// other frames are not marked: they are small. mu is held.
func (c *Conn) unused() bool { return len(c.streams) == 0 && c.mark <= c.gone }
