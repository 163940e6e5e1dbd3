package keeper

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"
)

// fakeSystemd is a notification socket; the func returns the next message.
func fakeSystemd(t *testing.T) func() string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		message := make([]byte, 4096)
		n, err := conn.Read(message)
		if err != nil {
			t.Fatal(err)
		}
		return string(message[:n])
	}
}

func TestSystemdIsTold(t *testing.T) {
	next := fakeSystemd(t)
	n := newNotifier(zap.NewNop())
	for want, tell := range map[string]func(){
		"READY=1":                  n.ready,
		"STOPPING=1":               n.stopping,
		"STATUS=serving 2 apps":    func() { n.status("serving 2 apps") },
		"STATUS=error:  MAINPID=1": func() { n.status("error:\r\nMAINPID=1") },
	} {
		tell()
		if got := next(); got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
}

func TestReloadIsToldWithItsTime(t *testing.T) {
	next := fakeSystemd(t)
	var before unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &before); err != nil {
		t.Fatal(err)
	}
	newNotifier(zap.NewNop()).reloading()
	got := next()
	text, ok := strings.CutPrefix(strings.TrimSpace(got), "RELOADING=1\nMONOTONIC_USEC=")
	since, err := time.ParseDuration(text + "us")
	if !ok || err != nil || since < time.Duration(before.Nano()).Truncate(time.Microsecond) || since > time.Duration(before.Nano())+time.Minute {
		t.Errorf("got %q; the clock said %d ns before", got, before.Nano())
	}
}

func TestWithoutSystemdNothingHappens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	core, logs := observer.New(zap.DebugLevel)
	n := newNotifier(zap.New(core))
	n.ready()
	n.reloading()
	n.watchdog(t.Context(), func(context.Context) bool { t.Error("asked"); return true })
	if logs.Len() != 0 {
		t.Errorf("log: %v", logs.All())
	}
}

func TestLostNotificationSocketIsAWarning(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	core, logs := observer.New(zap.WarnLevel)
	newNotifier(zap.New(core)).ready()
	if logs.Len() != 1 {
		t.Errorf("log: %v", logs.All())
	}
}

func TestWatchdogPetsTwiceInItsTime(t *testing.T) {
	next := fakeSystemd(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", "")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { newNotifier(zap.NewNop()).watchdog(ctx, func(context.Context) bool { return true }) })
	for range 3 {
		if got := next(); got != "WATCHDOG=1" {
			t.Errorf("got %q", got)
		}
	}
	cancel()
	wg.Wait()
}

func TestWatchdogIsSilentWhileTheServiceIsNotHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var told []time.Duration
		n := &notifier{log: zap.NewNop(), send: func(state string) error {
			told = append(told, time.Since(start))
			return errors.New("nobody there") // which changes nothing
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 95*time.Second)
		defer cancel()
		asked := 0
		n.pet(ctx, 10*time.Second, func(ctx context.Context) bool {
			asked++
			switch asked {
			case 3:
				return false
			case 5: // hangs, and is given up after a period
				<-ctx.Done()
				return false
			}
			return true
		})
		want := []time.Duration{0, 10 * time.Second, 30 * time.Second, 50 * time.Second, 60 * time.Second, 70 * time.Second, 80 * time.Second, 90 * time.Second}
		if len(told) != len(want) {
			t.Fatalf("told at %v; want %v", told, want)
		}
		for i := range want {
			if told[i] != want[i] {
				t.Errorf("told at %v; want %v", told[i], want[i])
			}
		}
	})
}
