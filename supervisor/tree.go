package supervisor

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// BecomeSubreaper makes orphans of our children our own children, instead of init's,
// so that they can be found and ended (prctl PR_SET_CHILD_SUBREAPER).
func BecomeSubreaper() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
}

// tree is what one child has started: its process group, and by the marker in the
// environment what left the group (setsid).
type tree struct {
	pgid   int
	marker string
}

// members returns the living processes of the tree but its leader. Only what
// descends from us is looked at, so a stranger with our marker is never harmed.
func (t tree) members() []procInfo {
	var found []procInfo
	for _, p := range descendants(processes(), os.Getpid()) {
		if p.pid == t.pgid || !p.alive() {
			continue
		}
		if p.pgrp == t.pgid || environHas(p.pid, func(entry string) bool { return entry == t.marker }) {
			found = append(found, p)
		}
	}
	return found
}

func (t tree) inGroup(members []procInfo) []procInfo {
	var found []procInfo
	for _, p := range members {
		if p.pgrp == t.pgid {
			found = append(found, p)
		}
	}
	return found
}

func killAll(members []procInfo) {
	for _, p := range members {
		p.signal(unix.SIGKILL) // fails only for one that is gone
	}
}

// goneRound is how long awaitGone waits before its caller looks again who is there.
const goneRound = 100 * time.Millisecond

// awaitGone waits until the first of the processes has ended or stop is closed, for
// one round at most.
func awaitGone(members []procInfo, stop <-chan struct{}) {
	limit := time.Now().Add(goneRound)
	for _, p := range members {
		fd, err := p.open()
		if err != nil {
			continue
		}
		for time.Now().Before(limit) && !readable(fd, 10*time.Millisecond) {
			select {
			case <-stop:
				unix.Close(fd)
				return
			default:
			}
		}
		unix.Close(fd)
	}
}
