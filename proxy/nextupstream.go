package proxy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"paddock/accesslog"
	"paddock/internal/value"
)

// nextCases are the cases in which the next server gets the request, as bits
// (nginx: proxy_next_upstream).
type nextCases uint16

const (
	nextError nextCases = 1 << iota
	nextTimeout
	nextInvalidHeader
	nextNonIdempotent
	next500
	next502
	next503
	next504
	next403
	next404
	next429
)

var nextNames = map[string]nextCases{
	"error": nextError, "timeout": nextTimeout, "invalid_header": nextInvalidHeader, "non_idempotent": nextNonIdempotent,
	"http_500": next500, "http_502": next502, "http_503": next503, "http_504": next504,
	"http_403": next403, "http_404": next404, "http_429": next429, "off": 0,
}

// nextRules are the proxy_next_upstream directives of a place.
type nextRules struct {
	cases   nextCases
	tries   int           // in all; 0: as many as there are servers
	timeout time.Duration // for all of them; 0: no limit
}

const defaultNextCases = nextError | nextTimeout // nginx

func (c *compiler) nextUpstream(key string, own *Settings, base nextRules) nextRules {
	r := base
	if own.ProxyNextUpstream != nil {
		r.cases = c.nextCases(value.Join(key, "proxy_next_upstream"), own.ProxyNextUpstream)
	}
	if own.ProxyNextUpstreamTries != nil {
		r.tries = *own.ProxyNextUpstreamTries
		c.atLeast(key, "proxy_next_upstream_tries", int64(r.tries), 0)
	}
	setDuration(&r.timeout, own.ProxyNextUpstreamTimeout)
	return r
}

func (c *compiler) nextCases(key string, words []string) (cases nextCases) {
	for _, word := range slices.Concat(fields(words)...) {
		bit, ok := nextNames[word]
		switch {
		case !ok:
			c.problems.Addf(key, "%q: expected some of %s", word, list(keys(nextNames)))
		case word == "off":
			return 0 // nginx: whatever else stands there
		}
		cases |= bit
	}
	if len(words) == 0 {
		c.problems.Addf(key, "the list is empty; expected some of %s", list(keys(nextNames)))
	}
	return cases
}

