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
	fresh   bool // no idle connection any more: one has let us down
	began   time.Time
	out     []byte // the head of the request
	answer  http1.Response
	framing framing
	buf     *[upstreamBufferSize]byte // buf[:head] the answer's head, buf[start:end] not yet taken
	head    int
	start   int
	end     int
	sending chan error // of the goroutine that sends a body from a file; nil when none does
	sendErr error
}

func (t *try) reset() {
	t.turn.reset()
	t.fresh = false
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
		if err == nil {
			return nil
		}
		x.hangUp(false)
		if x.conn.gone.Load() {
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

func (x *exchange) callOnce() error {
	if err := x.connect(); err != nil {
		return err
	}
	if err := x.send(); err != nil {
		return err
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
	x.beginTry(peer.text)
	if !t.fresh && x.mayReuse(&peer.pool) {
		t.conn = peer.pool.get()
	}
	if t.conn == nil {
		if t.conn, err = x.dial(peer); err != nil {
			return x.connectFailed(err)
		}
	}
	x.last().Connect = time.Since(t.began)
	return x.announceCall()
}

// announceCall tells hungUp which connection to interrupt.
func (x *exchange) announceCall() error {
	x.conn.calling.Store(x.try.conn.Conn)
	if x.conn.gone.Load() {
		return errClientGone
	}
	return nil
}

const dialSlice = 250 * time.Millisecond // of a wait for a full backlog: how late a client that left is noticed

// dial connects within proxy_connect_timeout. While the backlog of a unix socket
// is full it waits, where nginx answers 502 (gunicorn issue 2433).
func (x *exchange) dial(p *peer) (*peerConn, error) {
	poller := x.conn.proxy.poller
	end := x.until(x.place.connectTimeout)
	if !p.address.dial.IsUnix() {
		return p.dial(poller, end)
	}
	for {
		next := x.until(dialSlice)
		last := !next.Before(end)
		if last {
			next = end
		}
		c, err := p.dial(poller, next)
		if err == nil || last || x.conn.gone.Load() || !errors.Is(err, syscall.EAGAIN) {
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
	t.began, t.sendErr = time.Now(), nil
	t.start, t.end = 0, 0
	t.answer.Reset()
	if x.detour.separate {
		x.detour.separate = false
		x.Upstream = append(x.Upstream, accesslog.Try{}) // nginx: " : "
	}
	x.Upstream = append(x.Upstream, accesslog.Try{Addr: addr, Connect: -1, Header: -1, Response: -1})
}

func (x *exchange) last() *accesslog.Try { return &x.Upstream[len(x.Upstream)-1] }

// hangUp ends the use of the app's connection: it is kept when it may serve
// another request, else closed.
func (x *exchange) hangUp(keep bool) {
	t := &x.try
	c := t.conn
	if c == nil {
		return
	}
	t.conn = nil
	keep = keep && x.sendFailure() == nil && t.sending == nil
	if t.sending != nil {
		c.Interrupt()
		x.stopSending()
	}
	x.conn.calling.Store(nil)
	if keep {
		// hungUp may hold the pointer still: it must not interrupt what is the pool's.
		x.conn.unwatch()
		if !x.conn.gone.Load() {
			c.peer.pool.put(c, time.Now())
			return
		}
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
