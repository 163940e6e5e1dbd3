package proxy

import (
	"errors"
	"fmt"
	"io"
	"os"

	"paddock/proxy/http1"
	"paddock/proxy/netpoll"
)

// readAnswer reads the final head of the answer. Interim ones are swallowed:
// ours to answer was Expect, and a 103 breaks old HTTP/1.1 clients.
func (x *exchange) readAnswer() error {
	t := &x.try
	if t.buf == nil {
		t.buf = upstreamBuffers.Get().(*[upstreamBufferSize]byte)
	}
	for {
		n, err := t.answer.Parse(t.buf[:t.end], &x.place.answerHead)
		switch {
		case err == http1.ErrIncomplete:
			if err := x.readUpstream(); err == errAwait {
				return err
			} else if err != nil {
				return x.noAnswer(err)
			}
			continue
		case err != nil:
			return x.failed(badGateway(err))
		}
		if t.answer.Status >= 200 || x.switched() {
			t.start, t.head = n, n
			break
		}
		x.sendEarlyHints()
		t.end = copy(t.buf[:], t.buf[n:t.end])
		if t.interim++; t.interim > maxInterim || t.answer.Status == 101 {
			return x.failed(badGateway(fmt.Errorf("the app sent a %d that was not asked for", t.answer.Status)))
		}
	}
	x.last().Header = x.since(t.began)
	x.last().Status = t.answer.Status
	x.UpstreamHeader = &t.answer
	return nil
}

// readUpstream waits for more of the answer, at most proxy_read_timeout.
func (x *exchange) readUpstream() error {
	t := &x.try
	x.sendFailure() // while a sender is at work, the deadline is its business
	if !t.timed && t.sending == nil {
		t.conn.SetReadDeadline(x.until(x.place.proxyRead))
		t.timed = true // also when it goes on later: that is one wait
	}
	n, err := x.readTry(t.buf[t.end:])
	if err == netpoll.ErrWouldBlock {
		return errAwait
	}
	t.timed = false
	t.end += n
	x.last().BytesReceived += int64(n)
	if n > 0 {
		return nil
	}
	return err
}

// noAnswer says what it means that no whole head came.
func (x *exchange) noAnswer(err error) error {
	t := &x.try
	if errors.Is(err, netpoll.ErrInterrupted) {
		x.stopSending()
	}
	var r *refusal
	switch {
	case errors.As(x.sendFailure(), &r): // of the client, who was still sending
		x.last().Response = x.since(t.began)
		return r
	case errors.Is(err, os.ErrDeadlineExceeded):
		return x.failed(gatewayTimeout(err))
	case errors.Is(x.sendFailure(), os.ErrDeadlineExceeded):
		return x.failed(gatewayTimeout(x.sendFailure()))
	case t.end == 0 && t.conn.reused && x.mayRepeat():
		return errStale
	case err == io.EOF:
		return x.failed(badGateway(errNoHead))
	}
	return x.failed(badGateway(err))
}

var errNoHead = errors.New("the app closed the connection before it answered")

func (x *exchange) failed(r *refusal) error {
	x.last().Status = r.status
	x.last().Failed = failureOf(r.cause)
	x.last().Response = x.since(x.try.began)
	return r
}

// mayRepeat reports whether a second copy of the request does no harm: its
// method is idempotent, as nginx sees it, or nothing of it was sent.
func (x *exchange) mayRepeat() bool {
	if x.last().BytesSent == 0 && !x.body.streamed {
		return true
	}
	return x.maySendTwice()
}
