package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"paddock/internal/logfile"
	"paddock/internal/value"
)

// realLimit bounds the waits of tests with real children.
const realLimit = 20 * time.Second

// realProcess is a Process with a real child: this binary as a helper program.
type realProcess struct {
	*Process
	sys  *System
	spec Spec
}

func helperSpec(name string, args ...string) Spec {
	p := testProgram()
	words := append([]string{"/proc/self/exe", "helper", name}, args...)
	p.Command = value.Command{Text: strings.Join(words, " "), Args: words}
	p.Startsecs, p.Autorestart, p.Stopwaitsecs = 0, RestartNever, 1
	return Spec{Program: p, Name: "helper-" + name, Kind: KindProgram}
}

func testSystem(t *testing.T) *System {
	return &System{Instance: fmt.Sprint(t.Name(), "-", os.Getpid()), Reaper: reaper}
}

func runReal(t *testing.T, spec Spec) *realProcess {
	t.Helper()
	sys := testSystem(t)
	p := &realProcess{NewProcess(spec, ProcessOptions{System: sys}), sys, spec}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		p.await(t, "the end", func(s Snapshot) bool { return s.PID == 0 })
		p.Close()
	})
	return p
}

func (p *realProcess) await(t *testing.T, what string, accept func(Snapshot) bool) Snapshot {
	t.Helper()
	return await(t, p.Process, what, accept)
}

func await(t *testing.T, p *Process, what string, accept func(Snapshot) bool) Snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), realLimit)
	defer cancel()
	s, err := p.Wait(ctx, accept)
	if err != nil && err != ErrClosed {
		t.Fatalf("waiting for %s: %v; it is %+v", what, err, s)
	}
	return s
}

func down(s Snapshot) bool { return s.State.Down() }

// memory is a file that output goes to.
func memory(t *testing.T) (*Sink, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	s := NewSink(path, logfile.Options{})
	return s, path
}

// until waits for the child to have written a line.
func (p *realProcess) until(t *testing.T, line string) {
	t.Helper()
	awaitLine(t, line, func() []string { return p.Snapshot().Lines(100) })
}

func awaitLine(t *testing.T, line string, lines func() []string) {
	t.Helper()
	limit := time.After(realLimit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !slices.Contains(lines(), line) {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("no line %q in %q", line, lines())
		}
	}
}

// marked returns the living processes that carry a process's marker.
func (p *realProcess) marked() []int {
	var pids []int
	all, _ := processes()
	for _, i := range all {
		if i.alive() && environHas(i.pid, func(e string) bool { return e == p.sys.marker(p.spec) }) {
			pids = append(pids, i.pid)
		}
	}
	return pids
}

func TestExitCodeAndSignalAreCollected(t *testing.T) {
	p := runReal(t, helperSpec("exit", "7"))
	if s := p.await(t, "the exit", down); s.Exit == nil || s.Exit.Code != 7 {
		t.Errorf("exit: %+v", s.Exit)
	}
	p = runReal(t, helperSpec("sleep"))
	p.until(t, "up")
	syscall.Kill(p.Snapshot().PID, syscall.SIGKILL)
	if s := p.await(t, "the kill", down); s.Exit.Signal != syscall.SIGKILL || s.Exit.String() != "killed by SIGKILL" {
		t.Errorf("exit: %+v", s.Exit)
	}
}

func TestOutputIsTheChildsBytesExactly(t *testing.T) {
	const size = 3 << 20
	spec := helperSpec("write", fmt.Sprint(size))
	var outPath, errPath string
	spec.Stdout, outPath = memory(t)
	spec.Stderr, errPath = memory(t)
	p := runReal(t, spec)
	p.await(t, "the exit", down)
	spec.Stdout.Close()
	spec.Stderr.Close()
	got, _ := os.ReadFile(outPath)
	if lost := spec.Stdout.Dropped(); lost == 0 && !bytes.Equal(got, pattern(size)) {
		t.Errorf("%d bytes, want the %d written", len(got), size)
	} else if uint64(len(got))+lost != size {
		t.Errorf("%d written and %d dropped, want %d together", len(got), lost, size)
	}
	if got, _ := os.ReadFile(errPath); string(got) != "to stderr, no newline" {
		t.Errorf("stderr: %q", got)
	}
}

