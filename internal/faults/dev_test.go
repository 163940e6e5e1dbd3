package faults

import (
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

const systemPython = "/usr/bin/python3" // of Debian's packages

// devFolder is a project in a folder of its own, and a private one beside it for
// what `paddock dev` keeps while it runs.
func devFolder(t *testing.T) (d *daemon, private string) {
	t.Helper()
	d = folder(t)
	return d, t.TempDir()
}

// dev runs `paddock dev` in the project, in a terminal.
func (d *daemon) dev(private string, env []string, args ...string) terminal {
	d.t.Helper()
	cmd := exec.Command(paddock, append([]string{"dev"}, args...)...)
	cmd.Dir = d.dir
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "VIRTUAL_ENV=") || strings.HasPrefix(e, "NO_COLOR=")
	}), "XDG_RUNTIME_DIR="+private, "TERM=xterm")
	cmd.Env = append(cmd.Env, env...)
	return d.inTerminal(cmd)
}

// devReady is dev on the folder's own port, and waits until the app is ready.
func (d *daemon) devReady(private string, args ...string) terminal {
	d.t.Helper()
	_, port, _ := net.SplitHostPort(d.addr)
	far := d.dev(private, nil, append([]string{"--port", port}, args...)...)
	d.waitLog(`ready after`)
	return far
}

// change edits a file and waits until the restart has begun.
func (d *daemon) change(name, old, new string) {
	d.t.Helper()
	d.log.forget()
	d.edit(name, old, new)
	d.waitLog(name + ` changed, restarting`)
}

// becomes asks for a path, one request after the other, until the answer holds text,
// and returns how long the slowest took. Every answer has to be 200, or one of those
// allowed.
func (d *daemon) becomes(path, text string, allowed ...int) (slowest time.Duration) {
	d.t.Helper()
	sent := 0
	d.until(path+" answers "+text, func() bool {
		began := time.Now()
		a, err := get(d.addr, path, patience)
		slowest = max(slowest, time.Since(began))
		sent++
		if err != nil || a.status != 200 && !slices.Contains(allowed, a.status) {
			d.t.Fatalf("GET %s: %d %.200s, %v", path, a.status, a.body, err)
		}
		return a.status == 200 && strings.Contains(string(a.body), text)
	})
	d.t.Logf("%d requests during a restart, 0 failed, the slowest took %v", sent, slowest.Round(time.Millisecond))
	return slowest
}

// nothingLeft types Ctrl-C and checks that no process and no file is left.
func (d *daemon) nothingLeft(far terminal, private string) {
	d.t.Helper()
	pids := tree(d.cmd.Process.Pid)
	if len(pids) < 2 {
		d.t.Errorf("only %v run", pids)
	}
	began := time.Now()
	far.interrupt(d.t)
	if code := d.wait(); code != 0 {
		d.t.Errorf("exit code %d after Ctrl-C", code)
	}
	d.t.Logf("Ctrl-C: %d processes ended in %v", len(pids)+1, time.Since(began).Round(time.Millisecond))
	waitGone(d.t, time.Second, pids...)
	left, err := os.ReadDir(private)
	if err != nil || len(left) > 0 {
		d.t.Errorf("left in the private folder: %v, %v", left, err)
	}
}

// venv makes a virtualenv with only these packages of Debian's, and returns nothing
// when a package is not there.
func (d *daemon) venv(packages ...string) {
	d.t.Helper()
	out, err := exec.Command(systemPython, "-c", "import sys; print('python%d.%d' % sys.version_info[:2])").Output()
	if err != nil {
		d.t.Fatal(err)
	}
	site := filepath.Join(d.dir, ".venv", "lib", strings.TrimSpace(string(out)), "site-packages")
	bin := filepath.Join(d.dir, ".venv", "bin")
	for _, dir := range []string{site, bin} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			d.t.Fatal(err)
		}
	}
	d.write(".venv/pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\n")
	if err := os.Symlink(systemPython, filepath.Join(bin, "python")); err != nil {
		d.t.Fatal(err)
	}
	for _, p := range packages {
		if err := os.Symlink(filepath.Join("/usr/lib/python3/dist-packages", p), filepath.Join(site, p)); err != nil {
			d.t.Fatal(err)
		}
	}
}

