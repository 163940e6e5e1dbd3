package faults

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// cpuTicks is the processor time of a process so far, in hundredths of a second.
func cpuTicks(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return user + system
}

// E1: more idle clients than descriptors. The oldest are closed, accepting goes on, and
// nothing runs in circles.
func TestClientsBeyondTheDescriptorsDoNotStopTheProxy(t *testing.T) {
	const descriptors, clients = 256, 400
	d := folder(t)
	d.configure(syncApp)
	d.with = []string{"prlimit", fmt.Sprint("--nofile=", descriptors)}
	d.run()
	d.waitLog(`web entered RUNNING state`)
	pid := d.proxyPid()
	var all []net.Conn
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	failed, slowest := 0, time.Duration(0)
	for i := range clients {
		begun := time.Now()
		c, err := net.DialTimeout("tcp", d.addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		c.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(c, "GET /load/%d HTTP/1.1\r\nHost: a.test\r\n\r\n", i)
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
			failed++
		}
		slowest = max(slowest, time.Since(begun))
	}
	before := cpuTicks(t, pid)
	<-time.After(time.Second)
	busy := cpuTicks(t, pid) - before
	t.Logf("%d clients with %d descriptors: %d failed, slowest %v, then %d %% of a processor", clients, descriptors, failed, slowest.Round(time.Millisecond), busy)
	if failed > 0 || busy > 20 {
		t.Errorf("%d of %d failed, and %d %% of a processor afterwards", failed, clients, busy)
	}
	if n := openFiles(t, pid); n >= descriptors {
		t.Errorf("%d of %d descriptors are open: none is left for a reload", n, descriptors)
	}
	if out, code := d.command("reload"); code != 0 {
		t.Errorf("reload: %d %s", code, out)
	}
	for _, c := range all {
		c.Close()
	}
	if got := d.get("/load/end"); got != "/load/end" || d.proxyPid() != pid {
		t.Errorf("afterwards: %q from pid %d, want %d", got, d.proxyPid(), pid)
	}
}
