package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// strictRig is a proxy on a unix socket before a strictApp, whose connections it keeps.
type strictRig struct {
	*rig
	app    *strictApp
	secure *tls.Config // of the client; nil: no TLS
}

// newStrictRig passes "/" to a strictApp, but for what change changes.
func newStrictRig(t *testing.T, change func(*Config)) *strictRig {
	t.Helper()
	return newStrictRigOn(t, "unix", filepath.Join(t.TempDir(), "p"), change)
}

func newStrictRigOn(t *testing.T, network, addr string, change func(*Config)) *strictRig {
	t.Helper()
	app := newStrictApp(t)
	r := newRigOn(t, network, addr, "", func(c *Config) {
		toUpstream(8, "unix:"+app.ln.Addr().String())(c)
		if change != nil {
			change(c)
		}
	})
	return &strictRig{rig: r, app: app}
}

// newSecureStrictRig is newStrictRig under TLS.
func newSecureStrictRig(t *testing.T) *strictRig {
	t.Helper()
	app := newStrictApp(t)
	r := newSecureRig(t, toUpstream(8, "unix:"+app.ln.Addr().String()))
	return &strictRig{rig: r.rig, app: app, secure: r.client}
}

// connect is dial, and the handshake.
func (r *strictRig) connect() net.Conn {
	r.t.Helper()
	c := r.dial()
	if r.secure == nil {
		return c
	}
	conn := tls.Client(c, r.secure)
	must(r.t, conn.Handshake())
	return conn
}

// strictApp keeps all it is sent, and notes whatever of it a strict server would
// refuse. It answers each request with its target.
type strictApp struct {
	ln     net.Listener
	wg     sync.WaitGroup
	mu     sync.Mutex
	seen   []strictRequest
	faults []string
}

func newStrictApp(t *testing.T) *strictApp {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "a"))
	must(t, err)
	app := &strictApp{ln: ln}
	app.wg.Go(app.accept)
	t.Cleanup(func() { ln.Close(); app.wg.Wait() })
	return app
}

type strictRequest struct {
	head, method, target, body string
	fields                     [][2]string // name in lower case, value
}

func (q strictRequest) values(lower string) (out []string) {
	for _, f := range q.fields {
		if f[0] == lower {
			out = append(out, f[1])
		}
	}
	return out
}

// cleanHead is what Paddock may send: RFC 9112 with CRLF, one blank behind the
// colon, names of letters, digits and "-".
var (
	cleanLine  = regexp.MustCompile(`^([A-Z_-]+) ([^\x00-\x20\x7f#\\]+) HTTP/1\.1$`)
	cleanField = regexp.MustCompile(`^([A-Za-z0-9-]+): ([^\x00-\x08\x0a-\x1f\x7f]*)$`)
)

func (a *strictApp) accept() {
	for {
		c, err := a.ln.Accept()
		if err != nil {
			return
		}
		a.wg.Go(func() {
			defer c.Close()
			c.SetDeadline(time.Now().Add(testTimeout))
			a.serve(c)
		})
	}
}

