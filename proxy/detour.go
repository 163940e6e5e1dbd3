package proxy

import (
	"errors"
	"slices"

	"go.uber.org/zap"

	"paddock/proxy/http1"
)

// detour is where internal redirects (index, try_files, error_page,
// X-Accel-Redirect) have led a request.
type detour struct {
	turns     int       // nginx: uri_changes
	named     *location // the next place, when it is a named location
	rewritten bool      // the path is not the client's any more
	errorPage bool      // an error page was looked for: there is no second
	status    int       // what the answer's status is replaced with; 0: nothing
	separate  bool      // the next try stands behind " : " in $upstream_addr
	bodyTaken bool      // the request's body was read
	uri       []byte    // memory of the path and the query, in turns
	spare     []byte
	kept      []byte // field lines of the app's answer that X-Accel-Redirect keeps
	keptType  []byte // its Content-Type
}

func (d *detour) reset() {
	*d = detour{uri: d.uri[:0], spare: d.spare[:0], kept: d.kept[:0], keptType: d.keptType[:0]}
}

// maxTurns bounds the internal redirects of one request (nginx: 10).
const maxTurns = 10

// errTurned says that the request goes on at another place.
var errTurned = errors.New("redirected inside")

var (
	errCycle   = errors.New("more than 10 internal redirects")
	errNoNamed = errors.New("the named location does not exist")
)

// turnTo redirects to a path. The query is "" or stays with it; path and query
// may be parts of those that are.
func (x *exchange) turnTo(path, query []byte, hasQuery bool) error {
	d := &x.detour
	d.spare = append(append(d.spare[:0], path...), query...)
	d.uri, d.spare = d.spare, d.uri
	x.Path = d.uri[:len(path):len(path)]
	x.Query, x.HasQuery = d.uri[len(path):], hasQuery
	d.rewritten, d.named = true, nil
	return errTurned
}

// turnToTarget redirects to "path?query" of the configuration.
func (x *exchange) turnToTarget(target []byte) error {
	for i, c := range target {
		if c == '?' {
			return x.turnTo(target[:i], target[i+1:], true)
		}
	}
	return x.turnTo(target, nil, false)
}

// turnToNamed redirects to "@name"; the path stays.
func (x *exchange) turnToNamed(name string) error {
	d := &x.detour
	if d.named = x.server.table.named[name]; d.named == nil {
		return &refusal{status: 500, cause: errNoNamed}
	}
	return errTurned
}

// redirect is asked what a step ended with. errTurned: the request goes on with
// locate. A refusal that an error page stands for becomes that.
func (x *exchange) redirect(err error) error {
	if err == nil || x.sent {
		return err
	}
	if err != errTurned {
		if err = x.findErrorPage(err); err != errTurned {
			return x.settle(err)
		}
	}
	d := &x.detour
	d.separate = len(x.Upstream) > 0
	x.ProxyHost = "" // until another place passes it on
	if d.turns++; d.turns <= maxTurns {
		return errTurned
	}
	d.errorPage = true
	x.conn.proxy.logger.Error("a request goes in circles", zap.ByteString("request", x.Line), zap.ByteString("uri", x.Path))
	return x.settle(&refusal{status: 500, cause: errCycle})
}

// settle takes the body of a request that is refused before anybody read it, so
// that the next one is found.
func (x *exchange) settle(err error) error {
	var r *refusal
	if x.unread && x.stage != stageSettle || errors.As(err, &r) && (r.silent || r.closes()) {
		return err
	}
	if skip := x.skipBody(); skip != nil {
		return skip
	}
	return err
}

// becomeGet makes an error page or a file be fetched, whatever the request was
// (nginx: ngx_http_send_error_page).
func (x *exchange) becomeGet() {
	if string(x.Method) != "HEAD" {
		x.Method = methodGet
	}
}

var methodGet = []byte("GET")

// finalStatus is the status to send: an error page has that of the error.
func (x *exchange) finalStatus(status int) int {
	if x.detour.status != 0 {
		return x.detour.status
	}
	return status
}

// unsafeTarget reads the target of X-Accel-Redirect, in place: the path is
// unescaped, and one with dot segments is refused (nginx: ngx_http_parse_unsafe_uri).
func unsafeTarget(target []byte) (path, query []byte, hasQuery, ok bool) {
	path = target
	if i := slices.Index(target, '?'); i >= 0 {
		path, query, hasQuery = target[:i], target[i+1:], true
	}
	normal, err := http1.AppendNormalPath(nil, path)
	if err != nil || hasDotSegment(path) {
		return nil, nil, false, false
	}
	return normal, query, hasQuery, true
}

func hasDotSegment(path []byte) bool {
	unescaped := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ { // AppendNormalPath has seen every escape
		c := path[i]
		if c == '%' {
			c = unhex(path[i+1])<<4 | unhex(path[i+2])
			i += 2
		}
		unescaped = append(unescaped, c)
	}
	for i := range unescaped {
		rest := unescaped[i:]
		if len(rest) >= 3 && string(rest[:3]) == "/.." && (len(rest) == 3 || rest[3] == '/') {
			return true
		}
	}
	return false
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}
