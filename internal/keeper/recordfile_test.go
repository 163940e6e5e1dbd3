package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"paddock/supervisor"
)

func openRecord(t *testing.T, dir string) (*recordFile, supervisor.Survivors) {
	t.Helper()
	r, survivors, err := openRecordFile(dir, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return r, survivors
}

func closeRecord(t *testing.T, r *recordFile) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestRecordKeepsWhatRuns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "keeper")
	r, survivors := openRecord(t, dir)
	if len(survivors.Processes) != 0 {
		t.Errorf("a new folder has survivors: %v", survivors)
	}
	web := supervisor.Survivor{Name: "web", Generation: 2, PID: 200, StartTime: 6}
	celery := supervisor.Survivor{Name: "celery", PID: 300, StartTime: 7}
	r.set(supervisor.Survivors{Instance: "i", Processes: []supervisor.Survivor{{Name: "web", Generation: 1, PID: 100, StartTime: 5}}})
	r.set(supervisor.Survivors{Instance: "i", Processes: []supervisor.Survivor{celery, web}})
	closeRecord(t, r)
	for path, mode := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, recordName): 0o600, filepath.Dir(dir): 0o755} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, %v; want %v", path, info.Mode(), err, mode)
		}
	}
	for range 2 { // they stay until others are set
		next, survivors := openRecord(t, dir)
		if survivors.Instance != "i" || !slices.Equal(survivors.Processes, []supervisor.Survivor{celery, web}) {
			t.Errorf("survivors: %+v", survivors)
		}
		closeRecord(t, next)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("the folder holds %v; expected record and lock", entries)
	}
}

func TestRecordOfAnotherBootIsForgotten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keeper")
	r, _ := openRecord(t, dir)
	r.boot = "earlier"
	r.set(supervisor.Survivors{Processes: []supervisor.Survivor{{Name: "web", PID: 100}}})
	closeRecord(t, r)
	next, survivors := openRecord(t, dir)
	defer closeRecord(t, next)
	if len(survivors.Processes) != 0 {
		t.Errorf("survivors of another boot: %v", survivors)
	}
}

func TestCorruptRecordIsSetAside(t *testing.T) {
	for _, text := range []string{"", "{", "[]", "\x00\x00", `{"Running":{"Processes":[{"PID":"x"}]}}`} {
		dir := filepath.Join(t.TempDir(), "keeper")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, recordName)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		core, logs := observer.New(zap.WarnLevel)
		r, survivors, err := openRecordFile(dir, zap.New(core))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if aside, err := os.ReadFile(path + ".corrupt"); err != nil || string(aside) != text || len(survivors.Processes) != 0 || logs.Len() != 1 {
			t.Errorf("%q: aside %q, %v; survivors %v; %d warnings", text, aside, err, survivors.Processes, logs.Len())
		}
		closeRecord(t, r)
	}
}

func TestRecordNeverNamesInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keeper")
	r, _ := openRecord(t, dir)
	var all supervisor.Survivors
	for pid := -1; pid <= 2; pid++ {
		all.Processes = append(all.Processes, supervisor.Survivor{Name: fmt.Sprint(pid), PID: pid})
	}
	r.set(all)
	closeRecord(t, r)
	next, survivors := openRecord(t, dir)
	defer closeRecord(t, next)
	if len(survivors.Processes) != 1 || survivors.Processes[0].PID != 2 {
		t.Errorf("survivors: %+v; to signal pid 1, 0 or -1 would end the machine", survivors)
	}
}

func TestSecondKeeperIsToldThePidOfTheFirst(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keeper")
	r, _ := openRecord(t, dir)
	before := openFiles(t)
	_, _, err := openRecordFile(dir, zap.NewNop())
	if want := fmt.Sprintf("paddock is already running: pid %d holds %s", os.Getpid(), filepath.Join(dir, lockName)); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v; want %q", err, want)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
	closeRecord(t, r)
	next, _ := openRecord(t, dir)
	closeRecord(t, next)
}

func TestRecordThatCannotBeWrittenIsAnErrorAtTheEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keeper")
	core, logs := observer.New(zap.ErrorLevel)
	r, _, err := openRecordFile(dir, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	r.path = filepath.Join(dir, "gone", recordName)
	r.set(supervisor.Survivors{Processes: []supervisor.Survivor{{Name: "web", PID: 100}}})
	if err := r.Close(); !errors.Is(err, fs.ErrNotExist) || logs.Len() == 0 {
		t.Errorf("got %v, %d log lines", err, logs.Len())
	}
}

func TestRecordsFolderMustBeAFolderOfTheKeeper(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link} {
		if _, _, err := openRecordFile(path, zap.NewNop()); err == nil || !strings.Contains(err.Error(), "expected a folder of uid") {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestPidFileIsRemovedOnlyByItsOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paddock.pid")
	f, err := writePidFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != fmt.Sprintln(os.Getpid()) {
		t.Errorf("got %q, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.remove()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file of another was removed: %v", err)
	}
	if f, err = writePidFile(path); err != nil {
		t.Fatal(err)
	}
	f.remove()
	f.remove()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestNoPidFileUnlessAsked(t *testing.T) {
	f, err := writePidFile("")
	if err != nil {
		t.Fatal(err)
	}
	f.remove()
	if _, err := writePidFile(filepath.Join(t.TempDir(), "none", "x.pid")); err == nil || !strings.HasPrefix(err.Error(), "pid file: ") {
		t.Errorf("got %v", err)
	}
}
