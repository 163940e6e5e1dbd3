package proxy

import (
	"time"

	"go.uber.org/zap/zapcore"

	"paddock/internal/value"
	"paddock/proxy/http1"
)

// Defaults of a [[server]] and its locations: nginx's names and numbers.
const (
	defaultClientHeaderTimeout = 60 * time.Second
	defaultKeepaliveTimeout    = 75 * time.Second
	defaultKeepaliveRequests   = 1000
	defaultClientMaxBodySize   = 1 << 20
	defaultClientBodyBuffer    = 16 << 10
	defaultTimeout             = 60 * time.Second // client_body, send, proxy_connect, proxy_send, proxy_read
)

// Defaults of the buffers, nginx's names and numbers. Where nginx has a page, "4k|8k", it is 8k.
const (
	defaultHeaderBuffer    = 1 << 10
	defaultProxyBufferSize = 8 << 10
	defaultProxyBuffers    = 64 << 10 // proxy_buffers 8 8k
	defaultMaxTempFile     = 1 << 30
	defaultLingerTime      = 30 * time.Second
	defaultLingerTimeout   = 5 * time.Second
)

var defaultLargeBuffers = value.Buffers{Number: 4, Size: 8 << 10}

// DefaultMaxTempSize is the bound of all temporary files together. The disk has other users.
const DefaultMaxTempSize = 4 << 30

// Defaults of an app and an upstream.
const (
	defaultQueueSize                 = 1000
	defaultQueueTimeout              = 30 * time.Second
	defaultHealth                    = "/"
	defaultHealthTimeout             = 60 * time.Second
	defaultUpstreamKeepalive         = 32               // nginx since 1.29.7
	defaultUpstreamKeepaliveRequests = 1000             // nginx, as the next two
	defaultUpstreamKeepaliveTimeout  = 60 * time.Second // idle
	defaultUpstreamKeepaliveTime     = time.Hour        // in all
	defaultAppKeepalive              = 0                // gunicorn's sync workers close, its threads leak connections that were kept
)

// Bounds that have no key.
const (
	maxHeadFields      = 100
	maxAnswerFields    = 256 // an app may set many cookies
	maxInterim         = 10  // 1xx answers before the final one
	clientBufferSize   = 40 << 10
	upstreamBufferSize = 64 << 10
	minAnswerHead      = 1 << 10
	maxAnswerHead      = 60 << 10        // leaves room in that buffer for the body
	maxBodyBuffer      = 1 << 30         // client_body_buffer_size
	maxRequestHead     = 1 << 20         // client_header_buffer_size and large_client_header_buffers
	retryAfterBusy     = 5 * time.Second // Retry-After of a full queue
)

// DefaultApp returns an [app.NAME] with every default of the proxy's half.
func DefaultApp() App {
	return App{
		Health:        defaultHealth,
		HealthTimeout: value.Duration(defaultHealthTimeout),
		Limits:        defaultLimits(defaultAppKeepalive),
	}
}

// DefaultUpstream returns an [upstream.NAME] with every default.
func DefaultUpstream() Upstream {
	return Upstream{Limits: defaultLimits(defaultUpstreamKeepalive)}
}

func defaultLimits(keepalive int) Limits {
	return Limits{
		QueueSize:    defaultQueueSize,
		QueueTimeout: value.Duration(defaultQueueTimeout),
		Keepalive:    keepalive,

		KeepaliveRequests: defaultUpstreamKeepaliveRequests,
		KeepaliveTimeout:  value.Duration(defaultUpstreamKeepaliveTimeout),
		KeepaliveTime:     value.Duration(defaultUpstreamKeepaliveTime),
	}
}

// settings are the directives of one place after inheritance.
type settings struct {
	logs           []*logTarget // none: "off"
	maxBody        int64        // 0: no limit
	bodyBuffer     int
	bodyTimeout    time.Duration
	bodyMinRate    int64 // bytes a second; 0: any
	sendTimeout    time.Duration
	connectTimeout time.Duration
	proxySend      time.Duration
	proxyRead      time.Duration
	next           nextRules
	ignoreAbort    bool
	streamed       bool // proxy_request_buffering off
	buffering      bool
	backlog        backlogLimits
	answerHead     http1.Limits
	linger         lingerRules
	realip         *realip // nil: no peer is believed
	limit          limitRules
	auth           authRules
	site           siteRules
}

func defaultSettings() settings {
	return settings{
		maxBody:        defaultClientMaxBodySize,
		bodyBuffer:     defaultClientBodyBuffer,
		bodyTimeout:    defaultTimeout,
		sendTimeout:    defaultTimeout,
		connectTimeout: defaultTimeout,
		proxySend:      defaultTimeout,
		proxyRead:      defaultTimeout,
		next:           nextRules{cases: defaultNextCases},
		buffering:      true,
		backlog:        backlogLimits{memory: defaultProxyBuffers, file: defaultMaxTempFile},
		answerHead:     answerLimits(defaultProxyBufferSize),
		linger:         lingerRules{time: defaultLingerTime, timeout: defaultLingerTimeout},
		limit:          limitRules{status: defaultLimitStatus, level: zapcore.ErrorLevel},
		site:           defaultSite(),
	}
}

// with returns s with what own sets; the access log is the compiler's business.
func (s settings) with(own *Settings) settings {
	if own.ClientMaxBodySize != nil {
		s.maxBody = int64(*own.ClientMaxBodySize)
	}
	if own.ClientBodyBuffer != nil {
		s.bodyBuffer = int(*own.ClientBodyBuffer)
	}
	if own.ClientBodyMinRate != nil {
		s.bodyMinRate = int64(*own.ClientBodyMinRate)
	}
	setDuration(&s.bodyTimeout, own.ClientBodyTimeout)
	setDuration(&s.sendTimeout, own.SendTimeout)
	setDuration(&s.connectTimeout, own.ProxyConnectTimeout)
	setDuration(&s.proxySend, own.ProxySendTimeout)
	setDuration(&s.proxyRead, own.ProxyReadTimeout)
	if own.ProxyIgnoreClientAbort != nil {
		s.ignoreAbort = *own.ProxyIgnoreClientAbort
	}
	return s
}

func setDuration(d *time.Duration, own *value.Duration) {
	if own != nil {
		*d = own.D()
	}
}
