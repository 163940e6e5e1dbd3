package proxy

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"paddock/accesslog"
	"paddock/proxy/http1"
	"paddock/proxy/netpoll"
)

// exchange is one request and its answer, with the snapshot that it began with.
// It is pooled. Everything borrowed from its buffers ends with the request.
type exchange struct {
	accesslog.Entry
	conn    *conn
	inline  bool      // on the poller's goroutine: nothing may wait
	broken  bool      // it panicked: what it holds is not known, so that no other request may have it
	stage   stage     // where it goes on
	refused error     // why, in stageSettle and stageMalformed
	wait    error     // errAwait or errDetach: what it waits for
	now     time.Time // when the poller came to it; for inline
	snap    *snapshot
	server  *server
	place   *location

	req        http1.Request
	in         []byte // the client's bytes: in[:head] the head, in[start:end] not yet taken
	head       int
	start, end int
	body       body

	believed      bool   // the peer is a trusted proxy
	outside       bool   // and its forwarded fields say what the client asked for
	remote        []byte // $remote_addr: the client's
	forwarded     []byte // memory of ForwardedFor
	forwardedHost []byte // the host that a trusted proxy was asked for; nil: ours

	keepAlive bool  // another request may follow on the connection
	unread    bool  // the client may still be sending: close so that it sees the answer
	sent      bool  // the head of the answer went out, whole or in part
	interim   int64 // bytes sent before it
	buffered  bool  // what the client leaves of the answer waits in the backlog
	reset     bool  // only a reset tells the client that the answer is not whole
	backlog   backlog

	proof string // the answer to an ACME authority's challenge; "": it is no such request

	upgrade  bool // a WebSocket is asked for
	upgraded bool // and granted

	chunked    bool // how the client is told where a proxied answer ends
	untilClose bool

	detour   detour
	added    added
	gzip     *gzipStream // nil: the body goes out as it is
	gzipVary bool

	upstream *upstream
	grant    *generation   // let through by the queue
	reading  *traffic      // that counts its head as being read; nil: it does not
	counters *siteCounters // that count it as in flight; nil before it is routed
	waiter   waiter
	queued   time.Time // since when it waits there; zero when it does not
	try      try

	out     []byte // the head of the answer
	sentOut sentHead
	scratch []byte
	page    []byte
	iov     [5][]byte

	onAnswer netpoll.Handler // these two are made once
	onDetach func()
}

var exchanges = sync.Pool{New: func() any { return &exchange{in: make([]byte, clientBufferSize)} }}

// newExchange returns an exchange for the next request of c. It begins inline.
func newExchange(c *conn, now time.Time) *exchange {
	x := exchanges.Get().(*exchange)
	if x.onAnswer == nil {
		x.onAnswer, x.onDetach = x.answerCame, x.detached
	}
	x.conn, x.inline, x.stage, x.now = c, true, stageNew, now
	x.start, x.end = 0, 0
	return x
}

func (x *exchange) release() {
	if x.broken {
		return
	}
	if len(x.in) > clientBufferSize {
		x.in = make([]byte, clientBufferSize)
	}
	x.conn = nil
	exchanges.Put(x)
}

// advance takes the request as far as it can: to its end, or to where it waits. Its stage
// tells where to go on.
func (x *exchange) advance() error {
	if x.stage == stageNew {
		x.begin()
	}
	if x.stage == stageHead {
		err := x.readHead()
		if waits(err) || err == errIdle || err == errNoRequest || err == errHTTP2 {
			return err
		}
		if err != nil {
			x.stage, x.refused = stageMalformed, err
		}
	}
	if x.stage == stageMalformed {
		if x.inline && x.snap.waits {
			return errDetach
		}
		x.finish(x.refused)
	}
	if x.stage < stageFlush {
		err := x.serve()
		if waits(err) {
			return err
		}
		x.finish(err)
	}
	if err := x.flush(); err != nil {
		return err
	}
	x.record()
	return nil
}

// begin readies x for the next request of its connection. Bytes that came with
// the last one move to the front.
func (x *exchange) begin() {
	x.end = copy(x.in, x.in[x.start:x.end])
	x.start, x.head = 0, 0
	tries := x.Upstream[:0]
	x.Entry = accesslog.Entry{Conn: &x.conn.info, Upstream: tries, Pipelined: x.end > 0 && x.conn.requests > 0}
	x.req.Reset()
	x.snap, x.server, x.place, x.upstream, x.counters = nil, nil, nil, nil, nil
	x.keepAlive, x.unread, x.sent, x.interim = false, false, false, 0
	x.chunked, x.untilClose = false, false
	x.buffered, x.reset = false, false
	x.upgrade, x.upgraded = false, false
	x.proof = ""
	x.detour.reset()
	x.out = x.out[:0]
	x.try.reset()
	x.stage = stageHead
	if x.end > 0 {
		x.startClock()
	}
}

var (
	errNoRequest = errors.New("the connection ended between two requests")
	errIdle      = errors.New("no byte of a request is there")
	errHTTP2     = errors.New("the connection speaks HTTP/2")
)

