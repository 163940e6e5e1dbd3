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
	conn   *conn
	snap   *snapshot
	server *server
	place  *location

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

	keepAlive bool // another request may follow on the connection
	unread    bool // the client may still be sending: close so that it sees the answer
	sent      bool // the head of the answer went out, whole or in part

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
	counters *siteCounters // that count it as in flight; nil before it is routed
	waiter   waiter
	try      try

	out     []byte // the head of the answer
	sentOut sentHead
	scratch []byte
	page    []byte
	iov     [5][]byte
}

var exchanges = sync.Pool{New: func() any {
	return &exchange{in: make([]byte, clientBufferSize)}
}}

func newExchange(c *conn) *exchange {
	x := exchanges.Get().(*exchange)
	x.conn = c
	x.start, x.end = 0, 0
	return x
}

func (x *exchange) release() {
	x.conn = nil
	exchanges.Put(x)
}

// begin readies x for the next request of its connection. Bytes that came with
// the last one move to the front.
func (x *exchange) begin() {
	x.end = copy(x.in, x.in[x.start:x.end])
	x.start, x.head = 0, 0
	tries := x.Upstream[:0]
	x.Entry = accesslog.Entry{Conn: &x.conn.info, Upstream: tries, Pipelined: x.end > 0}
	x.req.Reset()
	x.snap, x.server, x.place, x.upstream, x.counters = nil, nil, nil, nil, nil
	x.keepAlive, x.unread, x.sent = false, false, false
	x.chunked, x.untilClose = false, false
	x.upgrade, x.upgraded = false, false
	x.proof = ""
	x.detour.reset()
	x.out = x.out[:0]
	x.try.reset()
}

var errNoRequest = errors.New("the connection ended between two requests")

// headLimits are nginx's: large_client_header_buffers 4 8k.
var headLimits = http1.Limits{Line: maxHeadLine, Field: maxHeadLine, Total: maxHead, Fields: maxHeadFields}

// readHead reads the head of a request. It returns errNoRequest when no byte of
// one came: nobody is answered and nothing is logged then, as in nginx.
func (x *exchange) readHead() error {
	defer x.doneReading()
	if x.end > 0 {
		x.startClock()
	}
	for {
		if x.end > 0 {
			n, err := x.req.Parse(x.in[:x.end], &headLimits)
			if err == nil {
				x.head, x.start = n, n
				x.note()
				return nil
			}
			if err != http1.ErrIncomplete {
				return x.badHead(err)
			}
		}
		if err := x.readMore(); err != nil {
			return x.cutHead(err)
		}
	}
}

// startClock begins the time of a request with its first byte: from then on the
// whole head has client_header_timeout, which no later byte sets anew.
func (x *exchange) startClock() {
	x.snap = x.conn.proxy.snap.Load()
	x.server = x.snap.fallback(x.conn.listener)
	x.Start = x.conn.proxy.now()
	x.conn.proxy.reading.Add(1)
	x.conn.requests++
	x.ConnectionRequests = x.conn.requests
	x.conn.nc.SetReadDeadline(x.Start.Add(x.server.headerTimeout))
}

func (x *exchange) readMore() error {
	n, err := x.conn.read(x.in[x.end:])
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
	if len(x.Method) > 0 {
		x.RequestLength = int64(x.end)
	}
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

// noteLine fills in what the log may know of a request without a whole head.
func (x *exchange) noteLine() {
	x.Line, x.Method, x.Target = x.req.Line, x.req.Method, x.req.Target
	x.ServerName = x.server.name
	if len(x.req.Fields) > 0 {
		x.Request = &x.req
	}
}

// note fills in what the log and $variables know of a request.
func (x *exchange) note() {
	r := &x.req
	x.Line, x.Method, x.Target = r.Line, r.Method, r.Target
	x.Path, x.Query, x.HasQuery = r.NormalPath, r.Query, r.HasQuery
	x.Protocol = "HTTP/1.1"
	if r.Minor == 0 {
		x.Protocol = "HTTP/1.0"
	}
	x.Request = r
	x.RequestLength = int64(x.head)
	x.upgrade = asksForWebSocket(r)
	x.believed, x.outside, x.remote, x.forwardedHost = false, false, x.conn.remote, nil
	x.ForwardedFor, x.ForwardedProto = x.remote, x.conn.info.Scheme
	binary.NativeEndian.PutUint64(x.RequestID[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(x.RequestID[8:], rand.Uint64())
	x.HasID = true
}

// finish ends the request: what it held is given back, the client gets the
// refusal when there is one, and the line is logged.
func (x *exchange) finish(err error) {
	x.letGo()
	if err != nil {
		x.refuse(err)
	}
	x.noteRefusal(err)
	x.dropGzip()
	x.record()
	x.body.drop()  // $request_body lies in it
	x.dropBuffer() // $upstream_http_NAME lies in it
}

// record writes the access log line of the request. The place decides where; a
// request that was never routed is of the address's default server.
func (x *exchange) record() {
	x.End = x.conn.proxy.now()
	x.count()
	x.conn.proxy.requests.Add(1)
	for _, t := range x.rules().logs {
		t.write(&x.Entry)
	}
}

// rules returns the settings of the request's place, or of its server before
// there is one.
func (x *exchange) rules() *settings {
	if x.place != nil {
		return &x.place.settings
	}
	return &x.server.settings
}

// until returns the deadline of a step that may take d.
func (x *exchange) until(d time.Duration) time.Time { return time.Now().Add(d) }