// fields lets one string hold several words, as nginx writes them.
func fields(texts []string) (out [][]string) {
	for _, text := range texts {
		out = append(out, strings.Fields(text))
	}
	return out
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

var errNoLive = errors.New("no live upstreams")

// choose gives the request its next server. One whose idle connection was stale
// has it still. With none to be had, $upstream_addr is the name of the upstream.
func (x *exchange) choose() (*peer, error) {
	t, b := &x.try.turn, x.grant.balance
	if t.at != nil {
		return t.at.peer, nil
	}
	if t.begun.IsZero() {
		t.begun, t.left = x.clock(), b.tries
		if n := x.place.next.tries; n > 0 {
			t.left = min(t.left, n)
		}
		x.hashOf(b, t)
	}
	if s := b.pick(t); s != nil {
		return s.peer, nil
	}
	x.beginTry(x.upstream.name)
	return nil, x.failed(badGateway(errNoLive))
}

// tryAgain gives the server back that failed, and reports whether the next one
// gets the request.
func (x *exchange) tryAgain(err error) bool {
	var r *refusal
	if !errors.As(err, &r) || x.try.turn.at == nil || r.status != 502 && r.status != 504 {
		return false // the server did nothing wrong
	}
	return x.passOn(caseOf(r), failing)
}

// passOn ends the try under way.
func (x *exchange) passOn(why nextCases, v verdict) bool {
	t, rules := &x.try.turn, x.place.next
	x.grant.balance.free(t, v)
	return t.left > 0 && x.mayPassOn(why, rules)
}

func (x *exchange) mayPassOn(why nextCases, rules nextRules) bool {
	if x.body.streamed && x.try.whole {
		return false // what was sent of the body is gone
	}
	if x.last().BytesSent > 0 && !isIdempotent(x.Method) {
		why |= nextNonIdempotent
	}
	return rules.cases&why == why && (rules.timeout == 0 || x.since(x.try.turn.begun) < rules.timeout)
}

func caseOf(r *refusal) nextCases {
	switch {
	case r.status == 504:
		return nextTimeout
	case failureOf(r.cause) == accesslog.FailedBadResponse:
		return nextInvalidHeader
	}
	return nextError
}

// unwanted reports whether the answer at hand is one that the next server is to
// better. The last server's is passed on to the client as it is.
func (x *exchange) unwanted() bool {
	why, v := caseOfStatus(x.try.answer.Status)
	if why == 0 || x.place.next.cases&why == 0 || x.try.turn.left < 2 || !x.mayPassOn(why, x.place.next) {
		return false
	}
	x.last().Response = x.since(x.try.began)
	return x.passOn(why, v)
}

func caseOfStatus(status int) (nextCases, verdict) {
	switch status {
	case 500:
		return next500, failing
	case 502:
		return next502, failing
	case 503:
		return next503, failing
	case 504:
		return next504, failing
	case 429:
		return next429, failing
	case 403:
		return next403, skipped
	case 404:
		return next404, skipped
	}
	return 0, served
}

// isIdempotent is nginx's list: a second copy of the request does no harm.
func isIdempotent(method []byte) bool {
	switch string(method) {
	case "POST", "LOCK", "PATCH":
		return false
	}
	return true
}

// postIdle is how long a connection may have been idle for a request that must not be
// sent twice. Servers close what was idle for seconds, and such a request is lost
// when that happens as it is sent (faults A14): a new connection costs less. Under
// load the last one used has rested for less.
const postIdle = 25 * time.Millisecond

// reusable is since when a connection may have been idle that the request takes.
func (x *exchange) reusable() time.Time {
	if x.maySendTwice() {
		return time.Time{}
	}
	return x.clock().Add(-postIdle)
}

// maySendTwice reports whether a second copy of the request does no harm.
func (x *exchange) maySendTwice() bool {
	return !x.body.streamed && (isIdempotent(x.Method) || x.place.next.cases&nextNonIdempotent != 0)
}

// giveBack gives the server and the place among its requests back.
func (x *exchange) giveBack() {
	if x.grant == nil {
		return
	}
	x.grant.balance.free(&x.try.turn, served)
	x.leaveGrant()
}

func (x *exchange) leaveGrant() {
	g := x.grant
	x.grant = nil
	x.upstream.queue.leave(g)
}

// compileBalancing reads least_conn, ip_hash and hash.
func (c *compiler) compileBalancing(key string, u *Upstream) (b balancing) {
	given := 0
	if u.LeastConn {
		b.method = leastConn
		given++
	}
	if u.IPHash {
		b.method = ipHash
		given++
	}
	if u.Hash != "" {
		c.compileHash(value.Join(key, "hash"), u.Hash, &b)
		given++
	}
	if given > 1 {
		c.problems.Addf(key, "expected one of least_conn, ip_hash and hash")
	}
	return b
}

func (c *compiler) compileHash(key, text string, b *balancing) {
	words := strings.Fields(text)
	b.method = hashKey
	if len(words) == 2 && words[1] == "consistent" {
		b.method, words = hashConsistent, words[:1]
	}
	if len(words) != 1 {
		c.problems.Addf(key, `%q: expected "KEY" or "KEY consistent", the key without blanks`, text)
		return
	}
	b.text = words[0]
	var err error
	if b.key, err = compileHashKey(b.text); err != nil {
		c.problems.Addf(key, "%v", err)
	} else if asksDisk(b.key) {
		c.out.waits = true
	}
}

func compileHashKey(text string) (*accesslog.Template, error) {
	t, err := accesslog.CompileTemplate(text)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	return t, nil
}
