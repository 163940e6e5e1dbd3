package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The two kinds of gunicorn that most sites run.
const (
	syncApp = `
[app.web]
command = "gunicorn --workers 2 app:app"
health_timeout = "30s"

[[server]]
listen = "ADDR"
app = "web"
`
	threadApp = `
[app.web]
command = "gunicorn --worker-class gthread --workers 2 --threads 4 app:app"

[[server]]
listen = "ADDR"
app = "web"
`
)

func TestServesARealFlaskApp(t *testing.T) {
	d := ready(t, syncApp)
	if got := d.get("/"); got != "hello" {
		t.Errorf("GET / answered %q", got)
	}
	a, err := send(d.addr, "POST /load/7 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n", patience)
	if err != nil || a.status != 200 || string(a.body) != "5" {
		t.Errorf("a chunked POST answered %d %q, %v", a.status, a.body, err)
	}
	if code := d.stop(); code != 0 {
		t.Errorf("stopped with exit code %d", code)
	}
	lines := readLines(t, filepath.Join(d.dir, "log", "access.log"))
	want := `"GET / HTTP/1.1" 200 5 "-" "-"`
	found := false
	for _, l := range lines {
		found = found || strings.HasPrefix(l, "127.0.0.1 - - [") && strings.HasSuffix(l, want)
	}
	if !found {
		t.Errorf("no access line ends in %s: %q", want, lines)
	}
}

func TestWorkerKilledInARequestFailsThatRequestOnly(t *testing.T) { // A1
	d := ready(t, syncApp)
	l := d.load()
	for range 5 {
		begun := time.Now()
		a, err := get(d.addr, "/die", patience)
		if err != nil || a.status != 502 {
			t.Errorf("the request in the dead worker was answered %d, %v; want 502", a.status, err)
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("the 502 came after %v, want at once", took)
		}
	}
	l.finish(t)
	if l.failed() > 0 {
		t.Errorf("%d other requests failed", l.failed())
	}
}

func TestMasterKilledUnderLoadLosesOnlyWhatItsWorkersHeld(t *testing.T) { // A2
	d := ready(t, syncApp)
	master := d.master()
	old := d.workers(master, 2)
	l := d.load()
	l.reach(t, 100)
	d.log.forget()
	kill(t, master)
	d.waitLog(`web entered RUNNING state`)
	l.reach(t, 300)
	l.finish(t)
	waitGone(t, 2*time.Second, old...)
	if l.failed() > len(old) {
		t.Errorf("%d requests failed, the %d sync workers held at most one each", l.failed(), len(old))
	}
	if now := d.master(); now == master {
		t.Errorf("the master is still %d", now)
	}
}

func TestAppThatRaisesAtImportIsAnsweredWithRetryAfterWhileOthersLive(t *testing.T) { // A3
	d := folder(t)
	other := freeAddress(t)
	d.write("broken.py", "raise RuntimeError('no such setting')\n")
	d.configure(strings.ReplaceAll(syncApp, "app = \"web\"", "app = \"broken\"") + `
[app.broken]
command = "gunicorn broken:app"

[[server]]
listen = "` + other + `"
app = "web"
`)
	d.run()
	d.waitLog(`web entered RUNNING state`)
	l := (&load{addr: other, keep: 4, fresh: 2}).start()
	for range 3 { // the back-off is 1, 2, 4 … seconds
		d.waitLog(`broken entered BACKOFF state`)
		d.log.forget()
	}
	begun := time.Now()
	a, err := get(d.addr, "/", patience)
	if err != nil || a.status != 503 || !strings.Contains(a.head, "\r\nRetry-After: ") {
		t.Errorf("answered %d, %v: %q; want 503 with Retry-After", a.status, err, a.head)
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("the 503 came after %v, want at once", took)
	}
	l.finish(t)
	if l.failed() > 0 {
		t.Errorf("%d requests of the other site failed", l.failed())
	}
	if log := d.read("log/broken.err.log"); !strings.Contains(log, "no such setting") {
		t.Error("the traceback is not in the app's log")
	}
}

