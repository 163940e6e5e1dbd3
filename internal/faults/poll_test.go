package faults

import (
	"time"

	"golang.org/x/sys/unix"
)

// pollIn waits until a descriptor is readable.
func pollIn(fd int, limit time.Duration) (int, error) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	return unix.Poll(fds, int(max(limit, 0)/time.Millisecond))
}
