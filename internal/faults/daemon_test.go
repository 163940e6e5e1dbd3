package faults

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// daemon is a running Paddock with a folder of its own.
type daemon struct {
	t    *testing.T
	dir  string // configuration, app, run, state and log folders
	addr string // of the first server
	cmd  *exec.Cmd
	with []string // the command that runs it, such as prlimit; none
	log  *lines
	exit chan struct{} // closed when the process has been collected
}

// patience bounds every wait of a test; nothing waits that long when all is well.
const patience = 20 * time.Second

// folder makes a daemon's folder with the fault app in it and a free address. It
// does not start anything. Folders are open to all: the proxy runs as another user.
func folder(t *testing.T) *daemon {
	t.Helper()
	dir, err := os.MkdirTemp("", "pd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, dir: dir, addr: freeAddress(t)}
	code, err := os.ReadFile("testdata/app.py")
	if err != nil {
		t.Fatal(err)
	}
	d.write("app.py", string(code))
	return d
}

// freeAddress names a loopback port that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// write writes a file of the folder in one step, so that no reader sees half of it.
func (d *daemon) write(name, text string) {
	d.t.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		d.t.Fatal(err)
	}
}

// edit replaces text in a file of the folder.
func (d *daemon) edit(name, old, new string) {
	d.t.Helper()
	text := d.read(name)
	if !strings.Contains(text, old) {
		d.t.Fatalf("%s does not hold %q", name, old)
	}
	d.write(name, strings.ReplaceAll(text, old, new))
}

func (d *daemon) read(name string) string {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

// configure writes paddock.toml: the folders, then text with ADDR and DIR replaced.
func (d *daemon) configure(text string) {
	d.t.Helper()
	head := "[paddock]\nrun_dir = \"run\"\nstate_dir = \"state\"\nlog_dir = \"log\"\n\n"
	d.write("paddock.toml", head+strings.NewReplacer("ADDR", d.addr, "DIR", d.dir).Replace(text))
}

// start runs `paddock run` with that configuration and waits until it serves.
func start(t *testing.T, config string) *daemon {
	t.Helper()
	d := folder(t)
	d.configure(config)
	d.run()
	d.waitLog(`is serving`)
	return d
}

// ready is start, and waits until the app named web answers.
func ready(t *testing.T, config string) *daemon {
	t.Helper()
	d := start(t, config)
	d.waitLog(`web entered RUNNING state`)
	return d
}

// run starts the daemon and does not wait.
func (d *daemon) run(env ...string) {
	d.t.Helper()
	d.log = newLines()
	argv := append(slices.Clone(d.with), paddock, "run", "-c", filepath.Join(d.dir, "paddock.toml"))
	d.cmd = exec.Command(argv[0], argv[1:]...)
	d.cmd.Env = append(os.Environ(), env...)
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.watch()
}

// watch collects the process and stops it when the test ends.
func (d *daemon) watch() {
	none := make(chan struct{})
	close(none)
	d.watchOutput(none)
}

// watchOutput is watch for a process whose output is complete when shown is closed.
func (d *daemon) watchOutput(shown <-chan struct{}) {
	cmd, exit, log := d.cmd, make(chan struct{}), d.log
	d.exit = exit
	// A survivor of a killed keeper holds the pipe: do not wait for its end.
	cmd.WaitDelay = time.Second
	go func() {
		cmd.Wait()
		select {
		case <-shown:
		case <-time.After(cmd.WaitDelay):
		}
		log.end()
		close(exit)
	}()
	d.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exit:
		case <-time.After(patience):
			cmd.Process.Kill()
			d.t.Errorf("the daemon did not stop within %v", patience)
		}
		if d.t.Failed() {
			d.t.Logf("log of the daemon:\n%s", log.tail(200))
		}
		for _, line := range log.matching(`DATA RACE|panic:|fatal error:`) {
			d.t.Errorf("the daemon says: %s", line)
		}
	})
}

// waitLog waits for a line that matches and returns its match and submatches.
func (d *daemon) waitLog(pattern string) []string {
	d.t.Helper()
	m := d.log.wait(regexp.MustCompile(pattern), patience)
	if m == nil {
		d.t.Fatalf("no line of the log matches %q within %v", pattern, patience)
	}
	return m
}

// stop asks the daemon to stop and returns its exit code.
func (d *daemon) stop() int {
	d.t.Helper()
	d.signal(syscall.SIGTERM)
	return d.wait()
}

func (d *daemon) signal(s syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Fatal(err)
	}
}

// wait waits for the daemon's end and returns its exit code.
func (d *daemon) wait() int {
	d.t.Helper()
	select {
	case <-d.exit:
	case <-time.After(patience):
		d.t.Fatalf("the daemon did not end within %v", patience)
	}
	return d.cmd.ProcessState.ExitCode()
}