func TestRedirectStderrSharesOnePipe(t *testing.T) {
	spec := helperSpec("write", "0")
	spec.RedirectStderr = true
	var path string
	spec.Stdout, path = memory(t)
	p := runReal(t, spec)
	p.await(t, "the exit", down)
	spec.Stdout.Close()
	if got, _ := os.ReadFile(path); string(got) != "to stderr, no newline" {
		t.Errorf("log: %q", got)
	}
}

// The proxy: its access lines go to the terminal, its log to the daemon's.
func TestInheritedOutputMayHaveAnErrorLogOfItsOwn(t *testing.T) {
	spec := helperSpec("write", "0")
	spec.Inherit = true
	var path string
	spec.Stderr, path = memory(t)
	p := runReal(t, spec)
	p.await(t, "the exit", down)
	spec.Stderr.Close()
	if got, _ := os.ReadFile(path); string(got) != "to stderr, no newline" {
		t.Errorf("log: %q", got)
	}
}

func TestChildGetsItsDescriptorsAndNoOthers(t *testing.T) {
	extra, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer extra.Close()
	spec := helperSpec("fds")
	spec.ExtraFiles = func() ([]*os.File, error) { return []*os.File{extra}, nil }
	p := runReal(t, spec)
	s := p.await(t, "the exit", down)
	seen := map[string]string{}
	for _, line := range s.Lines(100) {
		fd, target, _ := strings.Cut(line, " ")
		if !strings.Contains(target, "anon_inode") && !strings.HasPrefix(target, "/sys/fs/cgroup") && !strings.HasSuffix(target, "/fd") && target != "" {
			seen[fd] = target
		}
	}
	if seen["0"] != "/dev/null" || seen["3"] != "/dev/zero" || len(seen) != 4 {
		t.Errorf("descriptors: %v, want 0 to 3", seen)
	}
}

func TestStopEndsTheWholeTree(t *testing.T) {
	spec := helperSpec("family")
	p := runReal(t, spec)
	p.until(t, "up")
	limit := time.After(realLimit)
	for len(p.marked()) < 3 { // itself, one in the group, one that has left it
		select {
		case <-limit:
			t.Fatalf("processes: %v", p.marked())
		default:
		}
	}
	began := time.Now()
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := p.marked(); len(left) > 0 {
		t.Errorf("left after the stop: %v", left)
	}
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("stop took %v", d)
	}
}

func TestDeathOfTheLeaderEndsItsGroupBeforeTheRestart(t *testing.T) {
	spec := helperSpec("family")
	spec.Autorestart = RestartAlways
	p := runReal(t, spec)
	p.until(t, "up")
	before := p.marked()
	first := p.Snapshot().PID
	syscall.Kill(first, syscall.SIGKILL)
	p.await(t, "the restart", func(s Snapshot) bool { return s.PID != 0 && s.PID != first })
	for _, pid := range p.marked() {
		if slices.Contains(before, pid) {
			t.Errorf("process %d of the first start is there after the second", pid)
		}
	}
}

func TestIgnoredTermIsFollowedByKill(t *testing.T) {
	p := runReal(t, helperSpec("stubborn"))
	p.until(t, "up")
	began := time.Now()
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(began); d < 900*time.Millisecond || d > 3*time.Second {
		t.Errorf("stop took %v, want stopwaitsecs (1 s)", d)
	}
	if s := p.Snapshot(); s.Exit.Signal != syscall.SIGKILL {
		t.Errorf("exit: %v", s.Exit)
	}
}

