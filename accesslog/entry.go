package accesslog

import (
	"crypto/tls"
	"time"
)

// Header looks up message fields. The proxy's head types implement it, so that
// this package needs to know nothing about HTTP on the wire.
type Header interface {
	// AppendValues appends the values of every field of that name (lower case)
	// joined as nginx does since 1.23 (", "; "; " for cookie) and reports whether
	// there was one. A field that is there but empty is found.
	AppendValues(dst []byte, name string) (out []byte, found bool)
}

// Conn is what is known of a client connection. It is made once per connection
// and shared by its requests; a request that a trusted proxy passed on has a copy
// with the client's address.
type Conn struct {
	Serial     uint64 // $connection
	RemoteAddr string // $remote_addr: "192.0.2.1", "unix:" for a unix socket
	RemotePort string // $remote_port, "" for a unix socket
	PeerAddr   string // $realip_remote_addr, when RemoteAddr is not the peer's own; else ""
	PeerPort   string // $realip_remote_port, then
	Proxied    *Proxied
	ServerAddr string // $server_addr
	ServerPort string // $server_port
	Scheme     string // $scheme: "http" or "https"
	Start      time.Time
	Socket     Socket // $tcpinfo_*; nil: there are none

	TLS       *tls.ConnectionState // nil: no TLS
	TLSVerify string               // what became of the client's certificate (nginx: $ssl_client_verify); "" without TLS
}

// Socket is asked what the system knows of a TCP connection; false when it is none.
type Socket interface{ TCPInfo() (TCPInfo, bool) }

// TCPInfo is a part of the system's struct tcp_info.
type TCPInfo struct {
	RTT, RTTVar uint32 // $tcpinfo_rtt, $tcpinfo_rttvar: microseconds
	SndCwnd     uint32 // $tcpinfo_snd_cwnd: segments
	RcvSpace    uint32 // $tcpinfo_rcv_space: bytes
}

// Proxied is what a PROXY protocol header said of a connection.
type Proxied struct {
	Addr, Port             string // $proxy_protocol_addr, $proxy_protocol_port: the client's
	ServerAddr, ServerPort string // $proxy_protocol_server_addr, _port: where it connected to
}

// Try is one attempt to have a request answered by an upstream server. Times
// count from the start of the attempt; a negative one means that the attempt
// did not get that far (nginx prints "-").
type Try struct {
	Addr          string // $upstream_addr: "unix:/path", "10.0.0.5:8000", or the upstream's name when no server was tried
	Status        int    // $upstream_status; 0 prints "-"
	Connect       time.Duration
	Header        time.Duration
	Response      time.Duration
	Length        int64 // $upstream_response_length: body bytes
	BytesReceived int64
	BytesSent     int64
	Failed        Failure // why no whole answer came
}

// Entry is all that is known of one request and its answer. The request's path
// through the proxy fills it in; access logs, metrics and every directive that
// takes $variables read it. Byte slices are borrowed from the request's buffers:
// nothing may keep them after the request has ended.
type Entry struct {
	Conn       *Conn
	ServerName string // $server_name: the first name of the chosen server

	Line      []byte // $request: the request line as received; nil when none came
	Method    []byte // $request_method
	Target    []byte // $request_uri: as received, with the query
	Path      []byte // $uri: decoded, dots resolved, slashes merged
	Query     []byte // $args: without the "?"; HasQuery tells "?" alone from no query, which $args does not
	HasQuery  bool
	Protocol  string // $server_protocol: "HTTP/1.1"
	NoVersion bool   // it was malformed: $server_protocol is empty, not missing
	Chunked   bool   // the request's body came in chunks: $content_length is BodyRead
	BodyRead  int64  // bytes of the body that were read
	Host      []byte // $host: lower-cased, without port
	Body      []byte // $request_body: nil when it was not read into memory for an app
	Root      string // $document_root: root or alias of the place; "": it has none
	RootPath  int    // bytes of Path that an alias stands for
	Request   Header // $http_NAME, $cookie_NAME; nil when no head was read
	Response  Header // $sent_http_NAME; nil when none was sent
	RequestID [16]byte
	HasID     bool // RequestID is filled in; until then the first use of $request_id makes it

	ConnectionRequests int       // $connection_requests, from 1
	Start              time.Time // first byte of the request
	End                time.Time // when the line is made; zero while the request goes on
	Pipelined          bool      // $pipe: it came together with the request before it

	Status        int   // $status; 0 prints "000"
	RequestLength int64 // $request_length: line, head and body read so far
	BytesSent     int64 // $bytes_sent
	HeaderSent    int64 // bytes of the final head: $body_bytes_sent = BytesSent - HeaderSent
	GzipIn        int64 // bytes that gzip took, and made of them: $gzip_ratio
	GzipOut       int64
	Completed     bool // $request_completion is "OK"
	Refused       Refusal
	Limited       LimitStatus   // $limit_req_status
	Queued        time.Duration // waited for the app to have room; 0: not at all

	Upstream       []Try  // $upstream_*: empty when nothing was proxied
	UpstreamHeader Header // $upstream_http_NAME, nil before an answer
	ProxyHost      string // $proxy_host: host and port of proxy_pass
	ForwardedFor   []byte // $proxy_add_x_forwarded_for
	ForwardedProto string // the scheme an app is told: the trusted peer's or the connection's own
}
