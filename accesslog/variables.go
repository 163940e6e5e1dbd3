package accesslog

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// variable appends the value of one $variable. Without found there is none,
// which is not the same as an empty one, and what was appended does not count.
type variable func(dst []byte, e *Entry) (out []byte, found bool)

// variables are the names that stand alone. Which of them can be missing, and
// which are empty instead, is nginx's.
var variables = map[string]variable{
	"remote_addr":        conn(func(c *Conn) string { return c.RemoteAddr }),
	"remote_port":        conn(func(c *Conn) string { return c.RemotePort }),
	"binary_remote_addr": binaryRemoteAddr,
	"server_addr":        conn(func(c *Conn) string { return c.ServerAddr }),
	"server_port":        conn(func(c *Conn) string { return c.ServerPort }),
	"scheme":             conn(func(c *Conn) string { return c.Scheme }),
	"https":              conn(httpsFlag),
	"connection":         connection,

	"tcpinfo_rtt":       tcpinfo(func(t *TCPInfo) uint32 { return t.RTT }),
	"tcpinfo_rttvar":    tcpinfo(func(t *TCPInfo) uint32 { return t.RTTVar }),
	"tcpinfo_snd_cwnd":  tcpinfo(func(t *TCPInfo) uint32 { return t.SndCwnd }),
	"tcpinfo_rcv_space": tcpinfo(func(t *TCPInfo) uint32 { return t.RcvSpace }),

	"realip_remote_addr":         conn(peerAddr),
	"realip_remote_port":         conn(peerPort),
	"proxy_protocol_addr":        proxied(func(p *Proxied) string { return p.Addr }),
	"proxy_protocol_port":        proxied(func(p *Proxied) string { return p.Port }),
	"proxy_protocol_server_addr": proxied(func(p *Proxied) string { return p.ServerAddr }),
	"proxy_protocol_server_port": proxied(func(p *Proxied) string { return p.ServerPort }),

	"connection_requests": number(func(e *Entry) int64 { return int64(e.ConnectionRequests) }),
	"connection_time":     elapsed(func(e *Entry) time.Time { return e.connStart() }),
	"request_time":        elapsed(func(e *Entry) time.Time { return e.Start }),
	"msec":                msec,

	"request":         bytesOf(func(e *Entry) []byte { return e.Line }),
	"request_method":  bytesOf(func(e *Entry) []byte { return e.Method }),
	"request_uri":     bytesOf(func(e *Entry) []byte { return e.Target }),
	"uri":             bytesOf(func(e *Entry) []byte { return e.Path }),
	"document_uri":    bytesOf(func(e *Entry) []byte { return e.Path }),
	"args":            args,
	"query_string":    args,
	"is_args":         isArgs,
	"server_protocol": serverProtocol,
	"http2":           http2,
	"http3":           http3,
	"host":            host,
	"request_port":    requestPort,
	"is_request_port": isRequestPort,
	"server_name":     func(dst []byte, e *Entry) ([]byte, bool) { return append(dst, e.ServerName...), true },
	"remote_user":     remoteUser,
	"content_length":  contentLength,
	"content_type":    requestHeader("content_type"),
	"request_id":      requestID,
	"request_body":    bytesOf(func(e *Entry) []byte { return e.Body }),

	"document_root":    documentRoot,
	"realpath_root":    realpathRoot,
	"request_filename": requestFilename,

	"status":             status,
	"bytes_sent":         number(func(e *Entry) int64 { return e.BytesSent }),
	"body_bytes_sent":    number(func(e *Entry) int64 { return max(e.BytesSent-e.HeaderSent, 0) }),
	"request_length":     number(func(e *Entry) int64 { return e.RequestLength }),
	"request_completion": flag(func(e *Entry) bool { return e.Completed }, "OK", ""),
	"gzip_ratio":         gzipRatio,
	"limit_req_status":   limitStatus,
	"pipe":               flag(func(e *Entry) bool { return e.Pipelined }, "p", "."),

	"ssl_protocol":            secured(sslProtocol),
	"ssl_cipher":              secured(sslCipher),
	"ssl_curve":               secured(sslCurve),
	"ssl_server_name":         secured(func(s *tls.ConnectionState) string { return s.ServerName }),
	"ssl_alpn_protocol":       secured(func(s *tls.ConnectionState) string { return s.NegotiatedProtocol }),
	"ssl_session_reused":      secured(sslReused),
	"ssl_early_data":          secured(func(*tls.ConnectionState) string { return "" }), // none is taken
	"ssl_client_verify":       sslVerify,
	"ssl_client_s_dn":         clientCert(func(c *x509.Certificate) string { return c.Subject.String() }),
	"ssl_client_i_dn":         clientCert(func(c *x509.Certificate) string { return c.Issuer.String() }),
	"ssl_client_s_dn_legacy":  clientCert(func(c *x509.Certificate) string { return legacyDN(c.Subject.String()) }),
	"ssl_client_i_dn_legacy":  clientCert(func(c *x509.Certificate) string { return legacyDN(c.Issuer.String()) }),
	"ssl_client_serial":       clientCert(certSerial),
	"ssl_client_fingerprint":  clientCert(certFingerprint),
	"ssl_client_v_start":      clientCert(func(c *x509.Certificate) string { return certTime(c.NotBefore) }),
	"ssl_client_v_end":        clientCert(func(c *x509.Certificate) string { return certTime(c.NotAfter) }),
	"ssl_client_v_remain":     clientCert(certRemain),
	"ssl_client_raw_cert":     clientCert(certPEM),
	"ssl_client_escaped_cert": clientCert(certEscaped),

	"upstream_addr":            tries(appendAddr),
	"upstream_status":          tries(appendStatus),
	"upstream_connect_time":    tries(func(dst []byte, t *Try) []byte { return appendTime(dst, t.Connect) }),
	"upstream_header_time":     tries(func(dst []byte, t *Try) []byte { return appendTime(dst, t.Header) }),
	"upstream_response_time":   tries(func(dst []byte, t *Try) []byte { return appendTime(dst, t.Response) }),
	"upstream_response_length": tries(func(dst []byte, t *Try) []byte { return strconv.AppendInt(dst, t.Length, 10) }),
	"upstream_bytes_received":  tries(func(dst []byte, t *Try) []byte { return strconv.AppendInt(dst, t.BytesReceived, 10) }),
	"upstream_bytes_sent":      tries(func(dst []byte, t *Try) []byte { return strconv.AppendInt(dst, t.BytesSent, 10) }),

	"proxy_host":                proxyHost,
	"proxy_port":                proxyPort,
	"proxy_add_x_forwarded_for": forwardedFor,
}

