package keeper

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"

	"paddock/internal/value"
	"paddock/supervisor"
)

// TestMain makes the test binary the shim of what the tests start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "exec" {
		os.Exit(supervisor.ExecMain(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// recorded waits until the record on the disk names just these.
func recorded(t *testing.T, r *recordFile, want ...string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(testTimeout); ; <-tick.C {
		s, err := r.read()
		var names []string
		for _, p := range s.Processes {
			names = append(names, p.Name)
		}
		if err == nil && slices.Equal(names, want) {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("recorded %q, %v; expected %q", names, err, want)
		}
	}
}

func TestWhatRunsIsRecordedAtEachChange(t *testing.T) {
	dir := t.TempDir()
	k := &Keeper{log: zap.NewNop(), poke: make(chan struct{}, 1), front: newFront(zap.NewNop())}
	k.ctx, k.cancel = context.WithCancel(t.Context())
	k.system = &supervisor.System{Instance: "i"}
	k.record, _ = openRecord(t, filepath.Join(dir, "keeper"))
	defer closeRecord(t, k.record)
	k.proxy = &proxyProcess{process: supervisor.NewProcess(supervisor.Spec{Name: proxyName, Kind: supervisor.KindProxy}, supervisor.ProcessOptions{System: k.system})}
	defer k.proxy.process.Close()
	k.manager = supervisor.New(supervisor.Options{Front: k.front, Changed: k.changed, System: k.system, LogDir: dir, SocketDir: dir, SocketGroup: -1})
	k.background.Go(k.recordChanges)
	defer k.background.Wait()
	defer k.cancel()
	sleep := supervisor.DefaultProgram()
	sleep.Command = value.Command{Text: "sleep 1000", Args: []string{"sleep", "1000"}}
	for _, want := range [][]string{{"one"}, {"one", "two"}, {"two"}, nil} {
		set := supervisor.Set{Programs: map[string]supervisor.Program{}}
		for _, name := range want {
			set.Programs[name] = sleep
		}
		if _, err := k.manager.Apply(set); err != nil {
			t.Fatal(err)
		}
		recorded(t, k.record, want...)
	}
	if err := k.manager.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