// command runs a subcommand of paddock on this daemon's configuration and returns
// what it printed and its exit code.
func (d *daemon) command(args ...string) (string, int) {
	d.t.Helper()
	cmd := exec.Command(paddock, append(args, "-c", filepath.Join(d.dir, "paddock.toml"))...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		d.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// get asks the first server for a path and returns the body of a 200.
func (d *daemon) get(path string) string {
	d.t.Helper()
	a, err := get(d.addr, path, patience)
	if err != nil {
		d.t.Fatalf("GET %s: %v", path, err)
	}
	if a.status != 200 {
		d.t.Fatalf("GET %s: answered %d: %s", path, a.status, a.body)
	}
	return string(a.body)
}

// load starts a load of 20 kept-alive connections and 5 that come anew.
func (d *daemon) load() *load { return (&load{addr: d.addr, keep: 20, fresh: 5}).start() }

// proxyPid is the pid of the proxy process.
func (d *daemon) proxyPid() int {
	d.t.Helper()
	for _, pid := range children(d.cmd.Process.Pid) {
		if args := cmdline(pid); len(args) > 1 && args[1] == "proxy" {
			return pid
		}
	}
	d.t.Fatal("no proxy process")
	return 0
}

// master is the pid of the app's gunicorn master.
func (d *daemon) master() int {
	d.t.Helper()
	_, ppid, _ := strings.Cut(d.get("/pid"), " ")
	pid, err := strconv.Atoi(ppid)
	if err != nil {
		d.t.Fatal(err)
	}
	return pid
}

// workers waits until a gunicorn master has n workers and returns their pids.
func (d *daemon) workers(master, n int) []int {
	d.t.Helper()
	var pids []int
	d.until(fmt.Sprintf("%d workers", n), func() bool {
		pids = tree(master)
		return len(pids) == n
	})
	return pids
}

// allBooted waits until n workers have answered.
func (d *daemon) allBooted(n int) {
	d.t.Helper()
	seen := map[string]bool{}
	d.until(fmt.Sprintf("%d workers have booted", n), func() bool {
		pid, _, _ := strings.Cut(d.get("/pid"), " ")
		seen[pid] = true
		return len(seen) == n
	})
}

// children lists the direct children of a process.
func children(pid int) []int {
	var out []int
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, f := range files {
		text, _ := os.ReadFile(f)
		for w := range strings.FieldsSeq(string(text)) {
			n, _ := strconv.Atoi(w)
			out = append(out, n)
		}
	}
	return out
}

// tree lists all descendants of a process.
func tree(pid int) []int {
	var out []int
	for _, c := range children(pid) {
		out = append(append(out, c), tree(c)...)
	}
	return out
}

func cmdline(pid int) []string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
}

// alive reports whether a process is there and no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// waitGone waits until none of the processes is alive.
func waitGone(t *testing.T, limit time.Duration, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if !exited(pid, limit) {
			t.Errorf("process %d (%v) is still there", pid, cmdline(pid))
		}
	}
}

// exited waits for the end of any process through a pidfd.
func exited(pid int, limit time.Duration) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return true
	}
	defer p.Release()
	gone := false
	p.WithHandle(func(fd uintptr) {
		deadline := time.Now().Add(limit)
		for {
			n, err := pollIn(int(fd), time.Until(deadline))
			if err == syscall.EINTR {
				continue
			}
			gone = n > 0
			return
		}
	})
	return gone || !alive(pid)
}

// lines collects a process's output and lets tests wait for a line.
type lines struct {
	mu    sync.Mutex
	all   []string
	part  []byte
	ended bool
	more  chan struct{} // closed and renewed when something was added
}

func newLines() *lines { return &lines{more: make(chan struct{})} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part = append(l.part, p...)
	for {
		i := bytes.IndexByte(l.part, '\n')
		if i < 0 {
			break
		}
		l.all = append(l.all, string(l.part[:i]))
		l.part = l.part[i+1:]
	}
	l.wake()
	return len(p), nil
}

func (l *lines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.wake()
}

func (l *lines) wake() {
	close(l.more)
	l.more = make(chan struct{})
}

// wait returns the first match among the lines there are and those to come; nil
// after limit or at the end of the output.
func (l *lines) wait(re *regexp.Regexp, limit time.Duration) []string {
	timeout := time.After(limit)
	for from := 0; ; {
		l.mu.Lock()
		all, ended, more := l.all, l.ended, l.more
		l.mu.Unlock()
		for ; from < len(all); from++ {
			if m := re.FindStringSubmatch(all[from]); m != nil {
				return m
			}
		}
		if ended {
			return nil
		}
		select {
		case <-more:
		case <-timeout:
			return nil
		}
	}
}

// forget drops the lines so far, so that wait sees only new ones.
func (l *lines) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = nil
}

func (l *lines) matching(pattern string) []string {
	re := regexp.MustCompile(pattern)
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, line := range l.all {
		if re.MatchString(line) {
			out = append(out, line)
		}
	}
	return out
}

func (l *lines) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all[max(0, len(l.all)-n):], "\n")
}

// readLines reads a file's lines.
func readLines(t *testing.T, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []string
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		out = append(out, s.Text())
	}
	if err := s.Err(); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return out
}
