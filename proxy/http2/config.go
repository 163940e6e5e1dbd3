package http2

import "time"

// Config bounds what one client may ask for. Zero values mean the defaults.
type Config struct {
	MaxStreams    int           // requests at once; 128 (nginx: http2_max_concurrent_streams)
	MaxRequests   int           // after that many the connection is wound up; 1000 (nginx: keepalive_requests)
	BodyWindow    int           // bytes of a body that may come before anybody reads it; 65536 (nginx: http2_body_preread_size)
	IdleTimeout   time.Duration // without a stream; 75 s (nginx: keepalive_timeout)
	HeaderTimeout time.Duration // for the first frame, and from the first to the last byte of a head; 60 s (nginx: client_header_timeout)
	WriteTimeout  time.Duration // the client takes nothing at all; 60 s (nginx: send_timeout)
	MaxHead       int           // decoded bytes of a head, as HTTP/1.1 has them; 32 KiB
	MaxFields     int           // 100
}

// DefaultMaxStreams is nginx's http2_max_concurrent_streams.
const DefaultMaxStreams = 128

// DefaultBodyWindow is nginx's http2_body_preread_size.
const DefaultBodyWindow = 64 << 10

// Bounds that have no setting.
const (
	connWindow       = 1 << 20          // bytes of all bodies that may come before anybody reads them
	tableSize        = 4096             // of the client's dynamic table; what it may have without a word of ours
	maxContinuations = 16               // frames of one head; more when MaxHead would not fit
	maxBlock         = 32 << 10         // encoded bytes of one head, or MaxHead if that is more
	resetBurst       = 200              // streams that end without an answer, whoever resets them (faults D1, D2)
	resetsPerSecond  = 20               //
	controlBurst     = 1000             // frames that carry nothing: PING, SETTINGS, empty DATA, … (faults D4)
	controlPerSecond = 100              //
	settingsCost     = 20               // tokens for one SETTINGS: each may have to wake every stream (CVE-2026-78669)
	outLimit         = 256 << 10        // bytes that wait for the writer before streams wait too
	maxOut           = 1 << 20          // bytes of heads and control frames that a client may leave unread
	readBuffer       = 32 << 10         // of a connection with a stream
	smallBuffer      = 1 << 10          // of one without: most requests fit
	parkAfter        = 5 * time.Second  // without a stream: then it needs no goroutine
	remembered       = 256              // streams that ended last; what still comes for them is known to be late
	drainTimeout     = time.Second      // for the client to have seen the first GOAWAY
	closeTimeout     = time.Second      // for the last bytes to be taken
	lingerTimeout    = 2 * time.Second  // what the client still sends is swallowed, so that no reset destroys the last bytes
	lingerBytes      = 256 << 10        //
	defaultIdle      = 75 * time.Second //
	defaultTimeout   = time.Minute      //
	defaultRequests  = 1000             //
	defaultMaxHead   = 32 << 10         //
	defaultMaxFields = 100              //
)

func (c Config) withDefaults() Config {
	positive(&c.MaxStreams, DefaultMaxStreams)
	positive(&c.MaxRequests, defaultRequests)
	positive(&c.BodyWindow, DefaultBodyWindow)
	positive(&c.IdleTimeout, defaultIdle)
	positive(&c.HeaderTimeout, defaultTimeout)
	positive(&c.WriteTimeout, defaultTimeout)
	positive(&c.MaxHead, defaultMaxHead)
	positive(&c.MaxFields, defaultMaxFields)
	return c
}

func positive[T int | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}