func (a *strictApp) serve(c net.Conn) {
	var have []byte
	for {
		head, rest, err := readUntil(c, have, "\r\n\r\n")
		if err != nil {
			if len(head) > 0 {
				a.fault("a head that breaks off: %q", head)
			}
			return
		}
		q := a.read(strings.TrimSuffix(string(head), "\r\n\r\n"))
		length, _ := strconv.Atoi(strings.Join(q.values("content-length"), ""))
		body, rest, err := readLength(c, rest, length)
		if err != nil {
			a.fault("a body that breaks off: %q %q", head, body)
			return
		}
		q.body, have = string(body), rest
		a.mu.Lock()
		a.seen = append(a.seen, q)
		a.mu.Unlock()
		if len(rest) > 0 {
			a.fault("bytes behind a request: %q", rest)
		}
		answer := ok(q.target)
		if q.method == "HEAD" {
			answer = strings.TrimSuffix(answer, q.target)
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}

// read takes a head apart and notes all that is wrong with it.
func (a *strictApp) read(head string) strictRequest {
	q := strictRequest{head: head}
	first, rest, _ := strings.Cut(head, "\r\n")
	m := cleanLine.FindStringSubmatch(first)
	if m == nil {
		a.fault("request line %q", first)
		return q
	}
	q.method, q.target = m[1], m[2]
	for line := range strings.SplitSeq(rest, "\r\n") {
		m := cleanField.FindStringSubmatch(line)
		if m == nil {
			a.fault("field line %q of %q", line, head)
			continue
		}
		q.fields = append(q.fields, [2]string{strings.ToLower(m[1]), m[2]})
	}
	for name, most := range map[string]int{
		"host": 1, "content-length": 1, "transfer-encoding": 0, "te": 0, "trailer": 0, "keep-alive": 0, "proxy": 0, "proxy-connection": 0, "http2-settings": 0,
		"x-forwarded-for": 1, "x-real-ip": 1, "x-forwarded-proto": 1, "x-forwarded-host": 1, "connection": 1, "upgrade": 1, "cookie": 1,
	} {
		if n := len(q.values(name)); n > most || name == "host" && n != 1 {
			a.fault("%d fields %s in %q", n, name, head)
		}
	}
	return q
}

func (a *strictApp) fault(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = append(a.faults, fmt.Sprintf(format, args...))
}

// take returns what the app has seen since the last take, and its faults.
func (a *strictApp) take() (seen []strictRequest, faults []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen, faults = a.seen, a.faults
	a.seen, a.faults = nil, nil
	return seen, faults
}

func readUntil(c net.Conn, have []byte, end string) (head, rest []byte, err error) {
	buf := make([]byte, 64<<10)
	for {
		if i := bytes.Index(have, []byte(end)); i >= 0 {
			return have[:i+len(end)], have[i+len(end):], nil
		}
		n, err := c.Read(buf)
		have = append(have, buf[:n]...)
		if err != nil {
			return have, nil, err
		}
	}
}

func readLength(c net.Conn, have []byte, length int) (body, rest []byte, err error) {
	if len(have) < length {
		more := make([]byte, length-len(have))
		n, err := io.ReadFull(c, more)
		have = append(have, more[:n]...)
		if err != nil {
			return have, nil, err
		}
	}
	return have[:length], have[length:], nil
}

// strictAnswer is one answer that a client gets.
type strictAnswer struct {
	status int
	head   string
	body   string
}

var cleanStatus = regexp.MustCompile(`^HTTP/1\.1 ([2-5]\d\d) [^\x00-\x08\x0a-\x1f\x7f]*$`)

// readAnswers takes apart what a client got. Anything but whole, clean answers of
// known length, chunked ones without extensions and trailers included, is an error.
func readAnswers(got string, heads bool) (all []strictAnswer, err error) {
	for got != "" {
		head, rest, whole := strings.Cut(got, "\r\n\r\n")
		first, fields, _ := strings.Cut(head, "\r\n")
		m := cleanStatus.FindStringSubmatch(first)
		if !whole || m == nil {
			return all, fmt.Errorf("no answer: %q", got)
		}
		a := strictAnswer{head: head}
		a.status, _ = strconv.Atoi(m[1])
		length, chunked := 0, false
		for line := range strings.SplitSeq(fields, "\r\n") {
			m := cleanAnswerField.FindStringSubmatch(line)
			if m == nil {
				return all, fmt.Errorf("field line %q", line)
			}
			switch strings.ToLower(m[1]) {
			case "content-length":
				length, err = strconv.Atoi(m[2])
			case "transfer-encoding":
				chunked = true
			}
		}
		switch {
		case err != nil:
			return all, err
		case heads || a.status == 204 || a.status == 304:
		case chunked:
			if a.body, rest, err = cutChunks(rest); err != nil {
				return all, err
			}
		case len(rest) < length:
			return all, fmt.Errorf("%d of %d bytes: %q", len(rest), length, got)
		default:
			a.body, rest = rest[:length], rest[length:]
		}
		all, got = append(all, a), rest
	}
	return all, nil
}

var (
	cleanAnswerField = regexp.MustCompile("^([!#$%&'*+.^_`|~A-Za-z0-9-]+): ([^\\x00-\\x08\\x0a-\\x1f\\x7f]*)$")
	cleanChunk       = regexp.MustCompile(`^([1-9a-f][0-9a-f]*)\r\n`)
	errCutChunk      = errors.New("a chunked body breaks off")
)

func cutChunks(s string) (body, rest string, err error) {
	for {
		if rest, found := strings.CutPrefix(s, "0\r\n\r\n"); found {
			return body, rest, nil
		}
		m := cleanChunk.FindStringSubmatch(s)
		if m == nil {
			return body, "", errCutChunk
		}
		n, _ := strconv.ParseInt(m[1], 16, 32)
		s = s[len(m[0]):]
		if len(s) < int(n)+2 || s[n:n+2] != "\r\n" {
			return body, "", errCutChunk
		}
		body, s = body+s[:n], s[n+2:]
	}
}

// say sends parts, each when the proxy has read the one before, and returns all
// that comes until the proxy closes.
func (r *strictRig) say(parts ...string) (got string) {
	r.t.Helper()
	c := r.connect()
	defer c.Close()
	for i, part := range parts {
		if i > 0 {
			untilRead(c)
		}
		if _, err := io.WriteString(c, part); err != nil {
			break // refused before its end; the answer tells
		}
	}
	out, err := io.ReadAll(c)
	if err != nil {
		r.t.Errorf("%.300q: read: %v after %.300q", parts, err, out)
	}
	return string(out)
}

// untilRead waits until the peer of a unix socket has read all that was written, or
// for a second. Of a TCP socket the kernel does not tell; under TLS each write is a
// record, and read alone.
func untilRead(c net.Conn) {
	local, isUnix := c.(*net.UnixConn)
	if !isUnix {
		return
	}
	raw, err := local.SyscallConn()
	if err != nil {
		return
	}
	tick := time.NewTicker(50 * time.Microsecond)
	defer tick.Stop()
	for range 20000 {
		left := 0
		err := raw.Control(func(fd uintptr) {
			unix.Syscall(unix.SYS_IOCTL, fd, unix.SIOCOUTQ, uintptr(unsafe.Pointer(&left)))
		})
		if err != nil || left == 0 {
			return
		}
		<-tick.C
	}
}

// goodOne is asked before a message, lastOne behind it, smuggled where nobody may answer.
const (
	goodOne  = "GET /first HTTP/1.1\r\nHost: a.test\r\n\r\n"
	lastOne  = "GET /last HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
	smuggled = "GET /SMUGGLED HTTP/1.1\r\nHost: a.test\r\n\r\n"
)

// refuses asserts that a message is refused with one of statuses, whatever stands
// before and behind it and however it is cut: that nothing of it reaches the app, and
// nothing behind it is taken for a request.
func (r *strictRig) refuses(name, message string, statuses ...int) {
	r.t.Helper()
	half := len(message) / 2
	for how, parts := range map[string][]string{
		"alone":             {message},
		"before another":    {message + smuggled},
		"behind another":    {goodOne + message + smuggled},
		"in two parts":      {message[:half], message[half:] + smuggled},
		"without its end":   {message[:len(message)-1], message[len(message)-1:]},
		"behind, in pieces": {goodOne + message[:half], message[half:], smuggled},
	} {
		got := r.say(parts...)
		answers, err := readAnswers(got, false)
		before := strings.Count(parts[0], goodOne)
		seen, faults := r.app.take()
		for _, fault := range faults {
			r.t.Errorf("%s, %s: the app got %s", name, how, fault)
		}
		switch {
		case err != nil:
			r.t.Errorf("%s, %s: %v", name, how, err)
		case len(answers) != before+1 || !slices.Contains(statuses, answers[len(answers)-1].status):
			r.t.Errorf("%s, %s: answers %q, want one of %v", name, how, got, statuses)
		case len(seen) != before:
			r.t.Errorf("%s, %s: the app got %q", name, how, seen)
		}
	}
}

// passes asserts that a message reaches the app once and clean, and that what is
// behind it is the next request. It returns what the app got.
func (r *strictRig) passes(name, message string) (q strictRequest) {
	r.t.Helper()
	half := len(message) / 2
	for how, parts := range map[string][]string{
		"before another": {message + lastOne},
		"behind another": {goodOne + message + lastOne},
		"in two parts":   {message[:half], message[half:] + lastOne},
		"in three parts": {goodOne + message[:half], message[half : len(message)-1], message[len(message)-1:] + lastOne},
	} {
		got := r.say(parts...)
		before := strings.Count(parts[0], goodOne)
		seen, faults := r.app.take()
		for _, fault := range faults {
			r.t.Errorf("%s, %s: the app got %s", name, how, fault)
		}
		answers, err := readAnswers(got, strings.HasPrefix(message, "HEAD "))
		if len(seen) != before+2 || seen[len(seen)-1].target != "/last" {
			r.t.Errorf("%s, %s: the app got %q; answers %.200q", name, how, seen, got)
			continue
		}
		if strings.HasPrefix(message, "HEAD ") {
			answers, err = make([]strictAnswer, before+2), nil
		}
		if err != nil || len(answers) != before+2 {
			r.t.Errorf("%s, %s: answers %.300q, %v", name, how, got, err)
		}
		q = seen[before]
	}
	return q
}
