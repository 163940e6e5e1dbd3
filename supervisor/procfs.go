package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// procInfo is what /proc/PID/stat says of a process. A pid with its start time
// names one process for as long as the machine runs.
type procInfo struct {
	pid, ppid, pgrp int
	state           byte
	start           uint64 // clock ticks after boot
}

// readStat reads /proc/PID/stat. Source: proc_pid_stat(5); the name of the program
// stands in parentheses and may hold anything.
func readStat(pid int) (procInfo, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return procInfo{}, err
	}
	f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(f) < 20 {
		return procInfo{}, fmt.Errorf("read /proc/%d/stat: %d fields; expected 20 or more", pid, len(f))
	}
	info := procInfo{pid: pid, state: f[0][0]}
	var errs [3]error
	info.ppid, errs[0] = strconv.Atoi(string(f[1]))
	info.pgrp, errs[1] = strconv.Atoi(string(f[2]))
	info.start, errs[2] = strconv.ParseUint(string(f[19]), 10, 64)
	return info, errors.Join(errs[:]...)
}

// alive reports whether the process has not ended: a zombie has.
func (i procInfo) alive() bool { return i.state != 'Z' && i.state != 'X' }

// processes lists all processes. whole is false when one ended meanwhile: what it
// had started last may then be missing, or seem to be nobody's.
func processes() (all []procInfo, whole bool) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, false
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	whole = true
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		info, err := readStat(pid)
		if err != nil {
			whole = false
			continue
		}
		all = append(all, info)
	}
	return all, whole
}

// descendants returns the processes of all that root has started, directly or not.
func descendants(all []procInfo, root int) []procInfo {
	children := make(map[int][]procInfo)
	for _, p := range all {
		children[p.ppid] = append(children[p.ppid], p)
	}
	var found []procInfo
	for todo := children[root]; len(todo) > 0; {
		p := todo[0]
		todo = append(todo[1:], children[p.pid]...)
		found = append(found, p)
	}
	return found
}

// environHas reports whether the process was started with a variable for which
// match is true, given as NAME=VALUE.
func environHas(pid int, match func(string) bool) bool {
	text, err := readEnviron(pid)
	if err != nil {
		return false
	}
	for _, entry := range strings.Split(string(text), "\x00") {
		if match(entry) {
			return true
		}
	}
	return false
}

// open returns a pidfd of exactly this process, or an error when it is gone.
func (i procInfo) open() (int, error) {
	fd, err := unix.PidfdOpen(i.pid, 0)
	if err != nil {
		return -1, err
	}
	if now, err := readStat(i.pid); err != nil || now.start != i.start {
		unix.Close(fd)
		return -1, unix.ESRCH
	}
	return fd, nil
}

// signal sends a signal to exactly this process.
func (i procInfo) signal(sig unix.Signal) error {
	fd, err := i.open()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.PidfdSendSignal(fd, sig, nil, 0)
}

// readable waits at most timeout for a descriptor; a pidfd is readable when its
// process has ended.
func readable(fd int, timeout time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(timeout/time.Millisecond))
	return err == nil && n > 0
}
