package faults

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestProxyKilledUnderLoadComesBackOnTheSameListeners(t *testing.T) {
	d := ready(t, syncApp)
	master := d.master()
	l := d.load()
	l.reach(t, 100)
	d.log.forget()
	kill(t, d.proxyPid())
	begun := time.Now()
	if got := d.get("/"); got != "hello" {
		t.Errorf("answered %q", got)
	}
	if took := time.Since(begun); took > time.Second && !raceEnabled {
		t.Errorf("the first 200 came after %v", took)
	}
	l.reach(t, 200)
	l.finish(t)
	// Every goroutine of the load has at most one request begun.
	if most := l.keep + l.fresh; l.failed() > most {
		t.Errorf("%d requests failed; %d connections can have had one begun", l.failed(), most)
	}
	if now := d.master(); now != master {
		t.Errorf("the app was restarted with the proxy: master %d, was %d", now, master)
	}
}

func TestKeeperKilledLeavesNoOrphanForTheNextOne(t *testing.T) { // B1
	d := ready(t, syncApp+"\n[program.side]\ncommand = \"sleep 1000\"\n")
	d.waitLog(`side entered RUNNING state`)
	proxy, all := d.proxyPid(), tree(d.cmd.Process.Pid)
	slow := make(chan error, 1)
	conn, err := dial(d.addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close()
	fmt.Fprintf(conn, "GET /sleep/1 HTTP/1.1\r\nHost: a.test\r\n\r\n")
	d.untilInFlight(1)
	go func() {
		a, err := conn.answer("GET")
		if err == nil && (a.status != 200 || string(a.body) != "slept") {
			err = fmt.Errorf("answered %d %q", a.status, a.body)
		}
		slow <- err
	}()
	kill(t, d.cmd.Process.Pid)
	if err := <-slow; err != nil {
		t.Errorf("the request in flight was not finished: %v", err)
	}
	waitGone(t, 5*time.Second, proxy)
	<-d.exit
	survivors := slices.DeleteFunc(slices.Clone(all), func(pid int) bool { return !alive(pid) })
	if len(survivors) == 0 {
		t.Fatal("nothing survived: there is nothing for the next keeper to end")
	}
	begun := time.Now()
	d.run()
	d.waitLog(`is serving`)
	for _, pid := range survivors {
		if alive(pid) {
			t.Errorf("the new keeper serves before it has ended %d (%v)", pid, cmdline(pid))
		}
	}
	d.waitLog(`web entered RUNNING state`)
	if got := d.get("/"); got != "hello" {
		t.Errorf("answered %q", got)
	}
	t.Logf("serving again after %v", time.Since(begun))
	waitGone(t, time.Second, all...)
}

// twoForms are two configurations that differ in what makes no process restart.
func twoForms(config string) [2]string {
	return [2]string{config, config + "\nclient_max_body_size = \"2m\"\n"}
}

func TestReloadStormChangesNothingButTheConfiguration(t *testing.T) { // B2, B3
	forms := twoForms(syncApp)
	d := ready(t, forms[0])
	idle, err := dial(d.addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.close()
	if _, err := ask(idle, "/"); err != nil {
		t.Fatal(err)
	}
	l := d.load()
	l.reach(t, 100)
	master, proxy, before := d.master(), d.proxyPid(), d.status(t)
	pace := time.NewTicker(long(20*time.Millisecond, 100*time.Millisecond)) // 200 reloads in 4 s, or in 20 s
	defer pace.Stop()
	for i := range 200 {
		<-pace.C
		d.configure(forms[(i+1)%2])
		d.log.forget()
		if i%10 == 9 { // some at once: they are merged
			for range 5 {
				d.signal(syscall.SIGHUP)
			}
		}
		d.signal(syscall.SIGHUP)
		d.waitLog(`reloaded|unchanged`)
		if i%20 == 0 { // what was read last is what serves
			d.untilLimit(2 << 20)
		}
	}
	l.reach(t, 100)
	l.finish(t)
	if l.failed() > 0 {
		t.Errorf("%d requests failed", l.failed())
	}
	if d.master() != master || d.proxyPid() != proxy {
		t.Errorf("master %d and proxy %d, were %d and %d", d.master(), d.proxyPid(), master, proxy)
	}
	if a, err := ask(idle, "/"); err != nil || a.status != 200 {
		t.Errorf("a connection from before the reloads: %d, %v", a.status, err)
	}
	after := d.status(t)
	near(t, "descriptors of the proxy", openFiles(t, proxy), before.ProxyFiles, 5)
	near(t, "descriptors of the keeper", openFiles(t, d.cmd.Process.Pid), before.KeeperFiles, 5)
	near(t, "goroutines of the proxy", after.Proxy.Goroutines, before.Proxy.Goroutines, 10)
	near(t, "goroutines of the keeper", after.Goroutines, before.Goroutines, 10)
}

// untilLimit waits until bodies of size are taken and of one byte more are not.
func (d *daemon) untilLimit(size int) {
	d.t.Helper()
	status := func(n int) int {
		a, err := send(d.addr, fmt.Sprintf("POST /load/0 HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", n), patience)
		if err != nil {
			d.t.Fatal(err)
		}
		return a.status
	}
	d.until(fmt.Sprintf("the limit of a body is %d", size), func() bool { return status(size) == 100 && status(size+1) == 413 })
}

func near(t *testing.T, what string, now, was, margin int) {
	t.Helper()
	if now > was+margin {
		t.Errorf("%s: %d, were %d", what, now, was)
	}
}

func TestReloadOfABrokenFileIsRefusedAsAWhole(t *testing.T) { // B4
	d := ready(t, syncApp)
	l := d.load()
	for name, text := range map[string]string{
		"syntax":  "[app.web\n",
		"unknown": strings.Replace(syncApp, "[app.web]", "[app.web]\nworkerz = 3", 1),
		"type":    strings.Replace(syncApp, "[app.web]", "[app.web]\nworkers = \"many\"", 1),
		"app":     strings.Replace(syncApp, `app = "web"`, `app = "wbe"`, 1),
	} {
		d.configure(text)
		out, code := d.command("reload")
		if code != 2 || !strings.Contains(out, "paddock.toml:") {
			t.Errorf("%s: reload exit %d: %s; want a failure with file and line", name, code, out)
		}
		if out, code := d.command("check"); code != 2 || !strings.Contains(out, "paddock.toml:") {
			t.Errorf("%s: check exit %d: %s; want 2 with file and line", name, code, out)
		}
	}
	if out, code := d.command("status"); code != 0 || !strings.Contains(out, "reload failed") {
		t.Errorf("status (exit %d) does not say that the last reload failed: %s", code, out)
	}
	l.reach(t, 50)
	l.finish(t)
	if l.failed() > 0 {
		t.Errorf("%d requests failed", l.failed())
	}
	d.configure(syncApp)
	if out, code := d.command("reload"); code != 0 {
		t.Errorf("reload of the file put right: exit %d: %s", code, out)
	}
	if out, _ := d.command("status"); strings.Contains(out, "reload failed") {
		t.Errorf("status still says that a reload failed: %s", out)
	}
}

func TestReloadThatNeedsATakenPortIsRefusedAsAWhole(t *testing.T) { // B5
	d := ready(t, syncApp)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := freeAddress(t)
	l := d.load()
	d.configure(strings.Replace(syncApp, `"ADDR"`, `["ADDR", "`+free+`", "`+taken.Addr().String()+`"]`, 1))
	out, code := d.command("reload")
	if code != 1 || !strings.Contains(out, taken.Addr().String()) {
		t.Errorf("reload exit %d: %s; want 1 and the address", code, out)
	}
	if c, err := net.Dial("tcp", free); err == nil {
		c.Close()
		t.Errorf("the free address %s is open: half of the reload was applied", free)
	}
	l.reach(t, 50)
	l.finish(t)
	if l.failed() > 0 {
		t.Errorf("%d requests failed", l.failed())
	}
	taken.Close()
	if out, code := d.command("reload"); code != 0 {
		t.Errorf("reload with the port free: exit %d: %s", code, out)
	}
	if a, err := get(free, "/", patience); err != nil || a.status != 200 {
		t.Errorf("the new address answered %d, %v", a.status, err)
	}
}

func TestChangedAppIsDeployedAtReload(t *testing.T) {
	d := ready(t, syncApp)
	l := d.load()
	master := d.master()
	d.log.forget()
	d.configure(strings.Replace(syncApp, "--workers 2", "--workers 3", 1))
	if out, code := d.command("reload"); code != 0 {
		t.Fatalf("reload: exit %d: %s", code, out)
	}
	d.waitLog(`web: generation 2 serves`)
	if now := d.master(); now == master {
		t.Errorf("master %d serves as before", now)
	} else {
		d.workers(now, 3)
	}
	waitGone(t, patience, master)
	l.finish(t)
	if l.failed() > 0 {
		t.Errorf("%d requests failed", l.failed())
	}
}

func TestStopUnderLoadFinishesWhatIsInFlight(t *testing.T) { // B10
	d := ready(t, syncApp)
	all := tree(d.cmd.Process.Pid)
	conn, err := dial(d.addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close()
	fmt.Fprintf(conn, "GET /sleep/1 HTTP/1.1\r\nHost: a.test\r\n\r\n")
	d.untilInFlight(1)
	l := d.load()
	l.reach(t, 100)
	if code := d.stop(); code != 0 {
		t.Errorf("stopped with exit code %d", code)
	}
	l.finish(t)
	// Who comes later is refused, and a request may cross the close of an idle
	// connection on its way. Nothing else fails: what was read is answered.
	crossed := 0
	for kind, n := range l.fails {
		switch kind {
		case "new connection refused":
		case "kept closed by the server", "kept connection reset by peer", "kept broken pipe", "new connection reset by peer":
			crossed += n
		default:
			t.Errorf("%d requests failed: %s", n, kind)
		}
	}
	if crossed > l.keep+l.fresh {
		t.Errorf("%d requests crossed the close of %d connections", crossed, l.keep+l.fresh)
	}
	a, err := conn.answer("GET")
	if err != nil || a.status != 200 || string(a.body) != "slept" {
		t.Errorf("the request in flight was answered %d %q, %v", a.status, a.body, err)
	}
	waitGone(t, time.Second, all...)
}

func TestSecondCopyIsRefusedAndTheFirstLivesOn(t *testing.T) { // B15
	d := ready(t, syncApp)
	l := d.load()
	out, code := d.command("run")
	if code != 1 || !strings.Contains(out, fmt.Sprint(d.cmd.Process.Pid)) {
		t.Errorf("the second copy: exit %d: %s; want 1 and the pid of the first", code, out)
	}
	l.reach(t, 50)
	l.finish(t)
	if l.failed() > 0 {
		t.Errorf("%d requests failed", l.failed())
	}
}

func TestSecondStopSignalStopsAtOnce(t *testing.T) {
	d := ready(t, syncApp)
	all := tree(d.cmd.Process.Pid)
	conn, err := dial(d.addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.close()
	fmt.Fprintf(conn, "GET /sleep/300 HTTP/1.1\r\nHost: a.test\r\n\r\n")
	d.untilInFlight(1)
	begun := time.Now()
	d.signal(syscall.SIGTERM)
	d.waitLog(`stopping`)
	d.signal(syscall.SIGTERM)
	d.wait()
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("the second signal stopped after %v", took)
	}
	waitGone(t, 2*time.Second, all...)
}

func TestReadyIsToldToSystemd(t *testing.T) {
	d := folder(t)
	d.configure(syncApp)
	path := filepath.Join(d.dir, "notify")
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	said := newLines()
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := sock.Read(buf)
			if err != nil {
				said.end()
				return
			}
			fmt.Fprintf(said, "%s\n", buf[:n])
		}
	}()
	d.run("NOTIFY_SOCKET="+path, "WATCHDOG_USEC=200000")
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() {}, `^READY=1`},
		{func() {}, `^WATCHDOG=1`},
		{func() { said.forget(); d.signal(syscall.SIGHUP) }, `^RELOADING=1`},
		{func() {}, `^READY=1`},
		{func() { d.signal(syscall.SIGTERM) }, `^STOPPING=1`},
	} {
		step.do()
		if said.wait(compile(step.want), patience) == nil {
			t.Errorf("nothing matches %s: %v", step.want, said.tail(50))
		}
	}
	d.wait()
}

func TestSocketActivationUsesThePassedSocket(t *testing.T) {
	d := folder(t)
	d.configure(syncApp)
	l, err := net.Listen("tcp4", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// LISTEN_PID must be the daemon's own: a shell that execs it knows.
	d.log = newLines()
	d.cmd = exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" run -c "$1"`, paddock, filepath.Join(d.dir, "paddock.toml"))
	d.cmd.ExtraFiles = []*os.File{f}
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.watch()
	d.waitLog(`web entered RUNNING state`)
	if got := d.get("/"); got != "hello" {
		t.Errorf("answered %q", got)
	}
	env := map[string]string{}
	if err := json.Unmarshal([]byte(d.get("/environ")), &env); err != nil {
		t.Fatal(err)
	}
	if env["LISTEN_FDNAMES"] != "web" || env["LISTEN_FDS"] == "2" {
		t.Errorf("the app sees LISTEN_FDNAMES=%q LISTEN_FDS=%q; want its own socket alone", env["LISTEN_FDNAMES"], env["LISTEN_FDS"])
	}
}

// ask sends a GET on a connection that is kept.
func ask(c *client, path string) (reply, error) {
	c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a.test\r\n\r\n", path); err != nil {
		return reply{}, err
	}
	return c.answer("GET")
}