func TestHeldPipeDoesNotHoldTheEndUp(t *testing.T) {
	spec := helperSpec("holder")
	spec.Stopasgroup, spec.Killasgroup = false, false // what Supervisor would leave alone
	p := runReal(t, spec)
	began := time.Now()
	s := p.await(t, "the exit", down)
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("the end was told after %v", d)
	}
	if !slices.Contains(s.Lines(10), "last words") {
		t.Errorf("lines: %q", s.Lines(10))
	}
	held := p.marked()
	if len(held) != 1 {
		t.Errorf("%v, want the grandchild to live on", held)
	}
	for _, pid := range held {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

func TestOrphansAreReapedAndNoExitCodeIsLost(t *testing.T) {
	sys := testSystem(t)
	const n = 20
	var group sync.WaitGroup
	for i := range n {
		spec := helperSpec("holder")
		spec.Name = fmt.Sprint("holder", i)
		p := NewProcess(spec, ProcessOptions{System: sys})
		group.Go(func() {
			p.Start()
			if s := await(t, p, "the exit", down); s.Exit == nil || s.Exit.Code != 0 {
				t.Errorf("exit: %v", s.Exit)
			}
			p.Close()
		})
	}
	group.Wait()
	self := os.Getpid()
	limit := time.After(realLimit)
	for {
		zombies := 0
		all, _ := processes()
		for _, i := range all {
			if i.ppid == self && i.state == 'Z' {
				zombies++
			}
		}
		if zombies == 0 {
			return
		}
		select {
		case <-limit:
			t.Fatalf("%d zombies", zombies)
		default:
		}
	}
}

func TestProcessIsRebuiltFromItsState(t *testing.T) {
	spec := helperSpec("stubborn")
	var path string
	spec.Stdout, path = memory(t)
	spec.Stopsignal = Signal(syscall.SIGHUP)
	sys := testSystem(t)
	first := NewProcess(spec, ProcessOptions{System: sys})
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	p := &realProcess{first, sys, spec}
	p.until(t, "up")
	pid := p.Snapshot().PID
	state, files, err := first.Leave()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	var again State
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	second := NewProcess(spec, ProcessOptions{System: sys, From: &again, Files: files})
	if s := second.Snapshot(); s.PID != pid || s.State != Running || s.Uptime() <= 0 {
		t.Errorf("rebuilt: %+v, want RUNNING with pid %d", s, pid)
	}
	if err := second.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := second.Snapshot(); s.Exit == nil || s.Exit.Signal != syscall.SIGHUP {
		t.Errorf("exit: %v, want the one of the child", s.Exit)
	}
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	second.Kill()
	await(t, second, "the end", down)
	second.Close()
	spec.Stdout.Close()
	if got, _ := os.ReadFile(path); !strings.HasPrefix(string(got), "up\n") {
		t.Errorf("log: %q", got)
	}
}

func TestStateOfAProcessThatIsGoneIsItsEnd(t *testing.T) {
	sys := testSystem(t)
	state := State{Name: "x", State: Running, PID: os.Getpid(), StartTime: 1} // a reused pid
	p := NewProcess(helperSpec("sleep"), ProcessOptions{System: sys, From: &state})
	if s := await(t, p, "the end", down); s.State != Exited || !s.Exit.Unknown {
		t.Errorf("%v %v", s.State, s.Exit)
	}
	p.Close()
}

func TestSurvivorsOfAKilledKeeperAreEnded(t *testing.T) {
	spec := helperSpec("family")
	p := runReal(t, spec)
	p.until(t, "up")
	pid := p.Snapshot().PID
	rec := Survivors{Instance: p.sys.Instance, Processes: []Survivor{
		p.Snapshot().Survivor(),
		{Name: "reused", PID: os.Getpid(), StartTime: 1},
	}}
	EndSurvivors(rec, nil)
	if left := p.marked(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if info, err := readStat(pid); err == nil && info.alive() {
		t.Errorf("the process itself is left")
	}
}

func TestOutputFloodIsDroppedAndCounted(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil { // a log that nobody reads: the disk that never answers
		t.Fatal(err)
	}
	s := NewSink(path, logfile.Options{})
	piece := pattern(64 << 10)
	var sent uint64
	for range 100 {
		s.Write(piece)
		sent += uint64(len(piece))
	}
	if lost := s.Dropped(); lost == 0 || lost >= sent {
		t.Errorf("sent %d, dropped %d", sent, lost)
	}
	s.Close()
}

func TestReopenLosesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	s := NewSink(path, logfile.Options{})
	const n = 2000
	for i := range n {
		fmt.Fprintf(s, "line %d\n", i)
		if i == n/2 {
			os.Rename(path, path+".1") // may come before the file is made
			s.Reopen()
		}
	}
	s.Close()
	old, _ := os.ReadFile(path + ".1")
	now, _ := os.ReadFile(path)
	if lines := bytes.Count(old, []byte("\n")) + bytes.Count(now, []byte("\n")); lines != n || s.Dropped() != 0 {
		t.Errorf("%d lines, %d bytes dropped; want %d and 0", lines, s.Dropped(), n)
	}
}

func TestLogThatCannotBeOpenedIsCountedAndSaid(t *testing.T) {
	s := NewSink("/proc/self/nowhere/log", logfile.Options{})
	s.Write([]byte("lost"))
	s.Close()
	if s.Dropped() != 4 || s.Err() == nil {
		t.Errorf("dropped %d, error %v", s.Dropped(), s.Err())
	}
}