// readHead reads the head of a request. It returns errNoRequest when no byte of
// one came: nobody is answered and nothing is logged then, as in nginx.
func (x *exchange) readHead() error {
	for {
		if more, err := x.preface(); err != nil {
			x.unrequested()
			return err
		} else if x.end > 0 && !more {
			n, err := x.req.Parse(x.in[:x.end], &x.server.head)
			if err == nil {
				x.doneReading()
				x.head, x.start = n, n
				x.stage = stageRoute
				x.note()
				if x.conn.stream != nil {
					if err := x.noteStream(); err != nil {
						return x.badHead(err)
					}
				}
				return nil
			}
			if err != http1.ErrIncomplete {
				x.doneReading()
				return x.badHead(err)
			}
		}
		if err := x.readMore(); err == netpoll.ErrWouldBlock {
			return x.headLater()
		} else if err != nil {
			x.doneReading()
			return x.cutHead(err)
		}
	}
}

// headLater is for a head that is not there, or not whole.
func (x *exchange) headLater() error {
	if x.end == 0 {
		return errIdle
	}
	return errDetach
}

// startClock begins the time of a request with its first byte: from then on the
// whole head has client_header_timeout, which no later byte sets anew.
func (x *exchange) startClock() {
	x.snap = x.conn.proxy.snap.Load()
	x.server = x.snap.fallback(x.conn.listener)
	x.Start = x.conn.proxy.when(x.clock())
	x.beginReading()
	x.conn.requests++
	x.ConnectionRequests = x.conn.requests
	x.conn.setReadDeadline(x.until(x.server.headerTimeout))
}

// unrequested takes back what startClock counted: what came is no request.
func (x *exchange) unrequested() {
	x.doneReading()
	x.conn.requests--
}

func (x *exchange) readMore() error {
	if x.end == len(x.in) { // only large_client_header_buffers above the default lead here
		x.in = append(make([]byte, 0, 2*len(x.in)), x.in...)[:2*len(x.in)]
	}
	n, err := x.readClient(x.in[x.end:])
	if n > 0 && x.end == 0 {
		x.end = n
		x.startClock()
		return nil
	}
	x.end += n
	if n > 0 {
		return nil
	}
	return err
}

// cutHead says what it means that the connection ended or stalled before the
// head was whole.
func (x *exchange) cutHead(err error) error {
	if x.end == 0 {
		return errNoRequest
	}
	x.noteLine()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSlowClient
	case errors.Is(err, netpoll.ErrInterrupted):
		return errNoRequest
	}
	return errClientCut
}

// badHead refuses a malformed head. What came with it is thrown away: where a
// next request would begin is unknown.
func (x *exchange) badHead(err error) error {
	x.noteLine()
	x.start, x.end, x.unread = 0, 0, true
	var e *http1.Error
	if !errors.As(err, &e) {
		return errBadBody
	}
	r := &refusal{status: e.Status, cause: err, reason: headReason(e)}
	if e.Rule == http1.RuleHeadTooLarge {
		r.text = "Request Header Or Cookie Too Large"
	}
	return r
}

// note fills in what the log and $variables know of a request.
func (x *exchange) note() {
	r := &x.req
	x.noteTarget()
	x.Request = r
	x.Chunked = r.Chunked
	x.upgrade = asksForWebSocket(r)
	x.believed, x.outside, x.remote, x.forwardedHost = false, false, x.conn.remote, nil
	x.ForwardedFor, x.ForwardedProto = x.remote, x.conn.info.Scheme
	binary.NativeEndian.PutUint64(x.RequestID[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(x.RequestID[8:], rand.Uint64())
	x.HasID = true
}

// finish ends the request: what it held is given back, and the client gets the
// refusal when there is one.
func (x *exchange) finish(err error) {
	x.stage = stageFlush
	x.letGo()
	x.endTry()
	if err == errClientGone {
		x.conn.interrupt() // what it left is for nobody
	}
	if err != nil {
		x.refuse(err)
	}
	x.noteRefusal(err)
	x.dropGzip()
}

// record writes the access log line of the request. The place decides where; a
// request that was never routed is of the address's default server.
func (x *exchange) record() {
	x.stage = stageNew
	if x.sent {
		x.HeaderSent = min(x.BytesSent-x.interim, int64(len(x.out)))
	}
	if x.conn.stream != nil {
		x.conn.stream.end(&x.Entry)
	}
	x.End = x.conn.proxy.when(x.clock())
	x.count()
	x.traffic().requests.Add(1)
	if x.place == nil || x.place == x.server.whole { // nobody has looked for a location
		x.Root, x.RootPath = x.server.whole.documentRoot()
	}
	for _, t := range x.rules().logs {
		t.write(&x.Entry)
	}
	x.body.drop()  // $request_body lies in it
	x.dropBuffer() // $upstream_http_NAME lies in it
}

// rules returns the settings of the request's place, or of its server before
// there is one.
func (x *exchange) rules() *settings {
	if x.place != nil {
		return &x.place.settings
	}
	return &x.server.settings
}