func TestAppThatNeverBootsIsStoppedAtItsHealthTimeout(t *testing.T) { // A3
	d := start(t, strings.Replace(syncApp, `health_timeout = "30s"`, "health_timeout = \"1s\"\nstopwaitsecs = 1\nenvironment = { BOOT_SLEEP = \"300\" }", 1))
	var all []int
	d.until("the app runs", func() bool {
		all = slices.DeleteFunc(tree(d.cmd.Process.Pid), func(pid int) bool { return !strings.Contains(strings.Join(cmdline(pid), " "), "gunicorn") })
		return len(all) == 3
	})
	d.waitLog(`web entered BACKOFF state`)
	a, err := get(d.addr, "/", patience)
	if err != nil || a.status != 503 {
		t.Errorf("answered %d, %v; want 503", a.status, err)
	}
	waitGone(t, 5*time.Second, all...)
}

func TestRequestsWaitWhileTheAppBoots(t *testing.T) {
	t.Parallel()
	d := start(t, strings.Replace(syncApp, "health_timeout = \"30s\"", "environment = { BOOT_SLEEP = \"2\" }", 1))
	if got := d.get("/"); got != "hello" {
		t.Errorf("answered %q", got)
	}
}

func TestSlowBootInADeployLosesNothing(t *testing.T) { // A4
	d := ready(t, syncApp)
	l := d.load()
	d.edit("app.py", `VERSION = "one"`, `VERSION = "two"`)
	d.edit("app.py", `if os.environ.get("BOOT_SLEEP"):`, fmt.Sprintf("time.sleep(%d)\nif False:", long(5, 20)))
	if out, code := d.command("deploy", "web"); code != 0 {
		t.Errorf("deploy: exit %d: %s", code, out)
	}
	if got := d.get("/version"); got != "two" {
		t.Errorf("version %q serves after the deploy", got)
	}
	l.finish(t)
	if l.failed() > 0 {
		t.Errorf("%d requests failed", l.failed())
	}
}

func TestDeployUnderLoadLosesNothing(t *testing.T) {
	for name, config := range map[string]string{"sync": syncApp, "gthread": threadApp} {
		t.Run(name, func(t *testing.T) {
			d := ready(t, config)
			l := d.load()
			masters := map[int]bool{d.master(): true}
			for i := range 3 {
				d.edit("app.py", `VERSION = "`, `VERSION = "x`)
				if out, code := d.command("deploy", "web"); code != 0 {
					t.Errorf("deploy %d: exit %d: %s", i, code, out)
				}
				if got, want := d.get("/version"), strings.Repeat("x", i+1)+"one"; got != want {
					t.Errorf("version %q serves, want %q", got, want)
				}
				masters[d.master()] = true
			}
			l.finish(t)
			if l.failed() > 0 {
				t.Errorf("%d requests failed", l.failed())
			}
			if len(masters) != 4 {
				t.Errorf("%d masters served, want 4", len(masters))
			}
		})
	}
}

func TestDeployOfCodeThatRaisesKeepsTheOldGeneration(t *testing.T) { // A5
	d := ready(t, syncApp)
	d.allBooted(2) // a worker that boots later would import the broken code
	master := d.master()
	l := d.load()
	d.edit("app.py", `VERSION = "one"`, `raise RuntimeError("half written")`)
	out, code := d.command("deploy", "web")
	if code != 1 {
		t.Errorf("deploy of broken code: exit %d, want 1", code)
	}
	if !strings.Contains(out, "half written") {
		t.Errorf("deploy does not show the traceback: %s", out)
	}
	if now := d.master(); now != master {
		t.Errorf("master %d serves, want the old one, %d", now, master)
	}
	l.reach(t, 300)
	l.finish(t)
	if l.failed() > 0 {
		t.Errorf("%d requests failed", l.failed())
	}
}

func TestHangingAppIsAnsweredWith504(t *testing.T) { // A6
	d := ready(t, syncApp+"proxy_read_timeout = \"1s\"\n")
	a, err := get(d.addr, "/sleep/3", patience)
	if err != nil || a.status != 504 {
		t.Errorf("answered %d, %v; want 504", a.status, err)
	}
}

func TestStopLeavesNoOrphan(t *testing.T) { // A8
	d := ready(t, syncApp)
	var orphans []int
	for range 3 {
		pid, err := strconv.Atoi(strings.TrimSpace(d.get("/orphan")))
		if err != nil {
			t.Fatal(err)
		}
		if !alive(pid) {
			t.Fatalf("the orphan %d is not there", pid)
		}
		orphans = append(orphans, pid)
	}
	if code := d.stop(); code != 0 {
		t.Errorf("stopped with exit code %d", code)
	}
	waitGone(t, time.Second, orphans...)
}

