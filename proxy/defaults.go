package proxy

import (
	"time"

	"paddock/internal/value"
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

// Defaults of the buffering of answers.
const (
	defaultProxyBuffers = 64 << 10 // nginx: proxy_buffers 8 8k
	defaultMaxTempFile  = 1 << 30  // nginx: proxy_max_temp_file_size
)

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
	maxHeadLine        = 8 << 10  // nginx: large_client_header_buffers 4 8k
	maxHead            = 32 << 10 // the four of them
	maxHeadFields      = 100
	maxAnswerFields    = 256 // an app may set many cookies
	maxInterim         = 10  // 1xx answers before the final one
	clientBufferSize   = maxHead + 8<<10
	upstreamBufferSize = 64 << 10
	maxSpool           = 1 << 30          // sum of all request bodies in temporary files
	lingerTimeout      = 5 * time.Second  // nginx: lingering_timeout, between two reads
	lingerTime         = 30 * time.Second // nginx: lingering_time, in all
	retryAfterBusy     = 5 * time.Second  // Retry-After of a full queue
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
	buffering      bool
	backlog        backlogLimits
	realip         *realip // nil: no peer is believed
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
