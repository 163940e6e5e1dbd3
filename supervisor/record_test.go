package supervisor

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// realManager runs real children behind a fake front.
func realManager(t *testing.T, dir string, rec *Record, files []*os.File) (*Manager, *fakeFront) {
	front := &fakeFront{}
	return New(Options{
		Front: front, System: testSystem(t), LogDir: dir, SocketDir: dir, SocketGroup: -1, Restore: rec, Files: files,
	}), front
}

func pids(m *Manager) map[string]int {
	out := map[string]int{}
	for _, st := range m.Status() {
		out[st.Name] = st.PID
	}
	return out
}

func (m *Manager) up(t *testing.T, names ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), realLimit)
	defer cancel()
	for _, name := range names {
		mb, err := m.find(name)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := mb.awaitSnapshot(ctx, func(s Snapshot) bool { return s.State == Running }); err != nil {
			t.Fatalf("%s: %v %+v", name, err, s)
		}
	}
}

func TestManagerIsRebuiltFromItsRecord(t *testing.T) {
	dir := t.TempDir()
	app := testApp()
	app.Command = helperSpec("sleep").Command
	app.StdoutLogfile = LogAuto
	prog := helperSpec("sleep").Program
	set := Set{Apps: map[string]AppSpec{"web": app}, Programs: map[string]Program{"celery": prog, "gone": prog}}
	first, _ := realManager(t, dir, nil, nil)
	applied, err := first.Apply(set)
	if err != nil {
		t.Fatal(err)
	}
	if err := applied.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	first.up(t, "web", "celery", "gone")
	awaitLine(t, "up", func() []string { return first.members["web"].snapshot().Lines(1) })
	before := pids(first)
	rec, files, err := first.Leave(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	var again Record
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	second, front := realManager(t, dir, &again, files)
	delete(set.Programs, "gone")
	if applied, err = second.Apply(set); err != nil {
		t.Fatal(err)
	}
	if err := applied.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	equal(t, "removed", applied.Removed, []string{"gone"})
	second.up(t, "web", "celery")
	for name, pid := range pids(second) {
		if before[name] != pid {
			t.Errorf("%s: pid %d before, %d after", name, before[name], pid)
		}
	}
	if got := front.last(); got.State != AppReady || got.Generation != 1 {
		t.Errorf("published %+v", got)
	}
	if err := second.Deploy(t.Context(), "web"); err != nil {
		t.Errorf("deploy after the restore: %v", err)
	}
	if got := front.last().Generation; got != 2 {
		t.Errorf("generation %d after the deploy, want 2", got)
	}
	if err := second.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	names, _ := os.ReadDir(dir)
	for _, n := range names {
		if strings.HasSuffix(n.Name(), ".sock") {
			t.Errorf("%s is left", n.Name())
		}
	}
	if log, _ := os.ReadFile(dir + "/web.out.log"); !strings.HasPrefix(string(log), "up\n") {
		t.Errorf("log of the app: %q", log)
	}
}

func TestRestartsLeaveNoDescriptorBehind(t *testing.T) {
	spec := helperSpec("exit", "0")
	p := runReal(t, spec)
	p.await(t, "the exit", down)
	count := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	before := count()
	const starts = 20
	for range starts {
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		p.await(t, "the exit", down)
	}
	if after := count(); after >= before+starts { // one or two are the reaper's, for a moment
		t.Errorf("%d descriptors before, %d after %d starts", before, after, starts)
	}
}