func TestDevServesFlaskAndRestartsItOnAChange(t *testing.T) {
	d, private := devFolder(t)
	far := d.devReady(private)
	d.waitLog(`found .*app in app.py`)
	d.waitLog(`runs .*gunicorn .*app:app`)
	if got := d.get("/version"); got != "one" {
		t.Fatalf("version %q", got)
	}
	d.waitLog("GET.* /version .*\x1b\\[32m200\x1b\\[0m .*ms") // a request line, in colours

	master := d.master()
	inFlight := make(chan reply, 1)
	go func() {
		a, _ := get(d.addr, "/sleep/1", patience)
		inFlight <- a
	}()
	d.change("app.py", `VERSION = "one"`, "VERSION = \"two\"\nimport time\n\ntime.sleep(1)")
	if waited := d.becomes("/version", "two"); waited < 500*time.Millisecond { // the new code sleeps a second
		t.Errorf("no request waited longer than %v", waited)
	}
	if a := <-inFlight; a.status != 200 || string(a.body) != "slept" {
		t.Errorf("the request that was in flight at the change: %d %s", a.status, a.body)
	}
	if now := d.master(); now == master {
		t.Error("the app was not restarted")
	}

	d.change("app.py", `VERSION = "two"`, `VERSION = "three" +`)
	d.waitLog(`SyntaxError: invalid syntax`)
	d.waitLog(`the app did not start`)
	a, err := get(d.addr, "/version", patience)
	if err != nil || a.status != 503 || !strings.Contains(string(a.body), "SyntaxError: invalid syntax") {
		t.Errorf("the page of a broken app: %d %s, %v", a.status, a.body, err)
	}
	d.change("app.py", `VERSION = "three" +`, `VERSION = "three"`)
	began := time.Now()
	d.becomes("/version", "three", 503) // of the broken one, before the restart has begun
	t.Logf("repaired %v after the change was seen", time.Since(began).Round(time.Millisecond))
	d.nothingLeft(far, private)
}

func TestDevShowsAnAppThatRaisesOnItsFirstPage(t *testing.T) {
	d, private := devFolder(t)
	d.edit("app.py", `return "hello"`, `raise RuntimeError("on the first page")`)
	d.devReady(private)
	a, err := get(d.addr, "/", patience)
	if err != nil || a.status != 500 {
		t.Errorf("%d %s, %v; want the app's own 500", a.status, a.body, err)
	}
	d.waitLog(`RuntimeError: on the first page`)
}

// django makes the folder the example project.
func (d *daemon) django() {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.dir, "app.py")); err != nil {
		d.t.Fatal(err)
	}
	for _, name := range []string{"manage.py", "mysite", "hello"} {
		if err := exec.Command("cp", "-r", filepath.Join("../../examples/django", name), d.dir).Run(); err != nil {
			d.t.Fatal(err)
		}
	}
	d.edit("mysite/settings.py", `"localhost", `, `"localhost", "a.test", `)
}

func TestDevServesDjangoUnderGunicornWithItsStaticFiles(t *testing.T) {
	d, private := devFolder(t)
	d.django()
	far := d.devReady(private)
	d.waitLog(`found .*Django project in manage.py`)
	d.waitLog(`runs .*gunicorn`)
	d.servesDjango()
	d.nothingLeft(far, private)
}

func TestDevServesDjangoByRunserverWithoutGunicorn(t *testing.T) {
	d, private := devFolder(t)
	d.django()
	d.venv("django", "sqlparse", "asgiref", "pytz")
	far := d.devReady(private)
	d.waitLog(`runs .*paddock_runserver.py`)
	d.waitLog(`note .*gunicorn is not installed.*pip install gunicorn`)
	d.servesDjango(502) // runserver cuts the request that it is at when it is told to stop (docs/dev.md)
	d.nothingLeft(far, private)
}

