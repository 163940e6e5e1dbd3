package proxy

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"paddock/accesslog"
	"paddock/proxy/http1"
)

// try is the state of a request on its way through one upstream server after
// another.
type try struct {
	conn    *peerConn
	turn    turn
	open    bool // the try under way has its entry in the log
	fresh   bool // no idle connection any more: one has let us down
	written int  // bytes of head and body in memory that were sent
	timed   bool // the wait for more of the answer has its deadline
	whole   bool // all of the request was sent, or is being sent
	interim int  // 1xx answers so far
	began   time.Time
	out     []byte // the head of the request
	answer  http1.Response
	framing framing
	buf     *[upstreamBufferSize]byte // buf[:head] the answer's head, buf[start:end] not yet taken
	head    int
	start   int
	end     int
	passed  passedBody // of a sender of a streamed body, when it has ended
	sending chan error // of the goroutine that sends a body from a file; nil when none does
	sendErr error
}

func (t *try) reset() {
	t.turn.reset()
	t.fresh, t.open = false, false
	t.answer.Reset()
	t.head, t.start, t.end = 0, 0, 0
	t.sendErr = nil
}

var upstreamBuffers = sync.Pool{New: func() any { return new([upstreamBufferSize]byte) }}

// errAgain asks for another try: nothing of the answer has come, and sending the
// request once more does no harm.
var errAgain = errors.New("try again")

// errStale says that the server closed an idle connection just as it was used
// (faults A14): that was no try, and the next one is made on a new connection.
var errStale = errors.New("the idle connection was closed")

// call gets the head of an answer to the request from one of the servers.
func (x *exchange) call() error {
	for {
		err := x.callOnce()
		if err == nil && x.unwanted() {
			err = errAgain
		}
		if err == nil || waits(err) {
			return err
		}
		x.hangUp(false)
		if x.gone() {
			x.last().Status = 0 // the server was given no chance (nginx: "-")
			x.last().Failed = 0
			return errClientGone
		}
		switch err {
		case errAgain:
		case errStale:
			x.try.fresh = true
			x.Upstream = x.Upstream[:len(x.Upstream)-1]
		default:
			x.complain(err)
			if !x.tryAgain(err) {
				return err
			}
		}
	}
}

// callOnce goes on where it stopped to wait.
func (x *exchange) callOnce() error {
	x.stage = stageCall
	if x.try.conn == nil {
		if err := x.connect(); err != nil {
			return err
		}
	}
	if !x.try.whole {
		if err := x.send(); err != nil {
			return err
		}
	}
	return x.readAnswer()
}

// connect takes an idle connection to the next server or makes one. Nothing has
// been sent when it fails, so that the next server may try.
func (x *exchange) connect() error {
	t := &x.try
	peer, err := x.choose()
	if err != nil {
		return err
	}
	if !t.open {
		x.beginTry(peer.text)
	}
	if !t.fresh {
		t.conn = peer.pool.get(x.conn.socket(), x.reusable())
	}
	if t.conn == nil {
		if t.conn, err = x.dial(peer); err == errDetach {
			return err
		} else if err != nil {
			return x.connectFailed(err)
		}
	}
	x.last().Connect = x.since(t.began)
	return x.announceCall()
}

// announceCall tells hungUp which connection to interrupt.
func (x *exchange) announceCall() error {
	if !x.place.ignoreAbort {
		x.conn.calling.Store(x.try.conn.Conn)
	}
	if x.gone() {
		return errClientGone
	}
	return nil
}

const dialSlice = 250 * time.Millisecond // of a wait for a full backlog: how late a client that left is noticed

// dial connects within proxy_connect_timeout. While the backlog of a unix socket
// is full it waits, where nginx answers 502 (gunicorn issue 2433).
func (x *exchange) dial(p *peer) (*peerConn, error) {
	poller := x.conn.proxy.poller
	if x.inline {
		return p.dialAtOnce(x.conn.socket(), poller)
	}
	end := x.until(x.place.connectTimeout)
	if !p.address.dial.IsUnix() {
		return p.dial(x.conn.socket(), poller, end)
	}
	for {
		next := x.until(dialSlice)
		last := !next.Before(end)
		if last {
			next = end
		}
		c, err := p.dial(x.conn.socket(), poller, next)
		if err == nil || last || x.gone() || !errors.Is(err, syscall.EAGAIN) {
			return c, err
		}
	}
}

func (x *exchange) connectFailed(err error) error {
	r := badGateway(err)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		r = gatewayTimeout(err)
	}
	x.failed(r)
	x.last().Failed = connectFailure(err)
	return r
}

// beginTry adds an entry to $upstream_addr and its like.
func (x *exchange) beginTry(addr string) {
	t := &x.try
	t.open, t.began, t.sendErr = true, x.clock(), nil
	t.written, t.whole, t.timed, t.interim = 0, false, false, 0
	t.start, t.end = 0, 0
	t.answer.Reset()
	if x.detour.separate {
		x.detour.separate = false
		x.Upstream = append(x.Upstream, accesslog.Try{}) // nginx: " : "
	}
	x.Upstream = append(x.Upstream, accesslog.Try{Addr: addr, Connect: -1, Header: -1, Response: -1})
}

// endTry ends the time of a try that the client did not wait for.
func (x *exchange) endTry() {
	if len(x.Upstream) > 0 && x.last().Response < 0 {
		x.last().Response = x.since(x.try.began)
	}
}

func (x *exchange) last() *accesslog.Try { return &x.Upstream[len(x.Upstream)-1] }

// hangUp ends the use of the app's connection: it is kept when it may serve
// another request, else closed.
func (x *exchange) hangUp(keep bool) {
	t := &x.try
	c := t.conn
	t.open = false
	if c == nil {
		return
	}
	t.conn = nil
	keep = keep && x.sendFailure() == nil && t.sending == nil
	if t.sending != nil {
		c.Interrupt()
		x.stopSending()
	}
	// Who takes it out of calling has it: what hungUp may interrupt can not be the pool's.
	ours := x.conn.calling.CompareAndSwap(c.Conn, nil) || x.place.ignoreAbort
	if ours && keep {
		c.peer.pool.put(c, x.clock())
		return
	}
	c.Close()
}

func (x *exchange) dropBuffer() {
	if x.try.buf != nil {
		upstreamBuffers.Put(x.try.buf)
		x.try.buf = nil
	}
}

// complain tells the log why an app did not answer.
func (x *exchange) complain(err error) {
	var r *refusal
	if !errors.As(err, &r) || r.cause == nil {
		return
	}
	x.conn.proxy.logger.Warn("no answer from upstream",
		zap.String("upstream", x.upstream.name), zap.String("address", x.last().Addr), zap.Int("status", r.status),
		zap.ByteString("request", x.Line), zap.String("client", x.Conn.RemoteAddr), zap.Error(r.cause))
}
