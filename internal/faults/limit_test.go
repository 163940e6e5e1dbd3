package faults

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// limitRun is what one round of one limit gave.
type limitRun struct {
	took    []time.Duration
	failed  int
	seconds float64
}

// hammer has clients ask without a pause for d. Every tenth request has the second target.
func hammer(addr string, clients int, d time.Duration, targets [2]string) limitRun {
	var run limitRun
	var mu sync.Mutex
	var wg sync.WaitGroup
	var number atomic.Int64
	begun := time.Now()
	for range clients {
		wg.Go(func() {
			tr := &http.Transport{MaxConnsPerHost: 1}
			defer tr.CloseIdleConnections()
			var took []time.Duration
			failed := 0
			for time.Since(begun) < d {
				target := targets[0]
				if number.Add(1)%10 == 0 {
					target = targets[1]
				}
				start := time.Now()
				if !isOK(tr, "http://"+addr+target) {
					failed++
				}
				took = append(took, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			run.took, run.failed = append(run.took, took...), run.failed+failed
		})
	}
	wg.Wait()
	run.seconds = time.Since(begun).Seconds()
	return run
}

func isOK(tr *http.Transport, url string) bool {
	q, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return false
	}
	res, err := tr.RoundTrip(q)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == 200
}

func (r *limitRun) add(o limitRun) {
	r.took, r.failed, r.seconds = append(r.took, o.took...), r.failed+o.failed, r.seconds+o.seconds
}

func (r *limitRun) String() string {
	slices.Sort(r.took)
	at := func(share float64) time.Duration { return r.took[int(float64(len(r.took)-1)*share)] }
	return fmt.Sprintf("%6.0f/s, p50 %v, p99 %v, %d of %d failed", float64(len(r.took))/r.seconds,
		at(.5).Round(100*time.Microsecond), at(.99).Round(100*time.Microsecond), r.failed, len(r.took))
}

// The limit of an app is about the number of requests that its workers serve at once: what
// one more, or no limit, would give is in docs/performance.md. `make soak` measures it.
func TestLimitOfAnAppAgainstOneMoreAndNone(t *testing.T) {
	apps := []struct {
		name, config string
		serves       int
	}{{"sync", syncApp, 2}, {"gthread", threadApp, 8}}
	for _, app := range apps[:long(1, len(apps))] {
		t.Run(app.name, func(t *testing.T) { compareLimits(t, app.config, app.serves) })
	}
}

func compareLimits(t *testing.T, config string, serves int) {
	limits := []struct {
		name string
		n    int
	}{{"N", serves}, {"N + 1", serves + 1}, {"none", 100_000}}
	var daemons []*daemon
	for _, l := range limits {
		d := ready(t, strings.Replace(config, "[app.web]", fmt.Sprintf("[app.web]\nmax_conns = %d", l.n), 1))
		hammer(d.addr, serves, 200*time.Millisecond, [2]string{"/", "/"})
		daemons = append(daemons, d)
	}
	for _, load := range []struct {
		name    string
		targets [2]string
	}{
		{"computes 1 ms", [2]string{"/", "/"}},
		{"waits 10 ms", [2]string{"/sleep/0.01", "/sleep/0.01"}},
		{"waits 5 ms, every tenth time 100 ms", [2]string{"/sleep/0.005", "/sleep/0.1"}},
	} {
		sums := make([]limitRun, len(limits))
		for range long(1, 6) {
			for i := range limits { // in turn, so that a busy machine is busy for all
				sums[i].add(hammer(daemons[i].addr, 32, long(100*time.Millisecond, 2*time.Second), load.targets))
			}
		}
		for i, l := range limits {
			t.Logf("%s, limit %s: %v", load.name, l.name, &sums[i])
			if sums[i].failed > 0 {
				t.Errorf("%s, limit %s: %d of %d failed", load.name, l.name, sums[i].failed, len(sums[i].took))
			}
		}
	}
}

// The configuration file is run as the app's user, in its folder and environment, and
// nothing of that is left behind.
func TestLimitIsWhatGunicornsConfigurationFileSays(t *testing.T) {
	user, uid := "", os.Geteuid()
	if uid == 0 {
		user, uid = "user = \"nobody\"\n", someone
	}
	d := folder(t)
	d.write("gunicorn.conf.py", "import os\nworkers = int(os.environ['MANY']) if os.getuid() == "+strconv.Itoa(uid)+" else 99\nthreads = 2\n")
	d.configure(strings.Replace(syncApp, "gunicorn --workers 2 app:app\"", "gunicorn app:app\"\n"+user+"environment = { MANY = \"3\" }", 1))
	d.run()
	d.waitLog(`web entered RUNNING state`)
	d.until("the limit is 3 workers x 2 threads", func() bool {
		out, _ := d.command("status")
		return strings.Contains(out, "0 of 6")
	})
	d.until("gunicorn --print-config is gone", func() bool {
		for _, pid := range tree(d.cmd.Process.Pid) {
			if slices.Contains(cmdline(pid), "--print-config") {
				return false
			}
		}
		return true
	})
	if got := d.get("/"); got != "hello" {
		t.Errorf("GET / answered %q", got)
	}
}
