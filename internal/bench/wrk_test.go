package main

import (
	"testing"
	"time"
)

const wrkReport = `Running 2s test @ http://127.0.0.1:8101/s
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.29ms    1.01ms  23.32ms   91.77%
    Req/Sec    28.40k     2.14k   31.23k    80.00%
  Latency Distribution
     50%    2.07ms
     75%    2.55ms
     90%    3.12ms
     99%    5.70ms
  56543 requests in 2.00s, 19.79MB read
`

func TestWrkReport(t *testing.T) {
	for _, c := range []struct {
		name, report string
		want         result
	}{
		{"without errors", wrkReport, result{requests: 56543, elapsed: 2 * time.Second, p99: 5700 * time.Microsecond}},
		{
			"with errors of both kinds",
			wrkReport + "  Socket errors: connect 1, read 20, write 300, timeout 4000\n  Non-2xx or 3xx responses: 50000\nRequests/sec:  28245.10\n",
			result{requests: 56543, elapsed: 2 * time.Second, p99: 5700 * time.Microsecond, errors: 54321},
		},
		{"nothing served", "  0 requests in 1.01m, 0.00B read\n", result{elapsed: 60600 * time.Millisecond}},
	} {
		if got, err := (wrk{}).read(nil, c.report); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
	if _, err := (wrk{}).read(nil, "unable to connect to 127.0.0.1:1 Connection refused\n"); err == nil {
		t.Error("a report without requests is taken")
	}
}
