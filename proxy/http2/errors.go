package http2

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// Code is an error code of RST_STREAM and GOAWAY (RFC 9113 7).
type Code uint32

// The codes of RFC 9113 7.
const (
	NoError          Code = 0x0
	ProtocolError    Code = 0x1
	InternalError    Code = 0x2
	FlowControlError Code = 0x3
	StreamClosed     Code = 0x5
	FrameSizeError   Code = 0x6
	RefusedStream    Code = 0x7
	Cancel           Code = 0x8
	CompressionError Code = 0x9
	EnhanceYourCalm  Code = 0xb
)

// A connError ends the connection with GOAWAY.
type connError struct {
	code   Code
	reason string
}

func (e *connError) Error() string { return fmt.Sprintf("%s (HTTP/2 error %d)", e.reason, e.code) }

func protocolError(reason string) error { return &connError{ProtocolError, reason} }

// Panic is why a connection ended whose reader or writer panicked.
type Panic struct {
	Reason any
	Stack  []byte
}

func (e *Panic) Error() string { return fmt.Sprintf("panic: %v\n%s", e.Reason, e.Stack) }

// caught is deferred, and makes a panic the error.
func caught(err *error) {
	if reason := recover(); reason != nil {
		*err = &Panic{reason, debug.Stack()}
	}
}

// A Malformed request is none that can be answered (RFC 9113 8.1.1): it is logged,
// and its stream is reset.
type Malformed struct {
	Reason string
	Rule   string // the section that says so
}

func (e *Malformed) Error() string { return e.Reason + " (" + e.Rule + ")" }

// What Read and Send return, beside os.ErrDeadlineExceeded.
var (
	ErrReset  = errors.New("http2: the stream was reset")
	ErrClosed = errors.New("http2: the connection is closed")
)

var errCalm = &connError{EnhanceYourCalm, "too many streams were reset, or frames that carry nothing"}

// IsFlood reports whether a connection ended because its client asked for more work
// than it may.
func IsFlood(err error) bool {
	e, ok := err.(*connError)
	return ok && e.code == EnhanceYourCalm
}

// Of requests.
var (
	errPseudoOrder  = &Malformed{"pseudo field after a field", "RFC 9113 8.3"}
	errPseudoTwice  = &Malformed{"pseudo field given twice", "RFC 9113 8.3"}
	errPseudo       = &Malformed{"unknown pseudo field", "RFC 9113 8.3"}
	errNoPseudo     = &Malformed{"no :method, :scheme or :path", "RFC 9113 8.3.1"}
	errMethod       = &Malformed{"malformed :method", "RFC 9110 9.1"}
	errScheme       = &Malformed{"scheme other than http and https", "RFC 9113 8.3.1"}
	errPath         = &Malformed{"malformed :path", "RFC 9113 8.3.1"}
	errAuthority    = &Malformed{"malformed :authority", "RFC 9113 8.3.1"}
	errHosts        = &Malformed{"Host is not what :authority says", "RFC 9113 8.3.1"}
	errName         = &Malformed{"malformed field name", "RFC 9113 8.2.1"}
	errValue        = &Malformed{"malformed field value", "RFC 9113 8.2.1"}
	errConnection   = &Malformed{"connection-specific field", "RFC 9113 8.2.2"}
	errLength       = &Malformed{"malformed content-length", "RFC 9113 8.1.1"}
	errLengthDiffer = &Malformed{"content-length is not the sum of DATA", "RFC 9113 8.1.1"}
	errTrailers     = &Malformed{"a second head that is not the end of the stream", "RFC 9113 8.1"}
	errDepends      = &Malformed{"the stream depends on itself", "RFC 9113 5.3.1"}
)
