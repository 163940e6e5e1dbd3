package faults

import "os"

// soak makes the faults as long as they are in life; `make soak` sets it.
var soak = os.Getenv("PADDOCK_SOAK") != ""

// long chooses between the short form of `make test` and the whole of `make soak`.
func long[T any](short, whole T) T {
	if soak {
		return whole
	}
	return short
}
