package supervisor

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Other tests' descriptors may go at any time, when their finalizers run: two hundred
// files are more than those few.
func TestUsageOfThisProcessIsItsOwn(t *testing.T) {
	const files, others = 200, 100
	m := (&System{Instance: "x"}).NewMeter()
	without := m.MeasureSelf()
	for range files {
		f, err := os.Open("/dev/null")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	with := m.MeasureSelf()
	if more := with.OpenFiles - without.OpenFiles; more < files-others || more > files+others {
		t.Errorf("%d descriptors with %d files more, %d without", with.OpenFiles, files, without.OpenFiles)
	}
	if with.RSS < 1<<20 || with.RSS > 1<<40 || with.Processes != 1 {
		t.Errorf("usage %+v", with)
	}
}

// sleeper starts a shell with a child, and returns when both are there.
func sleeper(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sh", "-c", "sleep 60 & echo ready; wait")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		all, _ := processes()
		killAll(descendants(all, cmd.Process.Pid))
		cmd.Process.Kill()
		cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestUsageIsOfWholeTreesByTheirOwner(t *testing.T) {
	m := (&System{Instance: "mine"}).NewMeter()
	known := sleeper(t)
	sleeper(t, markerName+"=mine:web:3")
	sleeper(t, markerName+"=mine:web:4")
	sleeper(t, markerName+"=other:web:4")
	got := m.Measure(map[int]Owner{known.Process.Pid: {KindProgram, "celery"}})
	if len(got) != 2 {
		t.Errorf("owners: %v", got)
	}
	if u := got[Owner{KindApp, "web"}]; u.Processes != 4 || u.RSS == 0 || u.OpenFiles < 8 {
		t.Errorf("web: %+v", u)
	}
	if u := got[Owner{KindProgram, "celery"}]; u.Processes != 2 {
		t.Errorf("celery: %+v", u)
	}
}

func TestCPUTimeOnlyGrowsAlsoWhenAProcessEnds(t *testing.T) {
	m := (&System{Instance: "mine"}).NewMeter()
	web := Owner{KindApp, "web"}
	first, second := procInfo{pid: 1 << 30, start: 1}, procInfo{pid: 1<<30 + 1, start: 2}
	seen := map[procKey]time.Duration{}
	// Neither pid exists: the trees have no time of their own, and never less than before.
	m.last[procKey{first.pid, 1}] = 5 * time.Second
	m.cpu[web] = 5 * time.Second
	m.tree(first, nil, web, seen)
	m.tree(second, nil, web, seen)
	if m.cpu[web] != 5*time.Second || seen[procKey{first.pid, 1}] != 5*time.Second {
		t.Errorf("cpu %v, seen %v", m.cpu[web], seen)
	}
	m.Forget(func(o Owner) bool { return o != web })
	if len(m.cpu) != 0 {
		t.Errorf("still counted: %v", m.cpu)
	}
}

func TestBusyProcessUsesCPU(t *testing.T) {
	m := (&System{Instance: "mine"}).NewMeter()
	cmd := exec.Command("sh", "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	busy := Owner{KindProgram, "busy"}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	before := time.Duration(-1)
	for end := time.After(10 * time.Second); ; {
		now := m.Measure(map[int]Owner{cmd.Process.Pid: busy})[busy].CPU
		if now < before {
			t.Fatalf("%v after %v", now, before)
		}
		if before = now; now >= 50*time.Millisecond {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("only %v", now)
		}
	}
}

func TestOwnerOfAMarker(t *testing.T) {
	for text, want := range map[string]Owner{
		"web:3": {KindApp, "web"}, "celery:0": {KindProgram, "celery"}, "a:b:1": {KindApp, "a:b"},
		"web": {}, ":1": {}, "web:": {}, "web:x": {}, "web:-1": {},
	} {
		if got, ok := parseOwner(text); got != want || ok != (want != Owner{}) {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
}

const statLine = "42 (a ) b) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 1 0 777 1000 10 184467 1"

func TestUsageIsReadFromTheRightFields(t *testing.T) {
	got, err := parseUsage([]byte(statLine))
	if err != nil || got.CPU != 2500*time.Millisecond || got.RSS != 10*uint64(os.Getpagesize()) || got.state != 'S' {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "42 (x) S", strings.Replace(statLine, " 150 ", " x ", 1), strings.Replace(statLine, " 10 ", " -10 ", 1)} {
		if _, err := parseUsage([]byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzParseUsage(f *testing.F) {
	f.Add([]byte(statLine))
	f.Add([]byte(")"))
	f.Fuzz(func(t *testing.T, text []byte) {
		u, err := parseUsage(text)
		if err == nil && bytesFields(text) < 22 {
			t.Errorf("%+v of %q", u, text)
		}
	})
}

func bytesFields(text []byte) int { return len(bytes.Fields(text)) }

func FuzzParseOwner(f *testing.F) {
	f.Add("web:3")
	f.Add(":")
	f.Fuzz(func(t *testing.T, text string) {
		if o, ok := parseOwner(text); ok && (o.Name == "" || !strings.HasPrefix(text, o.Name+":")) {
			t.Errorf("%q: %v", text, o)
		}
	})
}