// onDisk are those that ask the file system for each request.
var onDisk = map[string]bool{"realpath_root": true}

// made are the names whose variable holds something that is found out once, when
// the text is compiled.
var made = map[string]func() variable{
	"time_local":   func() variable { return (&clock{layout: layoutLocal}).append },
	"time_iso8601": func() variable { return (&clock{layout: layoutISO8601}).append },
	"hostname":     hostname,
	"pid":          func() variable { return constant(strconv.Itoa(os.Getpid())) },
}

// families are the names that end in a name of the user's choice.
var families = []struct {
	prefix string
	make   func(name string) variable
}{
	{"http_", requestHeader},
	{"sent_http_", sentHeader},
	{"upstream_http_", upstreamHeader},
	{"cookie_", cookie},
	{"upstream_cookie_", upstreamCookie},
	{"arg_", arg},
}

// lookup finds the variable of a name in lower case.
func lookup(name string) (variable, bool) {
	if v, ok := variables[name]; ok {
		return v, true
	}
	if build, ok := made[name]; ok {
		return build(), true
	}
	for _, f := range families {
		if rest, ok := strings.CutPrefix(name, f.prefix); ok && rest != "" {
			return f.make(rest), true
		}
	}
	return nil, false
}

// Variables returns the names of all variables that stand alone, sorted. Beside them
// there are the families $arg_, $cookie_, $http_, $sent_http_, $upstream_http_ and
// $upstream_cookie_.
func Variables() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for name := range variables {
			if !yield(name) {
				return
			}
		}
		for name := range made {
			if !yield(name) {
				return
			}
		}
	})
}
