package proxy

import (
	"errors"
	"io"
	"os"
	"syscall"

	"paddock/accesslog"
	"paddock/proxy/http1"
)

// connectFailure says why a server could not be reached.
func connectFailure(err error) accesslog.Failure {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return accesslog.FailedTimeout
	}
	return accesslog.FailedConnect
}

// failureOf says why a server that was reached brought no whole answer.
func failureOf(err error) accesslog.Failure {
	var malformed *http1.Error
	var errno syscall.Errno
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return accesslog.FailedTimeout
	case errors.As(err, &malformed):
		return accesslog.FailedBadResponse
	case errors.Is(err, errNoHead), errors.Is(err, errBroken), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return accesslog.FailedEOF
	case errors.As(err, &errno):
		return accesslog.FailedReset
	}
	return accesslog.FailedBadResponse
}
