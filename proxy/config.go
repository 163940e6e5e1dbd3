package proxy

import (
	"paddock/accesslog"
	"paddock/internal/value"
)

// Config is all that the proxy serves by. The keeper has read and checked it;
// it travels to the proxy as JSON.
type Config struct {
	Servers   []Server
	Upstreams map[string]Upstream // [upstream.NAME]
	Apps      map[string]App      // [app.NAME]; one name space with Upstreams
	Formats   map[string]accesslog.FormatSetting
	ReqZones  map[string]string // [limit_req_zone]
	UserFiles map[string]string // what the files of auth_basic_user_file hold, by path
	AccessLog accesslog.Setting // of a server that names none
	// WorkerConnections bounds the client connections (nginx: worker_connections). 0: as
	// many as three quarters of the open files that the process is allowed.
	WorkerConnections int
	TempDir           string // for request bodies; the proxy's own
	MaxTempSize       int64  // sum of all temporary files, in bytes; 0: DefaultMaxTempSize

	// Secure is what each of Servers speaks TLS with. It is made in the proxy's process.
	Secure []Secure `json:"-"`
}

// Server is one [[server]] (nginx: server). With App set, every request goes to
// that app; otherwise Location or Return says what happens.
type Server struct {
	Listen     value.Listens `toml:"listen"`      // "80", "127.0.0.1:8080", "[::]:80", ":80" (IPv4 and IPv6), "unix:/path"; then default_server, ssl, http2, backlog=N, proxy_protocol
	ServerName value.Strings `toml:"server_name"` // exact, "*.example.com", "www.example.*", ".example.com", "~regex"; "" or "_" as nginx
	App        string        `toml:"app"`         // short for a location "/" with proxy_pass = "http://APP"
	Return     string        `toml:"return"`      // "code [text]", "code URL" or "URL", for every request
	TryFiles   string        `toml:"try_files"`   // for what no location takes
	Location   []Location    `toml:"location"`

	HSTS          string `toml:"hsts"`           // Strict-Transport-Security of answers over TLS: a time, then includeSubDomains and preload, as in "365d includeSubDomains"; off (ours)
	HTTPSRedirect *bool  `toml:"https_redirect"` // send clients that speak plain HTTP to https://, with 301, or 308 where a body may follow; true with tls = "auto", else false (ours)

	ClientHeaderTimeout *value.Duration `toml:"client_header_timeout"`       // first byte of a request to the end of its head; 60 s
	ClientHeaderBuffer  *value.Size     `toml:"client_header_buffer_size"`   // a line of a head, and a head, may have this even where large_client_header_buffers is less; 1k (nginx: client_header_buffer_size)
	LargeHeaderBuffers  *value.Buffers  `toml:"large_client_header_buffers"` // "NUMBER SIZE": no line of a head is longer than SIZE; 4 8k (nginx: large_client_header_buffers)
	KeepaliveTimeout    *value.Duration `toml:"keepalive_timeout"`           // an idle connection; 75 s; 0 turns keep-alive off
	KeepaliveRequests   *int            `toml:"keepalive_requests"`          // 1000

	HTTP2                     *bool       `toml:"http2"`                        // HTTP/2 on every address: by ALPN over TLS, by prior knowledge else; true with tls = "auto" or "internal", else false; `http2` behind an address turns it on there (nginx: http2)
	HTTP2MaxConcurrentStreams *int        `toml:"http2_max_concurrent_streams"` // requests at once on a connection of HTTP/2; 128 (nginx: http2_max_concurrent_streams)
	HTTP2BodyPrereadSize      *value.Size `toml:"http2_body_preread_size"`      // of a request's body that may come before anybody reads it, 65535 to 1m; 64k (nginx: http2_body_preread_size)
	Settings
}

