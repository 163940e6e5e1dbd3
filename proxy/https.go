package proxy

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"paddock/internal/value"
)

const defaultHTTPSPort = 443

// challengePath is where an ACME authority asks for a token (RFC 8555 8.3).
const challengePath = "/.well-known/acme-challenge/"

// compileHTTPS compiles hsts and https_redirect.
func (c *compiler) compileHTTPS(key string, cfg *Server, s *server) {
	if cfg.HSTS != "" && cfg.HSTS != "off" {
		s.hsts = c.hsts(value.Join(key, "hsts"), cfg.HSTS)
	}
	s.toHTTPS = cfg.HTTPSRedirect != nil && *cfg.HTTPSRedirect
	for _, l := range cfg.Listen {
		if l.SSL && l.Addr.IsValid() {
			if port := l.Addr.Port(); port != defaultHTTPSPort {
				s.httpsPort = ":" + strconv.Itoa(int(port))
			}
			break
		}
	}
}

// hsts makes the field line of "TIME [includeSubDomains] [preload]" (RFC 6797 6.1).
func (c *compiler) hsts(key, text string) []byte {
	words := strings.Fields(text)
	var age value.Duration
	if err := age.UnmarshalText([]byte(words[0])); err != nil || age < 0 {
		c.problems.Addf(key, `%q: expected "off", or a time, then perhaps includeSubDomains and preload, as in "365d includeSubDomains"`, text)
		return nil
	}
	var line strings.Builder
	line.WriteString("Strict-Transport-Security: max-age=" + strconv.FormatInt(int64(age.D()/time.Second), 10))
	for _, word := range words[1:] {
		if word != "includeSubDomains" && word != "preload" {
			c.problems.Addf(key, "%q: expected includeSubDomains or preload behind the time", word)
		}
		line.WriteString("; " + word)
	}
	return []byte(line.String() + "\r\n")
}

// mayBeChallenge reports whether who knows the authorities' tokens is to be asked. It may
// look into files.
func (x *exchange) mayBeChallenge() bool {
	return x.conn.proxy.challenges.HTTP != nil && bytes.HasPrefix(x.Path, []byte(challengePath))
}

// challenged reports whether the request is an ACME authority's that looks for a token
// of ours. Another client's token, or none, is an ordinary request: the app may have
// asked for a certificate by itself.
func (x *exchange) challenged() bool {
	if !x.mayBeChallenge() {
		return false
	}
	proof, ok := x.conn.proxy.challenges.HTTP(string(x.Host), string(x.Path[len(challengePath):]))
	if ok {
		x.proof, x.place = proof, x.server.whole
	}
	return ok
}

// redirectToHTTPS sends the client to the same place over TLS. 301 lets clients turn
// other methods into GET, 308 does not.
func (x *exchange) redirectToHTTPS() error {
	host, port := x.Host, x.server.httpsPort
	if x.outside { // the client sees the trusted proxy's address, not ours
		port = ""
		if x.forwardedHost != nil {
			host = x.forwardedHost
		}
	}
	r := &refusal{status: 301}
	if m := string(x.Method); m != "GET" && m != "HEAD" {
		r.status = 308
	}
	r.location = append(append(append([]byte("https://"), host...), port...), x.req.Path...)
	if x.req.HasQuery {
		r.location = append(append(r.location, '?'), x.req.Query...)
	}
	return r
}
