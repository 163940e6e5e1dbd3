package http1

import (
	"errors"
	"strconv"
)

// ErrIncomplete says that what is there is valid so far and that more must come.
var ErrIncomplete = errors.New("http1: more bytes needed")

// Error is a refused message. The connection that it came from must be closed:
// where the message ends is unknown.
type Error struct {
	Status int    // to answer: 400, 405, 414, 501, 505; 502 for a response
	Reason string // what is wrong, for the log
	Rule   string // the section that says so
}

func (e *Error) Error() string {
	return e.Reason + " (" + e.Rule + "; status " + strconv.Itoa(e.Status) + ")"
}

// RuleHeadTooLarge is the Rule of a refused head that is over a limit in bytes.
// nginx answers it with a page of its own ("Request Header Or Cookie Too Large").
const RuleHeadTooLarge = "nginx large_client_header_buffers"

func bad(reason, rule string) *Error { return &Error{400, reason, rule} }

// Shared by heads of both kinds and by trailers.
var (
	errBareLF       = bad("line ended by a bare LF", "RFC 9112 2.2")
	errFold         = bad("folded field line", "RFC 9112 5.2")
	errEmptyName    = bad("field without a name", "RFC 9112 5")
	errName         = bad("field name is not a token", "RFC 9110 5.1")
	errBlankColon   = bad("blank before the colon of a field", "RFC 9112 5.1")
	errNoColon      = bad("field line without a colon", "RFC 9112 5")
	errValue        = bad("control byte in a field value", "RFC 9110 5.5")
	errFieldTooLong = bad("field line too long", RuleHeadTooLarge)
	errHeadTooLong  = bad("head too long", RuleHeadTooLarge)
	errTooMany      = bad("too many fields", "RFC 9110 5.4")
	errOptions      = bad("too many connection options", "RFC 9110 7.6.1")
	errVersion      = bad("malformed HTTP version", "RFC 9112 2.3")

	errLength       = bad("malformed Content-Length", "RFC 9112 6.3")
	errTwoLengths   = bad("more than one Content-Length", "RFC 9112 6.3")
	errLengthCoding = bad("Content-Length beside Transfer-Encoding", "RFC 9112 6.1")
	errTwoCodings   = bad("more than one transfer coding", "RFC 9112 6.1")
	errCoding10     = bad("Transfer-Encoding in HTTP/1.0", "RFC 9112 6.1")
	errCoding       = &Error{501, "transfer coding other than chunked", "RFC 9112 6.1"}
)

// Of requests.
var (
	errMethod       = bad("malformed method", "RFC 9112 3.1")
	errTargetByte   = bad("byte that may not stand in a request target", "RFC 9112 3.2")
	errTarget       = bad("malformed request target", "RFC 9112 3.2")
	errScheme       = bad("scheme other than http and https", "RFC 9110 4.2")
	errAuthority    = bad("malformed authority", "RFC 9110 4.2")
	errAsterisk     = bad("asterisk-form without OPTIONS", "RFC 9112 3.2.4")
	errEscape       = bad("malformed escape in the path", "RFC 3986 2.1")
	errNUL          = bad("escaped NUL in the path", "RFC 3986 7.3")
	errAboveRoot    = bad("path leads above the root", "RFC 3986 5.2.4")
	errNoHost       = bad("no Host", "RFC 9112 3.2")
	errTwoHosts     = bad("more than one Host", "RFC 9112 3.2")
	errHost         = bad("malformed Host", "RFC 9112 3.2")
	errTwice        = bad("Authorization or Expect given twice", "RFC 9110 5.3")
	errConnect      = &Error{405, "CONNECT is not served", "RFC 9110 9.3.6"}
	errTrace        = &Error{405, "TRACE is not served", "RFC 9110 9.3.8"}
	errLineTooLong  = &Error{414, "request line too long", "RFC 9112 3"}
	errMajorVersion = &Error{505, "HTTP version other than 1", "RFC 9110 15.6.6"}
)

// Of the chunked coding.
var (
	errChunkSize     = bad("malformed chunk size", "RFC 9112 7.1")
	errChunkOverflow = bad("chunk size too large", "RFC 9112 7.1")
	errChunkExt      = bad("malformed chunk extension", "RFC 9112 7.1.1")
	errChunkExtLong  = bad("chunk extensions too long", "RFC 9112 7.1.1")
	errChunkEnd      = bad("chunk data not followed by CRLF", "RFC 9112 7.1")
	errTrailerLong   = bad("trailer section too long", "RFC 9112 7.1.2")
)

// Of responses. What is shared with requests is turned into one of these by
// gatewayError, because an upstream's fault is a 502 to the client.
var (
	errStatusLine = &Error{502, "malformed status line", "RFC 9112 4"}
	errStatusCode = &Error{502, "status outside 100 to 599", "RFC 9110 15"}
)

// gatewayErrors holds a 502 twin for each error that both kinds of head share,
// so that a hostile upstream costs no allocation.
var gatewayErrors = twins(
	errBareLF, errFold, errEmptyName, errName, errBlankColon, errNoColon, errValue,
	errFieldTooLong, errHeadTooLong, errTooMany, errOptions, errVersion,
	errLength, errTwoLengths, errLengthCoding, errTwoCodings, errCoding10, errCoding,
)

func twins(errs ...*Error) map[*Error]*Error {
	m := make(map[*Error]*Error, len(errs))
	for _, e := range errs {
		m[e] = &Error{502, e.Reason, e.Rule}
	}
	return m
}

// gatewayError returns err as the fault of an upstream.
func gatewayError(err error) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	if twin := gatewayErrors[e]; twin != nil {
		return twin
	}
	return e
}
