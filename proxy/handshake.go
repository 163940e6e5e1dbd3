package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"strings"
	"time"

	"go.uber.org/zap"

	"paddock/internal/value"
	"paddock/proxy/http1"
)

// Secure is what a server speaks TLS with. It is handed over by who knows certificates.
type Secure struct {
	// Config is the configuration of connections that may speak the protocols, the
	// preferred one first.
	Config func(protocols []string) *tls.Config
	// Verify judges the certificate that a client showed; nil: none is asked for.
	Verify func(*tls.ConnectionState) Verdict
}

// Verdict is what a client's certificate is worth.
type Verdict struct {
	Result string // $ssl_client_verify
	Status int    // 0, or why requests are refused: 495 or 496
}

// Challenges answer an ACME authority that wants to see that a name is ours. Both may
// be nil.
type Challenges struct {
	HTTP func(host, token string) (answer string, ok bool)             // http-01 (RFC 8555 8.3)
	TLS  func(*tls.ClientHelloInfo) (certificate *tls.Config, ok bool) // tls-alpn-01 (RFC 8737)
}

// protocolChallenge is the protocol of tls-alpn-01: the handshake is all there is to it.
const protocolChallenge = "acme-tls/1"

// httpProtocols are what a listener without http2 speaks (nginx: ngx_http_ssl_module).
var httpProtocols = []string{"http/1.1", "http/1.0"}

// maxHandshakeTime bounds a handshake, however long client_header_timeout is.
const maxHandshakeTime = 10 * time.Second

// recordHandshake is the first byte of a client that speaks TLS (RFC 8446 5.1).
const recordHandshake = 0x16

// boundHandshake sets the one deadline of a handshake: from the accept on, since nobody
// connects to say nothing, or from the end of a PROXY protocol header.
func (c *conn) boundHandshake(s *server) {
	c.nc.SetDeadline(time.Now().Add(min(s.headerTimeout, maxHandshakeTime)))
}

// handshake makes the connection secure, or returns the HTTP that came where TLS is spoken.
// false: it was not to be, and is to be closed. It runs on the connection's goroutine.
func (c *conn) handshake() (misplaced []byte, ok bool) {
	c.shaken = true
	server := c.proxy.snap.Load().fallback(c.listener)
	if c.listener.proxied.Load() { // a load balancer may have kept the connection in store
		c.boundHandshake(server)
	}
	s := &secure{wire: transport{nc: c.nc}}
	if s.wire.fill(true) != nil {
		return nil, false // nobody spoke
	}
	if s.wire.in[0] != recordHandshake {
		c.misplaced, c.info.Scheme = true, "http"
		misplaced = bytes.Clone(s.wire.in)
		s.wire.drop()
		return misplaced, true
	}
	s.conn = tls.Server(&s.wire, c.listener.secure)
	err := s.conn.Handshake()
	if flushed := s.wire.flush(true); err == nil {
		err = flushed // the last flight, or the alert that says why not
	}
	if err != nil {
		if s.wire.buf != nil {
			s.wire.drop()
		}
		c.proxy.logger.Debug("a TLS handshake failed", zap.String("client", c.info.RemoteAddr), zap.Error(err))
		return nil, false
	}
	s.wire.shaken, s.state = true, s.conn.ConnectionState()
	if s.state.NegotiatedProtocol == protocolChallenge {
		s.bye()
		return nil, false
	}
	c.secure, c.info.TLS = s, &s.state
	c.nc.SetReadDeadline(time.Now().Add(server.headerTimeout))
	c.nc.SetWriteDeadline(time.Time{})
	return nil, true
}

// chooseConfig finds the server that a client asks for, as a request's Host would.
func (l *listener) chooseConfig(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == protocolChallenge {
		if answer := l.proxy.challenges.TLS; answer != nil {
			if c, ok := answer(hello); ok {
				return c, nil
			}
		}
		return nil, errNoChallenge
	}
	snap := l.proxy.snap.Load()
	server := snap.asked(l, hello.ServerName)
	if server.secure.Config == nil {
		return nil, errNoSecure
	}
	return server.secure.Config(snap.protocols(l, server)), nil
}

var (
	errNoChallenge = errors.New("no challenge is under way for the name")
	errNoSecure    = errors.New("the server has no certificate")
)

