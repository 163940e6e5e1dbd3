package main

import (
	"strings"
	"testing"
	"time"
)

const h2loadReport = `starting benchmark...
spawning thread #0: 16 total client(s). Timing-based test with 0s of warm-up time and 2s of main duration for measurements.
Main benchmark duration is over for thread #0. Stopping all clients.

finished in 2.00s, 38012.50 req/s, 9.33MB/s
requests: 76185 total, 76185 started, 76185 done, 76025 succeeded, 160 failed, 160 errored, 0 timeout
status codes: 76025 2xx, 0 3xx, 0 4xx, 0 5xx
`

func TestH2loadReport(t *testing.T) {
	got, err := readH2load(h2loadReport)
	if want := (result{requests: 76025, errors: 160, elapsed: 2 * time.Second}); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if _, err := readH2load("no such option\n"); err == nil {
		t.Error("a report without requests is taken")
	}
}

func TestH2loadLogGivesThe99thPercentile(t *testing.T) {
	log := strings.Repeat("1795000000000000\t200\t300\n", 98) + "1795000000000000\t200\t9000\n" + "1795000000000000\t200\t4000\n"
	if got, err := readH2loadLog(log); err != nil || got != 9*time.Millisecond {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"1 200\n", "1 200 soon\n"} {
		if _, err := readH2loadLog(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
