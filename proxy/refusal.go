package proxy

import (
	"time"

	"paddock/accesslog"
)

// refusal is why a request gets no answer of an app. The steps of serve return
// these as errors; the ones without details are shared.
type refusal struct {
	status     int
	code       int           // what error_page has it under, when that is not its status; else 0
	text       string        // second heading of the page, and its title
	location   []byte        // Location of a redirect
	retryAfter time.Duration // Retry-After, in whole seconds rounded up; 0 sends none
	size       int64         // of the file that a 416 is about
	silent     bool          // nothing is written; the status is only logged
	output     string        // last lines of an app that is down, for the page; only under `paddock dev`
	cause      error
	reason     accesslog.Refusal
}

// Error says what the client is told and why.
func (r *refusal) Error() string {
	text := statusText(r.status)
	if r.cause != nil {
		text += ": " + r.cause.Error()
	}
	return text
}

// Unwrap returns what the step failed with.
func (r *refusal) Unwrap() error { return r.cause }

const statusClientGone = 499 // nginx: the client closed the connection

var (
	errClientGone   = &refusal{status: statusClientGone, silent: true, reason: accesslog.ClientGone}
	errClientCut    = &refusal{status: 400, silent: true, reason: accesslog.ClientGone} // left inside its own request
	errSlowClient   = &refusal{status: 408, silent: true, reason: accesslog.RefusedSlowClient}
	errTooLarge     = &refusal{status: 413, reason: accesslog.RefusedBodySize}
	errBadBody      = &refusal{status: 400, reason: accesslog.RefusedBadRequest}
	errQueueFull    = &refusal{status: 503, retryAfter: retryAfterBusy, reason: accesslog.RefusedQueueFull}
	errQueueTimeout = &refusal{status: 503, retryAfter: retryAfterBusy, reason: accesslog.RefusedQueueTimeout}
	errNotFound     = &refusal{status: 404}
	errInternal     = &refusal{status: 500}
	errShort        = &refusal{status: 502, silent: true} // the answer broke off after its head went out
)

// badGateway and gatewayTimeout say that the app failed: 502 and 504.
func badGateway(cause error) *refusal     { return &refusal{status: 502, cause: cause} }
func gatewayTimeout(cause error) *refusal { return &refusal{status: 504, cause: cause} }

// pageCode is what error_page has the refusal under.
func (r *refusal) pageCode() int {
	if r.code != 0 {
		return r.code
	}
	return r.status
}

// closes reports whether nginx ends the connection after this status: the client
// and we may not agree on where the next request begins, or it should not send one.
func (r *refusal) closes() bool {
	switch r.status {
	case 400, 413, 414, 500, 501, 505:
		return true
	}
	return r.silent
}