// asked returns the server of a name that a client asked for in its handshake.
func (s *snapshot) asked(l *listener, name string) *server {
	if at := s.sites[l.key]; at != nil && name != "" {
		if host, _, ok := http1.ParseHost([]byte(strings.ToLower(name))); ok {
			if server := at.names.find(host); server != nil {
				return server
			}
		}
	}
	return s.fallback(l)
}

// checkSecure wants what TLS needs for the default server of every address that speaks it.
func (s *snapshot) checkSecure(problems *value.Problems) {
	for key, at := range s.sites {
		if at.secure && at.fallback.secure.Config == nil {
			problems.Addf("listen", "%s speaks TLS, and its default server has no certificate", key)
		}
	}
}

// errPlain: a client spoke HTTP where TLS is spoken (nginx: 497).
var errPlain = &refusal{status: 400, code: statusToHTTPS, text: "The plain HTTP request was sent to HTTPS port"}

// errMisdirected: a server that verifies its clients was asked for over a connection
// that was made for another one (nginx: ngx_http_set_virtual_server).
var errMisdirected = &refusal{status: 421}

const statusToHTTPS = 497

// checkSecure refuses what must not be answered on this connection.
func (x *exchange) checkSecure() error {
	c := x.conn
	if c.misplaced {
		return errPlain
	}
	if c.secure == nil || x.server.secure.Verify == nil {
		return nil
	}
	if x.snap.asked(c.listener, c.secure.state.ServerName) != x.server {
		return errMisdirected
	}
	verdict := c.secure.judge(&x.server.secure)
	c.info.TLSVerify = verdict.Result
	switch verdict.Status {
	case 0:
		return nil
	case 496:
		return errNoClientCert
	}
	return errBadClientCert
}

// judge lets a server say what the client's certificate is worth to it.
func (s *secure) judge(by *Secure) Verdict {
	s.judging.Lock()
	defer s.judging.Unlock()
	if s.judged != by {
		s.judged, s.verdict = by, by.Verify(&s.state)
	}
	return s.verdict
}

var (
	errNoClientCert  = &refusal{status: 400, code: 496, text: "No required SSL certificate was sent"}
	errBadClientCert = &refusal{status: 400, code: 495, text: "The SSL certificate error"}
)

// read reads what the client sends; without wait only what has come.
func (c *conn) read(p []byte, wait bool) (int, error) {
	switch {
	case c.stream != nil:
		return c.stream.Read(p)
	case c.secure != nil:
		return c.secure.Read(p, wait)
	case wait:
		return c.nc.Read(p)
	}
	return c.nc.TryRead(p)
}

// writev sends the buffers to the client.
func (c *conn) writev(bufs [][]byte) (int64, error) {
	if c.secure != nil {
		return c.secure.Writev(bufs)
	}
	return c.nc.Writev(bufs)
}

// tryWritev sends what the client takes at once of the buffers, else
// netpoll.ErrWouldBlock. What TLS has sealed by then counts as sent.
func (c *conn) tryWritev(bufs [][]byte) (int64, error) {
	switch {
	case c.stream != nil:
		return c.stream.TryWritev(bufs)
	case c.secure != nil:
		return c.secure.TryWritev(bufs)
	}
	return c.nc.TryWritev(bufs)
}

// seals reports whether bytes that count as sent may still be here: sealed, for
// WriteSome to send.
func (c *conn) seals() bool { return c.secure != nil && c.stream == nil }

// WriteSome sends at least a byte to the client, and all that TLS has sealed.
func (c *conn) WriteSome(p []byte) (int, error) {
	switch {
	case c.stream != nil:
		return c.stream.WriteSome(p)
	case c.secure != nil:
		return c.secure.WriteSome(p)
	}
	return c.nc.WriteSome(p)
}

// SetSendTimeout sets how long the client may take nothing before WriteSome fails (nginx:
// send_timeout, between two successive writes).
func (c *conn) SetSendTimeout(d time.Duration) {
	if c.stream != nil {
		c.stream.SetSendTimeout(d)
		return
	}
	if c.secure != nil {
		c.secure.wire.setPatience(d)
		return
	}
	c.nc.SetWriteDeadline(time.Now().Add(d))
}

// closeWrite tells the client that nothing more comes.
func (c *conn) closeWrite() error {
	if c.secure != nil {
		return c.secure.CloseWrite()
	}
	return c.nc.CloseWrite()
}