// Location is one [[server.location]] (nginx: location). Path is "/prefix",
// "= /exact", "^~ /prefix", "~ regex", "~* regex" or "@name".
type Location struct {
	Path      string `toml:"path"`       // "/prefix", "= /exact", "^~ /prefix", "~ regex", "~* regex" or "@name"
	ProxyPass string `toml:"proxy_pass"` // "http://NAME[/uri]" of an app or upstream, "http://host:port[/uri]", "http://unix:/path[:/uri]"
	Return    string `toml:"return"`     // "code [text]", "code URL" or "URL"
	Alias     string `toml:"alias"`      // takes the place of the prefix in the path of a file (nginx: alias)
	TryFiles  string `toml:"try_files"`  // "FILE… =CODE", "FILE… /URI" or "FILE… @NAME" (nginx: try_files)
	Internal  bool   `toml:"internal"`   // only for internal redirects (nginx: internal)
	Settings
}

// Settings are the directives that a server and its locations share. nil means
// "not set here": the server's value, then the default, applies.
type Settings struct {
	AccessLog           accesslog.Settings `toml:"access_log"`              // "off", "PATH [FORMAT] [buffer=SIZE] [gzip[=LEVEL]] [flush=TIME] [if=CONDITION]", a table with these keys and those of rotation, or an array of these: docs/logs.md; log_dir/access.log in combined (nginx: access_log)
	LimitReq            value.Strings      `toml:"limit_req"`               // "zone=NAME [burst=N] [nodelay | delay=N]"; none (nginx: limit_req)
	LimitReqStatus      *int               `toml:"limit_req_status"`        // 400 to 599; 503 (nginx: limit_req_status)
	LimitReqLogLevel    string             `toml:"limit_req_log_level"`     // of refusals, delays are one below: info, notice, warn or error; error (nginx: limit_req_log_level)
	LimitReqDryRun      *bool              `toml:"limit_req_dry_run"`       // count and log, but let all in; false (nginx: limit_req_dry_run)
	AuthBasic           string             `toml:"auth_basic"`              // realm of a password that is asked for, or "off"; off (nginx: auth_basic)
	AuthBasicUserFile   string             `toml:"auth_basic_user_file"`    // its users, as htpasswd writes them: bcrypt, apr1, SHA-crypt, {SHA}, {SSHA}, {PLAIN}; read at load (nginx: auth_basic_user_file)
	ClientMaxBodySize   *value.Size        `toml:"client_max_body_size"`    // 1m; 0 turns the check off
	ClientBodyBuffer    *value.Size        `toml:"client_body_buffer_size"` // 16k in memory, the rest in a temporary file
	ClientBodyTimeout   *value.Duration    `toml:"client_body_timeout"`     // between two reads; 60 s
	ClientBodyMinRate   *value.Size        `toml:"client_body_min_rate"`    // bytes a second; once client_body_timeout is over, a body that came slower is 408; 0: off
	SendTimeout         *value.Duration    `toml:"send_timeout"`            // between two writes; 60 s
	ProxyConnectTimeout *value.Duration    `toml:"proxy_connect_timeout"`   // 60 s
	ProxySendTimeout    *value.Duration    `toml:"proxy_send_timeout"`      // between two writes; 60 s
	ProxyReadTimeout    *value.Duration    `toml:"proxy_read_timeout"`      // between two reads; 60 s
	SetRealIPFrom       value.Strings      `toml:"set_real_ip_from"`        // peers that are believed: addresses, networks, "unix:"; none
	RealIPHeader        *string            `toml:"real_ip_header"`          // the field that names the client, or "proxy_protocol"; X-Real-IP
	RealIPRecursive     *bool              `toml:"real_ip_recursive"`       // step over believed addresses in that field; false

	ProxyRequestBuffering *bool          `toml:"proxy_request_buffering"`  // read the whole body before the app sees the request; true. false: send it as it comes (nginx: proxy_request_buffering)
	ProxyBuffering        *bool          `toml:"proxy_buffering"`          // keep what a slow client leaves of an answer, so that the app is free; true; X-Accel-Buffering of the answer overrides it (nginx: proxy_buffering)
	ProxyBufferSize       *value.Size    `toml:"proxy_buffer_size"`        // the longest head of an answer, 1k to 60k; 8k (nginx: proxy_buffer_size)
	ProxyBuffers          *value.Buffers `toml:"proxy_buffers"`            // "NUMBER SIZE": memory for what a slow client leaves of an answer, their sum; 8 8k (nginx: proxy_buffers)
	ProxyMaxTempFileSize  *value.Size    `toml:"proxy_max_temp_file_size"` // what it leaves beyond that memory, on disk; then the app is slowed down; 1g; 0: no file (nginx: proxy_max_temp_file_size)

	LingeringClose   *string         `toml:"lingering_close"`   // swallow what a client still sends after its answer, before the connection is closed: "on" when it may send, "always", or "off"; on (nginx: lingering_close)
	LingeringTime    *value.Duration `toml:"lingering_time"`    // at most, in all; 30 s
	LingeringTimeout *value.Duration `toml:"lingering_timeout"` // at most between two reads; 5 s

	ProxyNextUpstream        value.Strings   `toml:"proxy_next_upstream"`         // when the next server gets the request: error, timeout, invalid_header, http_500, http_502, http_503, http_504, http_403, http_404, http_429, non_idempotent, off; "error timeout" (nginx: proxy_next_upstream)
	ProxyNextUpstreamTries   *int            `toml:"proxy_next_upstream_tries"`   // in all; 0: as many as there are servers
	ProxyNextUpstreamTimeout *value.Duration `toml:"proxy_next_upstream_timeout"` // for all of them; 0: no limit
	ProxyIgnoreClientAbort   *bool           `toml:"proxy_ignore_client_abort"`   // go on with the request of a client that has left; false
	SiteSettings
}

