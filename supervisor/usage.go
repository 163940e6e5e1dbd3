package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Owner names an app or a program: what a process tree belongs to.
type Owner struct {
	Kind Kind
	Name string
}

// Usage is what the processes of one owner take at a moment: all generations, and
// all that they have started.
type Usage struct {
	Processes int
	Workers   []int         // pids of what the main process has started itself: gunicorn's workers
	RSS       uint64        // bytes; what several share is counted for each
	CPU       time.Duration // user and system; only grows
	OpenFiles int           // descriptors; 0 for a process that may not be looked into
}

// Meter measures the processes of one keeper. Its methods are for one goroutine at
// a time. A measurement reads /proc/PID/stat of every process of the machine, as
// the Reaper does each second, and four files of each of ours.
type Meter struct {
	instance string
	last     map[procKey]time.Duration // CPU of each tree at the measurement before
	cpu      map[Owner]time.Duration
}

// procKey names one process for as long as the machine runs.
type procKey struct {
	pid   int
	start uint64
}

// NewMeter returns a Meter for what s starts.
func (s *System) NewMeter() *Meter {
	return &Meter{instance: s.Instance, last: map[procKey]time.Duration{}, cpu: map[Owner]time.Duration{}}
}

// Measure looks at everything that this process has started. known tells the
// owners of children by pid; that of another child (a generation that is being
// deployed or drained, what escaped from its group) stands in its environment.
func (m *Meter) Measure(known map[int]Owner) map[Owner]Usage {
	all, _ := processes()
	children := make(map[int][]procInfo)
	for _, p := range all {
		children[p.ppid] = append(children[p.ppid], p)
	}
	out := map[Owner]Usage{}
	seen := map[procKey]time.Duration{}
	for _, child := range children[os.Getpid()] {
		owner, main := known[child.pid]
		ok := main
		if !main {
			owner, ok = m.ownerOf(child.pid)
		}
		if !ok {
			continue
		}
		u := m.tree(child, children, owner, seen)
		for _, p := range children[child.pid] {
			if main && p.alive() {
				u.Workers = append(u.Workers, p.pid)
			}
		}
		out[owner] = out[owner].plus(u)
	}
	m.last = seen
	for owner, u := range out {
		u.CPU = m.cpu[owner]
		out[owner] = u
	}
	return out
}

// MeasureSelf is the usage of this process alone.
func (m *Meter) MeasureSelf() Usage {
	u, _ := readUsage(os.Getpid())
	u.CPU = u.own // not that of children, which count for themselves
	return u.Usage
}

// Forget drops what was added up for owners that keep refuses.
func (m *Meter) Forget(keep func(Owner) bool) {
	for owner := range m.cpu {
		if !keep(owner) {
			delete(m.cpu, owner)
		}
	}
}

// tree measures a child and all that it has started. A process that ends is in its
// parent's times from then on, so the sum over a tree grows, until a part of the tree
// leaves it; such a loss is no negative time.
func (m *Meter) tree(child procInfo, children map[int][]procInfo, owner Owner, seen map[procKey]time.Duration) Usage {
	var sum Usage
	for todo := []procInfo{child}; len(todo) > 0; todo = todo[1:] {
		p := todo[0]
		todo = append(todo, children[p.pid]...)
		if u, ok := readUsage(p.pid); ok {
			sum = sum.plus(u.Usage)
		}
	}
	key := procKey{child.pid, child.start}
	seen[key] = max(sum.CPU, m.last[key])
	m.cpu[owner] += seen[key] - m.last[key]
	return sum
}

func (u Usage) plus(o Usage) Usage {
	return Usage{u.Processes + o.Processes, append(u.Workers, o.Workers...), u.RSS + o.RSS, u.CPU + o.CPU, u.OpenFiles + o.OpenFiles}
}

// ownerOf reads the marker of a child of ours.
func (m *Meter) ownerOf(pid int) (owner Owner, ok bool) {
	prefix := markerName + "=" + m.instance + ":"
	environHas(pid, func(entry string) bool {
		rest, found := strings.CutPrefix(entry, prefix)
		if found {
			owner, ok = parseOwner(rest)
		}
		return found
	})
	return owner, ok
}

// parseOwner reads NAME:GENERATION; generations of apps count from 1.
func parseOwner(s string) (Owner, bool) {
	i := strings.LastIndexByte(s, ':')
	if i <= 0 {
		return Owner{}, false
	}
	n, err := strconv.Atoi(s[i+1:])
	switch {
	case err != nil || n < 0:
		return Owner{}, false
	case n == 0:
		return Owner{KindProgram, s[:i]}, true
	}
	return Owner{KindApp, s[:i]}, true
}

// readUsage measures one process; false: it is gone, or a zombie.
func readUsage(pid int) (processUsage, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return processUsage{}, false
	}
	u, err := parseUsage(text)
	if err != nil || u.state == 'Z' || u.state == 'X' {
		return processUsage{}, false
	}
	u.Processes, u.OpenFiles = 1, openFiles(pid)
	return u, true
}

type processUsage struct {
	Usage
	state byte
	own   time.Duration // CPU without that of children
}

// clockTick is USER_HZ, which is 100 on every architecture that Go runs on.
const clockTick = time.Second / 100

// parseUsage reads a line of /proc/PID/stat: fields 14 to 17 are the times of the
// process and of its children that were waited for, 24 is its resident pages. Source:
// proc_pid_stat(5).
func parseUsage(text []byte) (processUsage, error) {
	f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(f) < 22 {
		return processUsage{}, fmt.Errorf("read /proc/PID/stat: %d fields; expected 22 or more", len(f))
	}
	u := processUsage{state: f[0][0]}
	var errs [5]error
	for i := range 4 {
		var ticks uint64
		ticks, errs[i] = strconv.ParseUint(string(f[11+i]), 10, 62)
		u.CPU += time.Duration(ticks) * clockTick
		if i < 2 {
			u.own = u.CPU
		}
	}
	pages, err := strconv.ParseUint(string(f[21]), 10, 64)
	errs[4] = err
	u.RSS = pages * uint64(os.Getpagesize())
	return u, errors.Join(errs[:]...)
}

// openFiles counts descriptors. Since Linux 6.2 their number is the folder's size.
func openFiles(pid int) int {
	path := fmt.Sprintf("/proc/%d/fd", pid)
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		return int(info.Size())
	}
	dir, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	return len(names)
}
