package dev

import (
	"context"
	"slices"
	"time"
)

const (
	// quietTime has to pass after a change without another: an editor saves in several
	// steps, a checkout changes many files.
	quietTime = 200 * time.Millisecond
	// longestWait is for a folder in which something changes all the time.
	longestWait = 2 * time.Second
)

// debounce gathers what comes from in and sends it as one list, each path once, when
// nothing has come for quietTime, or longestWait after the first. It returns when
// ctx ends or in is closed.
func debounce(ctx context.Context, in <-chan string, out chan<- []string) {
	var changed []string
	var first time.Time
	timer := time.NewTimer(quietTime)
	timer.Stop()
	defer timer.Stop()
	for {
		var ready chan<- []string
		select {
		case <-ctx.Done():
			return
		case path, ok := <-in:
			if !ok {
				return
			}
			if len(changed) == 0 {
				first = time.Now()
			}
			if !slices.Contains(changed, path) {
				changed = append(changed, path)
			}
			timer.Reset(min(quietTime, max(longestWait-time.Since(first), 0)))
			continue
		case <-timer.C:
			ready = out
		}
		select {
		case ready <- changed:
			changed = nil
		case <-ctx.Done():
			return
		}
	}
}
