package main

import (
	"strings"
	"testing"
	"time"
)

func round(requests int, us float64, p99 time.Duration) sample {
	return sample{
		result{requests: requests, elapsed: 2 * time.Second, p99: p99},
		time.Duration(us * float64(requests) * float64(time.Microsecond)),
	}
}

func TestRowTakesTheMedianOfTheRatiosOfEachRound(t *testing.T) {
	r := rounds{
		nginx:   []sample{round(2000, 20, 2*time.Millisecond), round(4000, 40, 4*time.Millisecond), round(1000, 10, 3*time.Millisecond)},
		paddock: []sample{round(3000, 10, time.Millisecond), round(4000, 36, 9*time.Millisecond), round(1000, 8, time.Millisecond)},
	}
	r.paddock[1].errors = 7
	for _, c := range []struct {
		goal float64
		want string
	}{
		{0.75, "| get | 20.0 | 10.0 | 0.80 | ≤ 0.75 | missed by 0.05 | 1000, 1500 | 3.0 ms, 1.0 ms | 0, 7 |\n"},
		{0.80, "| get | 20.0 | 10.0 | 0.80 | ≤ 0.80 | met | 1000, 1500 | 3.0 ms, 1.0 ms | 0, 7 |\n"},
		{0, "| get | 20.0 | 10.0 | 0.80 | - |  | 1000, 1500 | 3.0 ms, 1.0 ms | 0, 7 |\n"},
	} {
		if got := row(load{name: "get", goal: c.goal}, r); got != c.want {
			t.Errorf("got  %swant %s", got, c.want)
		}
	}
}

func TestRowWithoutRequestsSaysSo(t *testing.T) {
	dead := sample{result: result{errors: 64}}
	got := row(load{name: "get", goal: 0.75}, rounds{[]sample{round(10, 1, 0)}, []sample{dead}})
	if !strings.Contains(got, "no round was served") || !strings.HasSuffix(got, "| 0, 64 |\n") {
		t.Error(got)
	}
	if strings.Count(got, "|") != strings.Count(strings.SplitN(tableHead, "\n", 3)[1], "|") {
		t.Errorf("the row has other columns than the head: %s", got)
	}
}

func TestWorkloadsByName(t *testing.T) {
	c, err := options{rounds: 1, secs: 1, workloads: "idle,post"}.choose()
	if err != nil || len(c.loads) != 1 || c.loads[0].against != nginxBestBody || !c.idle || c.firstByte {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []options{{rounds: 0, secs: 1}, {rounds: 1, secs: 61}, {rounds: 1, secs: 1, workloads: "get,got"}} {
		if _, err := bad.choose(); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