// servesDjango asks for a page and a static file, changes both kinds of source and
// asks during the restarts.
func (d *daemon) servesDjango(allowed ...int) {
	d.t.Helper()
	if page := d.get("/"); !strings.Contains(page, "Hello from Django") || !strings.Contains(page, "scheme http") {
		d.t.Errorf("page: %s", page)
	}
	if css := d.get("/static/hello.css"); !strings.Contains(css, "font-family") {
		d.t.Errorf("static file: %s", css)
	}
	d.change("hello/templates/hello.html", "Hello from", "Greetings of")
	d.becomes("/", "Greetings of Django", allowed...)
	d.change("hello/views.py", "that took a second", "about a second")
	d.becomes("/slow", "about a second", allowed...)
}

func TestDevServesFlaskWithoutGunicorn(t *testing.T) {
	d, private := devFolder(t)
	d.venv("flask", "werkzeug", "jinja2", "markupsafe", "itsdangerous", "click")
	far := d.devReady(private)
	d.waitLog(`runs .*paddock_wsgi.py app:app`)
	d.change("app.py", `VERSION = "one"`, `VERSION = "two"`)
	d.becomes("/version", "two")
	d.nothingLeft(far, private)
}

func TestDevRunsACommandWithoutColours(t *testing.T) {
	d, private := devFolder(t)
	if err := os.Rename(filepath.Join(d.dir, "app.py"), filepath.Join(d.dir, "other.py")); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(d.addr)
	d.dev(private, []string{"NO_COLOR=1"}, "--port", port, "--", "gunicorn", "--threads", "2", "other:app")
	d.waitLog(`ready after`)
	d.get("/version")
	d.waitLog(`^\d\d:\d\d:\d\d GET /version 200 \d+ ms`)
	if found := d.log.matching("\x1b"); len(found) > 0 {
		t.Errorf("colours in spite of NO_COLOR: %q", found)
	}
}

func TestDevSaysWhenAPortIsTaken(t *testing.T) {
	d, private := devFolder(t)
	l, err := net.Listen("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(d.addr)
	d.dev(private, nil, "--port", port)
	d.waitLog(`paddock: port ` + port + ` is taken`)
	if code := d.wait(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if other, err := net.Listen("tcp", "127.0.0.1:8000"); err == nil {
		defer other.Close()
	}
	d.dev(private, nil)
	next := d.waitLog(`8000 is taken, (\d+) is used`)[1]
	d.waitLog(`serves +http://localhost:` + next)
	d.waitLog(`ready after`)
	d.addr = "localhost:" + next
	if got := d.get("/version"); got != "one" {
		t.Errorf("version %q", got)
	}
}

func TestDevEndsWhatAKilledOneHasLeft(t *testing.T) {
	d, private := devFolder(t)
	d.devReady(private)
	master := d.master()
	if err := d.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	d.wait()
	far := d.devReady(private)
	waitGone(t, patience, master)
	d.nothingLeft(far, private)
}

func TestDevStopsWhenTheTerminalGoes(t *testing.T) {
	d, private := devFolder(t)
	d.devReady(private)
	pids := tree(d.cmd.Process.Pid)
	d.signal(syscall.SIGHUP)
	if code := d.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	waitGone(t, time.Second, pids...)
	if left, err := os.ReadDir(private); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestDevWithNothingToServeExits2(t *testing.T) {
	d, private := devFolder(t)
	if err := os.Remove(filepath.Join(d.dir, "app.py")); err != nil {
		t.Fatal(err)
	}
	d.dev(private, nil)
	d.waitLog(`found no app in .*looked for`)
	d.waitLog(`paddock dev -- gunicorn other:app`)
	if code := d.wait(); code != 2 {
		t.Errorf("exit code %d", code)
	}
}
