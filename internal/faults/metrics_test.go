package faults

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// measured is a site with metrics at an address of their own.
func measured(t *testing.T) (d *daemon, metrics string) {
	t.Helper()
	d = folder(t)
	metrics = freeAddress(t)
	d.configure(syncApp + "server_name = \"a.test\"\n" + metricsAt(metrics))
	d.run()
	d.waitLog(`web entered RUNNING state`)
	return d, metrics
}

func metricsAt(addr string) string { return "\n[metrics]\nlisten = \"" + addr + "\"\n" }

// scrape reads all series, by their text up to the value.
func scrape(t *testing.T, addr string) map[string]float64 {
	t.Helper()
	text := page(t, addr, "/metrics")
	out := map[string]float64{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if i := strings.LastIndexByte(line, ' '); !strings.HasPrefix(line, "#") && i > 0 {
			v, err := strconv.ParseFloat(line[i+1:], 64)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			out[line[:i]] = v
		}
	}
	return out
}

func page(t *testing.T, addr, path string) string {
	t.Helper()
	a, err := get(addr, path, patience)
	if err != nil || a.status != 200 {
		t.Fatalf("GET http://%s%s: %d, %v", addr, path, a.status, err)
	}
	return string(a.body)
}

func wantSeries(t *testing.T, got map[string]float64, want map[string]float64) {
	t.Helper()
	for name, v := range want {
		if now, ok := got[name]; !ok || now != v {
			t.Errorf("%s is %v (there: %v), want %v", name, now, ok, v)
		}
	}
}

func TestMetricsOfARealAppAreExactAndValid(t *testing.T) {
	d, addr := measured(t)
	const n = 20
	for range n {
		d.get("/")
	}
	a, err := send(d.addr, "GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: x\r\n\r\n", patience)
	if err != nil || a.status != 400 {
		t.Fatalf("a malformed request: %d, %v", a.status, err)
	}
	var got map[string]float64
	d.until("all are counted", func() bool { // a request is, a moment after its answer
		got = scrape(t, addr)
		return got[`paddock_http_request_duration_seconds_count{site="a.test"}`] == n+1
	})
	wantSeries(t, got, map[string]float64{
		`paddock_http_requests_total{code="200",method="GET",site="a.test"}`:  n,
		`paddock_http_requests_total{code="400",method="GET",site="a.test"}`:  1,
		`paddock_http_rejected_total{reason="bad_request",site="a.test"}`:     1,
		`paddock_http_request_duration_seconds_count{site="a.test"}`:          n + 1,
		`paddock_http_requests_in_flight{site="a.test"}`:                      0,
		`paddock_upstream_requests_total{code="200",upstream="web"}`:          n,
		`paddock_upstream_limit{upstream="web"}`:                              3, // its workers and one
		`paddock_upstream_up{upstream="web"}`:                                 1,
		`paddock_process_up{kind="app",name="web"}`:                           1,
		`paddock_process_state{kind="app",name="web",state="RUNNING"}`:        1,
		`paddock_process_processes{kind="app",name="web"}`:                    3,
		`paddock_process_restarts_total{kind="app",name="web",reason="exit"}`: 0,
		`paddock_app_generation{app="web"}`:                                   1,
		`paddock_log_lines_total{log="` + d.dir + `/log/access.log"}`:         n + 1,
		`paddock_config_last_reload_successful`:                               1,
		`paddock_keeper_up`:                                                   1,
		`paddock_process_processes{kind="keeper",name="keeper"}`:              1,
		`paddock_process_processes{kind="proxy",name="proxy"}`:                1,
	})
	for _, name := range []string{"resident_memory_bytes", "cpu_seconds_total", "open_fds", "start_time_seconds"} {
		if v := got[`paddock_process_`+name+`{kind="app",name="web"}`]; v <= 0 {
			t.Errorf("%s of the app: %v", name, v)
		}
	}
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(page(t, addr, "/metrics"))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	status := page(t, addr, "/stub_status")
	if want := fmt.Sprintf("server accepts handled requests\n %d %d %d \n", n+1, n+1, n+1); !strings.Contains(status, want) {
		t.Errorf("stub_status %q, want %q", status, want)
	}
}