func TestProgramThatIgnoresTermIsKilled(t *testing.T) { // A9
	d := folder(t)
	d.configure(`
[program.deaf]
command = "sh -c 'trap \"\" TERM; echo deaf $$; while :; do sleep 1; done'"
stopwaitsecs = 1
`)
	d.run()
	d.waitLog(`deaf entered RUNNING state`)
	pids := tree(d.cmd.Process.Pid)
	begun := time.Now()
	if code := d.stop(); code != 0 {
		t.Errorf("stopped with exit code %d", code)
	}
	if took := time.Since(begun); took < time.Second || took > 5*time.Second {
		t.Errorf("the stop took %v, want stopwaitsecs = 1 s", took)
	}
	waitGone(t, time.Second, pids...)
}

func TestProgramThatExitsAtOnceEndsFatal(t *testing.T) { // A13
	d := folder(t)
	d.configure(`
[program.quick]
command = "sh -c 'echo once >> DIR/spawns; exit 3'"
startretries = 1
`)
	d.run()
	d.waitLog(`quick entered FATAL state`)
	if n := strings.Count(d.read("spawns"), "once"); n != 2 {
		t.Errorf("%d spawns, want startretries + 1 = 2", n)
	}
	if out, code := d.command("status"); code != 0 || !strings.Contains(out, "FATAL") {
		t.Errorf("status (exit %d) does not say FATAL: %s", code, out)
	}
}

func TestFloodOnStderrIsBoundedAndRequestsGoOn(t *testing.T) { // A10
	d := ready(t, strings.Replace(syncApp, `health_timeout = "30s"`, "stderr_logfile_maxbytes = \"1MB\"\nstderr_logfile_backups = 2", 1))
	l := d.load()
	for range 3 {
		if got := d.get("/flood/64"); got != "flooded" {
			t.Errorf("the flood answered %q", got)
		}
	}
	l.finish(t)
	if l.failed() > 0 {
		t.Errorf("%d requests failed", l.failed())
	}
	for _, pid := range []int{d.cmd.Process.Pid, d.proxyPid()} {
		if rss := residentKB(t, pid); rss > 128<<10 && !raceEnabled {
			t.Errorf("%v holds %d KB", cmdline(pid), rss)
		}
	}
	files, _ := filepath.Glob(filepath.Join(d.dir, "log", "web.err.log*"))
	total := int64(0)
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if len(files) != 3 || total < 2<<20 || total > 3<<20+2<<20 {
		t.Errorf("%d log files hold %d bytes; want 3 of about 1 MB", len(files), total)
	}
}

func TestMaxRequestsRestartsAreInvisible(t *testing.T) { // A15
	d := ready(t, strings.Replace(syncApp, "--workers 2", "--workers 2 --max-requests 50 --max-requests-jitter 10", 1))
	old := d.workers(d.master(), 2)
	l := d.load()
	l.reach(t, long(1000, 20_000))
	l.finish(t)
	if l.failed() > 0 {
		t.Errorf("%d requests failed", l.failed())
	}
	waitGone(t, time.Second, old...)
}

func TestAppSeesTheClientAndNoSpoofedField(t *testing.T) {
	d := ready(t, syncApp)
	a, err := send(d.addr, "GET /headers HTTP/1.1\r\nHost: a.test:8080\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Ssl: on\r\nX_Real_Ip: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nProxy: evil\r\nConnection: close, x-secret\r\nX-Secret: 1\r\n\r\n", patience)
	if err != nil || a.status != 200 {
		t.Fatalf("answered %d, %v", a.status, err)
	}
	body := string(a.body)
	for _, bad := range []string{"6.6.6.6", "evil", "X-Secret", "X-Forwarded-Ssl"} {
		if strings.Contains(body, bad) {
			t.Errorf("the app sees %s: %s", bad, body)
		}
	}
	for _, good := range []string{`"host":"a.test:8080"`, `["X-Forwarded-For","127.0.0.1"]`, `["X-Real-Ip","127.0.0.1"]`, `["X-Forwarded-Proto","http"]`} {
		if !strings.Contains(strings.ReplaceAll(body, " ", ""), good) {
			t.Errorf("the app does not see %s: %s", good, body)
		}
	}
}

// residentKB is the resident memory of a process.
func residentKB(t *testing.T, pid int) int {
	t.Helper()
	for _, line := range readLines(t, fmt.Sprintf("/proc/%d/status", pid)) {
		var kb int
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kb); n == 1 {
			return kb
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