// Limits say how many requests an upstream gets at once and how many may wait.
type Limits struct {
	MaxConns     int            `toml:"max_conns"`     // requests at once; 0: what the app can serve, without limit for an upstream
	QueueSize    int            `toml:"queue_size"`    // requests that may wait; 1000
	QueueTimeout value.Duration `toml:"queue_timeout"` // how long one may wait; 30 s
	Keepalive    int            `toml:"keepalive"`     // idle connections kept; 0 for an app, 32 for an upstream

	KeepaliveRequests int            `toml:"keepalive_requests"` // on one connection; 1000
	KeepaliveTimeout  value.Duration `toml:"keepalive_timeout"`  // an idle connection; 60 s
	KeepaliveTime     value.Duration `toml:"keepalive_time"`     // the age from which a connection serves no further request; 1 h
}

// Upstream is one [upstream.NAME]: servers that Paddock does not spawn (nginx: upstream).
type Upstream struct {
	Server    value.Strings `toml:"server"`     // "host:port", "host" (port 80) or "unix:/path"; then weight=N (1), max_conns=N (0: any number), max_fails=N (1; 0: never taken out), fail_timeout=TIME (10s), backup, down
	LeastConn bool          `toml:"least_conn"` // the server with the fewest requests for its weight; false: in turn, by weight (nginx: least_conn)
	IPHash    bool          `toml:"ip_hash"`    // a client stays with its server, by its address (nginx: ip_hash)
	Hash      string        `toml:"hash"`       // "KEY" or "KEY consistent": the server goes by a text with $variables (nginx: hash)
	Limits
}

// App is the proxy's half of one [app.NAME].
type App struct {
	Health        string         `toml:"health"`         // path of the probe; "/": any answer below 500
	HealthTimeout value.Duration `toml:"health_timeout"` // a new generation's time to answer the probe; 60 s

	// Dev is set by `paddock dev` and has no key: any answer of the probe will do, and
	// the page of an app that is down shows its last lines of output.
	Dev bool
	Limits
}