func TestRestartDeployAndReloadAreCounted(t *testing.T) {
	d, addr := measured(t)
	master := d.master()
	d.log.forget()
	kill(t, master)
	d.waitLog(`web entered RUNNING state`)
	wantSeries(t, scrape(t, addr), map[string]float64{
		`paddock_process_restarts_total{kind="app",name="web",reason="exit"}`: 1,
		`paddock_process_exits_total{code="SIGKILL",kind="app",name="web"}`:   1,
		`paddock_app_generation{app="web"}`:                                   1,
	})
	if out, code := d.command("deploy", "web"); code != 0 {
		t.Fatalf("deploy: exit %d: %s", code, out)
	}
	text := d.read("paddock.toml")
	d.write("paddock.toml", "[app.web\n")
	d.signal(syscall.SIGHUP) // the command would not ask with a broken file
	d.waitLog(`reload failed`)
	wantSeries(t, scrape(t, addr), map[string]float64{
		`paddock_process_restarts_total{kind="app",name="web",reason="deploy"}`: 1,
		`paddock_deploys_total{app="web",result="success"}`:                     1,
		`paddock_deploy_duration_seconds_count{app="web"}`:                      1,
		`paddock_app_generation{app="web"}`:                                     2,
		`paddock_config_reloads_total{result="failure"}`:                        1,
		`paddock_config_last_reload_successful`:                                 0,
	})
	// The series of what a reload takes away are gone, and the counters of the rest are not.
	d.get("/")
	d.write("paddock.toml", strings.ReplaceAll(strings.ReplaceAll(text, "[app.web]", "[app.shop]"), `app = "web"`, `app = "shop"`))
	if out, code := d.command("reload"); code != 0 {
		t.Fatalf("reload: exit %d: %s", code, out)
	}
	d.waitLog(`shop entered RUNNING state`)
	got := scrape(t, addr)
	for name := range got {
		if strings.Contains(name, `"web"`) {
			t.Errorf("%s is still there", name)
		}
	}
	if got[`paddock_http_requests_total{code="200",method="GET",site="a.test"}`] < 2 || got[`paddock_process_up{kind="app",name="shop"}`] != 1 {
		t.Errorf("after the reload: %v", got)
	}
}

func TestKeeperThatHangsOrDiesIsSeenInMetrics(t *testing.T) {
	d, addr := measured(t)
	d.get("/")
	d.signal(syscall.SIGSTOP)
	d.until("the keeper has stopped", func() bool { return frozen(d.cmd.Process.Pid) })
	begun := time.Now()
	got := scrape(t, addr)
	took := time.Since(begun)
	d.signal(syscall.SIGCONT)
	wantSeries(t, got, map[string]float64{
		`paddock_keeper_up`: 0,
		`paddock_http_requests_total{code="200",method="GET",site="a.test"}`: 1,
	})
	if _, there := got[`paddock_process_up{kind="app",name="web"}`]; there || took > 5*time.Second {
		t.Errorf("after %v, processes of a keeper that hangs: %v", took, there)
	}
	d.until("the keeper answers again", func() bool { return scrape(t, addr)[`paddock_keeper_up`] == 1 })

	conn, err := dial(d.addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close()
	fmt.Fprintf(conn, "GET /sleep/4 HTTP/1.1\r\nHost: a.test\r\n\r\n")
	d.untilInFlight(1)
	proxy := d.proxyPid()
	kill(t, d.cmd.Process.Pid)
	// The proxy finishes what it holds, and says so meanwhile.
	d.until("the keeper is missed", func() bool {
		got = scrape(t, addr)
		return got[`paddock_keeper_up`] == 0
	})
	wantSeries(t, got, map[string]float64{`paddock_http_requests_in_flight{site="a.test"}`: 1})
	if a, err := conn.answer("GET"); err != nil || a.status != 200 {
		t.Errorf("the request in flight: %d, %v", a.status, err)
	}
	waitGone(t, 10*time.Second, proxy)
	<-d.exit
	d.run()
	d.waitLog(`web entered RUNNING state`)
	wantSeries(t, scrape(t, addr), map[string]float64{`paddock_keeper_up`: 1})
}

// frozen reports whether every thread of a process has obeyed SIGSTOP.
func frozen(pid int) bool {
	stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, path := range stats {
		text, _ := os.ReadFile(path)
		if _, rest, _ := strings.Cut(string(text), ") "); !strings.HasPrefix(rest, "T") {
			return false
		}
	}
	return len(stats) > 0
}

func TestReloadSwitchesMetricsOnOffAndMovesThem(t *testing.T) {
	d := ready(t, syncApp)
	first, second := freeAddress(t), freeAddress(t)
	proxy := d.proxyPid()
	turn := func(config string) {
		t.Helper()
		d.configure(config)
		if out, code := d.command("reload"); code != 0 {
			t.Fatalf("reload: exit %d: %s", code, out)
		}
	}
	served := func(addr string, want bool) {
		t.Helper()
		c, err := net.DialTimeout("tcp", addr, patience)
		if err == nil {
			c.Close()
		}
		if (err == nil) != want {
			t.Errorf("%s is served: %v, want %v", addr, err == nil, want)
		}
	}
	turn(syncApp + metricsAt(first))
	scrape(t, first)
	turn(syncApp + metricsAt(first) + "\n[program.nap]\ncommand = \"sleep 1000\"\n") // it stays where it is
	scrape(t, first)
	turn(syncApp + metricsAt(second))
	scrape(t, second)
	d.until("the old address is closed", func() bool {
		c, err := net.Dial("tcp", first)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	taken, err := net.Listen("tcp", first)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	d.configure(syncApp + metricsAt(first))
	if out, code := d.command("reload"); code == 0 || !strings.Contains(out, first) {
		t.Errorf("a reload onto a taken port: exit %d: %s", code, out)
	}
	scrape(t, second)
	kill(t, proxy)
	d.until("another proxy serves the same", func() bool {
		a, err := get(second, "/metrics", patience)
		return err == nil && a.status == 200
	})
	turn(syncApp)
	d.until("metrics are off", func() bool {
		c, err := net.Dial("tcp", second)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	served(d.addr, true)
}
