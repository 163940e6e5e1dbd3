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

// searchTries bounds the search on a machine where processes end all the time.
const searchTries = 10

// search looks for processes until it has found some, or can be sure that there are
// none.
func search(find func(all []procInfo) []procInfo) []procInfo {
	for try := 1; ; try++ {
		all, whole := processes()
		found := find(all)
		if len(found) > 0 || whole || try == searchTries {
			return found
		}
	}
}

// members returns the living processes of the tree but its leader.
func (t tree) members() []procInfo { return search(t.find) }

// find picks the members. The group's number is ours as long as the leader is not
// reaped. The marker counts only for what descends from us: anybody may start a
// process with it.
func (t tree) find(all []procInfo) []procInfo {
	ours := make(map[int]bool)
	for _, p := range descendants(all, os.Getpid()) {
		ours[p.pid] = true
	}
	marked := func(entry string) bool { return entry == t.marker }
	var found []procInfo
	for _, p := range all {
		if p.pid == t.pgid || !p.alive() {
			continue
		}
		if p.pgrp == t.pgid || ours[p.pid] && environHas(p.pid, marked) {
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
