package supervisor

import (
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// Survivors is what a keeper notes about its children, so that the next one can
// end them when it was killed itself. It is written as JSON to a file that only
// the keeper can write.
type Survivors struct {
	Instance  string
	Processes []Survivor
}

// Survivor is one process, named by its pid and start time.
type Survivor struct {
	Name       string
	Generation int
	PID        int
	StartTime  uint64 // clock ticks after boot
}

// survivorGrace is the time that survivors get between TERM and KILL: nobody talks
// to them any more, and the new keeper does not serve before they are gone.
const survivorGrace = 2 * time.Second

// EndSurvivors ends the processes that a killed keeper left: those recorded, their
// groups, and whatever carries that keeper's marker. It returns how many there were.
func EndSurvivors(s Survivors, log *zap.Logger) int {
	if log == nil {
		log = zap.NewNop()
	}
	members := s.alive()
	count := len(members)
	for _, p := range members {
		log.Info("ending a process of a former keeper", zap.Int("pid", p.pid))
		p.signal(unix.SIGTERM)
	}
	for limit := time.Now().Add(survivorGrace); len(members) > 0 && time.Now().Before(limit); members = s.alive() {
		awaitGone(members, nil)
	}
	for limit := time.Now().Add(endTreeLimit); len(members) > 0 && time.Now().Before(limit); members = s.alive() {
		killAll(members)
		awaitGone(members, nil)
	}
	return count
}

func (s Survivors) alive() []procInfo { return search(s.find) }

// find picks what is left. A group is taken for ours only while its leader is the
// recorded process: without it only the marker counts, since the number may be
// another's by now.
func (s Survivors) find(all []procInfo) []procInfo {
	groups := make(map[int]bool)
	for _, rec := range s.Processes {
		for _, p := range all {
			if rec.PID > 1 && p.pid == rec.PID && p.start == rec.StartTime {
				groups[p.pid] = true
			}
		}
	}
	prefix := markerName + "=" + s.Instance + ":"
	marked := func(entry string) bool { return strings.HasPrefix(entry, prefix) }
	var found []procInfo
	for _, p := range all {
		if p.pid > 1 && p.alive() && (groups[p.pid] || groups[p.pgrp] || s.Instance != "" && environHas(p.pid, marked)) {
			found = append(found, p)
		}
	}
	return found
}
