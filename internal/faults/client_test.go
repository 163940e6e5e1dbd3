package faults

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestThousandSlowBodiesDoNotDelayOthers(t *testing.T) { // C2
	const slowClients = 1000
	d := ready(t, syncApp)
	calm := d.load()
	calm.reach(t, 200)
	calm.finish(t)

	stop := make(chan struct{})
	var slow sync.WaitGroup
	var begun atomic.Int32
	for i := range slowClients {
		slow.Go(func() {
			c, err := net.DialTimeout("tcp", d.addr, patience)
			if err != nil {
				t.Errorf("slow client: %v", err)
				return
			}
			defer c.Close()
			fmt.Fprintf(c, "POST /load/%d HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n", i)
			begun.Add(1)
			tick := time.NewTicker(500 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				if _, err := c.Write([]byte("x")); err != nil {
					t.Errorf("slow client cut off: %v", err)
					return
				}
			}
		})
	}
	d.until("all slow clients have begun", func() bool { return begun.Load() == slowClients })
	l := d.load()
	l.reach(t, 500)
	l.finish(t)
	if l.failed() > 0 {
		t.Errorf("%d requests failed beside %d slow bodies", l.failed(), slowClients)
	}
	if most := calm.slowest + time.Second; l.slowest > most {
		t.Errorf("the slowest of the others took %v, %v without slow bodies", l.slowest, calm.slowest)
	}
	if s := d.status(t); s.Apps[0].InFlight > 2 {
		t.Errorf("%d requests are in flight: a slow body reached the app", s.Apps[0].InFlight)
	}
	close(stop)
	slow.Wait()
}

func TestClientThatLeavesIs499AndTheWorkerIsFree(t *testing.T) {
	d := ready(t, syncApp)
	for range 2 {
		c, err := net.Dial("tcp", d.addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET /sleep/2 HTTP/1.1\r\nHost: a.test\r\n\r\n")
		d.untilInFlight(1)
		c.Close()
		d.untilInFlight(0)
	}
	d.untilLogged(`"GET /sleep/2 HTTP/1.1" 499 0 `, 2)
}

// untilLogged waits until n lines of the access log hold text.
func (d *daemon) untilLogged(text string, n int) {
	d.t.Helper()
	d.until(fmt.Sprintf("%d access lines with %s", n, text), func() bool {
		raw, err := os.ReadFile(filepath.Join(d.dir, "log", "access.log"))
		return err == nil && strings.Count(string(raw), text) == n
	})
}

func TestLogMovedAndReopenedUnderLoadLosesNoLine(t *testing.T) { // E5
	d := ready(t, syncApp)
	path := filepath.Join(d.dir, "log", "access.log")
	l := d.load()
	for i := range 3 {
		l.reach(t, 100)
		if err := os.Rename(path, fmt.Sprintf("%s.%d", path, i)); err != nil {
			t.Fatal(err)
		}
		d.log.forget()
		d.signal(syscall.SIGUSR1)
		d.waitLog(`reopened`)
	}
	l.reach(t, 100)
	l.finish(t)
	if code := d.stop(); code != 0 {
		t.Errorf("stopped with exit code %d", code)
	}
	files, _ := filepath.Glob(path + "*")
	lines := 0
	for _, f := range files {
		for _, line := range readLines(t, f) {
			if !strings.Contains(line, "/load/") {
				t.Errorf("%s has a line that is no request's: %q", f, line)
			}
			lines++
		}
	}
	if len(files) != 4 || lines != l.sent || l.failed() > 0 {
		t.Errorf("%d files with %d lines for %d requests, %d failed", len(files), lines, l.sent, l.failed())
	}
}

func TestFullLogDiskLosesCountedLinesAndNoRequest(t *testing.T) { // E3
	d := folder(t)
	logs := filepath.Join(d.dir, "disk")
	if err := os.Mkdir(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	path := "/dev/full"
	if os.Geteuid() == 0 && syscall.Mount("tmpfs", logs, "tmpfs", 0, "size=64k") == nil {
		t.Cleanup(func() { syscall.Unmount(logs, syscall.MNT_DETACH) })
		path = filepath.Join(logs, "access.log")
	}
	d.configure(syncApp + "access_log = \"" + path + "\"\n")
	d.run()
	d.waitLog(`web entered RUNNING state`)
	// Lines of 4 KB soon fill the 4 MiB that wait for the disk.
	l := (&load{addr: d.addr, keep: 20, fresh: 5, header: "User-Agent: " + strings.Repeat("x", 4000) + "\r\n"}).start()
	l.reach(t, 1500)
	l.finish(t)
	if l.failed() > 0 {
		t.Errorf("%d requests failed", l.failed())
	}
	d.until("every request is a line or a drop, and some are dropped", func() bool {
		s := d.status(t)
		return len(s.Logs) == 1 && s.Logs[0].Lines+s.Logs[0].Dropped == l.sent && s.Logs[0].Dropped > 0
	})
	if path == "/dev/full" {
		return
	}
	if err := syscall.Mount("tmpfs", logs, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil { // space is back
		t.Fatal(err)
	}
	if _, err := get(d.addr, "/after", patience); err != nil {
		t.Fatal(err)
	}
	d.until("the log is written again", func() bool {
		raw, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(raw), `"GET /after HTTP/1.1" 404`)
	})
	lines := readLines(t, path)
	if counted := d.status(t).Logs[0].Lines; len(lines) != counted {
		t.Errorf("the file has %d lines, %d were counted", len(lines), counted)
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "127.0.0.1 - - [") || !strings.HasSuffix(line, `"`) {
			t.Errorf("a line is torn: %.80q … %d bytes", line, len(line))
		}
	}
}
