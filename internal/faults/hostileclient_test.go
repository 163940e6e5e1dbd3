package faults

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// siteApp is a real app, with files beside it.
const siteApp = syncApp + `
  [[server.location]]
  path = "/files/"
  alias = "DIR/files/"

  [[server.location]]
  path = "/"
  proxy_pass = "http://web"
`

// withFiles starts siteApp with a file of 1 MiB.
func withFiles(t *testing.T) *daemon {
	t.Helper()
	d := folder(t)
	if err := os.Mkdir(filepath.Join(d.dir, "files"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.write("files/big", strings.Repeat("0123456789abcdef", 1<<16))
	d.configure(strings.Replace(siteApp, "app = \"web\"\n", "", 1))
	d.run()
	d.waitLog(`web entered RUNNING state`)
	return d
}

// abort is a way for a client to leave.
type abort struct {
	name string
	send string
	read int  // bytes of the answer that it still reads
	half bool // it ends its side only, and reads to the end
}

var aborts = []abort{
	{name: "reset at once"},
	{name: "reset in the head", send: "GET /load/1 HTTP/1.1\r\nHost: a.te"},
	{name: "reset behind the head", send: "GET /load/1 HTTP/1.1\r\nHost: a.test\r\n\r\n"},
	{name: "reset in the body", send: "POST /load/1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 50000)},
	{name: "reset in a chunk", send: "POST /load/1 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nxyz"},
	{name: "reset in the answer", send: "GET /load/1/long HTTP/1.1\r\nHost: a.test\r\n\r\n", read: 1000},
	{name: "reset in a file", send: "GET /files/big HTTP/1.1\r\nHost: a.test\r\n\r\n", read: 1000},
	{name: "reset behind the answer", send: "GET /load/1 HTTP/1.1\r\nHost: a.test\r\n\r\n", read: 150},
	{name: "reset in a pipeline", send: strings.Repeat("GET /load/1 HTTP/1.1\r\nHost: a.test\r\n\r\n", 20), read: 200},
	{name: "half-close in the head", send: "GET /load/1 HTTP/1.1\r\nHost: a.te", half: true},
	{name: "half-close behind the head", send: "GET /load/1 HTTP/1.1\r\nHost: a.test\r\n\r\n", half: true},
	{name: "half-close in the body", send: "POST /load/1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\nx", half: true},
}

func (a abort) run(addr string) error {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	tcp := c.(*net.TCPConn)
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, a.send); err != nil {
		return nil // cut off already
	}
	if a.half {
		tcp.CloseWrite()
		if _, err := io.Copy(io.Discard, c); err != nil && os.IsTimeout(err) {
			return fmt.Errorf("%s: the proxy never ends the connection", a.name)
		}
		return nil
	}
	io.CopyN(io.Discard, c, int64(a.read))
	return tcp.SetLinger(0)
}

func TestClientsThatAbortLeaveNothingBehind(t *testing.T) { // C6
	n := long(600, 10000)
	d := withFiles(t)
	d.allBooted(2)
	for _, a := range aborts { // what is made once
		if err := a.run(d.addr); err != nil {
			t.Fatal(err)
		}
	}
	d.untilInFlight(0)
	before, pid := d.status(t), d.proxyPid()
	rss := residentKB(t, pid)
	l := (&load{addr: d.addr, keep: 3, fresh: 1}).start()
	var next, bad atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(n) {
					return
				}
				if err := aborts[i%int64(len(aborts))].run(d.addr); err != nil {
					bad.Add(1)
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	l.reach(t, 20)
	l.finish(t)
	if l.failed() > 0 || bad.Load() > 0 {
		t.Errorf("%d requests of others failed; %d aborts went wrong", l.failed(), bad.Load())
	}
	d.untilInFlight(0)
	var after status
	d.until("descriptors and goroutines are back", func() bool {
		after = d.status(t)
		return after.ProxyFiles <= before.ProxyFiles+5 && after.Proxy.Goroutines <= before.Proxy.Goroutines+10
	})
	grown := residentKB(t, d.proxyPid()) - rss
	t.Logf("%d aborts; descriptors %d, then %d; goroutines %d, then %d; memory %d KiB, %+d KiB", n, before.ProxyFiles, after.ProxyFiles, before.Proxy.Goroutines, after.Proxy.Goroutines, rss, grown)
	if after.Proxy.Pid != pid {
		t.Error("the proxy is another one")
	}
	if grown > 32<<10 && !raceEnabled {
		t.Errorf("the proxy grew by %d KiB", grown)
	}
}

// ticks is the processor time of a process in hundredths of a second.
func ticks(t *testing.T, pid int) (sum int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	for _, field := range strings.Fields(rest)[11:13] { // utime and stime
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

func TestTooLargeBodyIsRefusedInAWayThatEachClientSees(t *testing.T) { // C7
	n := long(25, 100)
	d := ready(t, syncApp)
	body := strings.Repeat("x", 3<<20)
	chunked := "Transfer-Encoding: chunked\r\n"
	known := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	seen := 0
	for _, form := range []struct{ framing, expect, body string }{
		{known, "", body}, {known, "Expect: 100-continue\r\n", body}, {chunked, "", "300000\r\n" + body + "\r\n0\r\n\r\n"}, {chunked, "Expect: 100-continue\r\n", "300000\r\n" + body + "\r\n0\r\n\r\n"},
	} {
		for range n {
			c, err := dial(d.addr, patience)
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(patience))
			io.WriteString(c, "POST /load/1 HTTP/1.1\r\nHost: a.test\r\n"+form.framing+form.expect+"\r\n")
			a := reply{status: 100}
			if form.expect != "" && form.framing == chunked { // nobody knows yet how long it is
				a, err = c.answer("POST")
			}
			if err == nil && a.status == 100 {
				go io.WriteString(c, form.body)
				a, err = c.answer("POST")
			}
			if err != nil || a.status != 413 {
				t.Errorf("%q %q: answered %d, %v", form.framing, form.expect, a.status, err)
			} else {
				seen++
			}
			c.close()
		}
	}
	t.Logf("413 was seen %d of %d times", seen, 4*n)
}

func TestPipelinedFloodOfAClientThatNeverReadsIsHeldBack(t *testing.T) { // C8
	d := withFiles(t)
	d.get("/files/big")
	pid := d.proxyPid()
	rss := residentKB(t, pid)
	flood := strings.Repeat("GET /files/big HTTP/1.1\r\nHost: a.test\r\n\r\n", 1000)
	for range long(10, 200) {
		c, err := net.DialTimeout("tcp", d.addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go io.WriteString(c, flood)
	}
	l := (&load{addr: d.addr, keep: 3, fresh: 1}).start()
	l.reach(t, 200)
	l.finish(t)
	grown := residentKB(t, pid) - rss
	t.Logf("memory %d KiB, %+d KiB", rss, grown)
	if l.failed() > 0 {
		t.Errorf("%d requests of others failed", l.failed())
	}
	if grown > long(8, 64)<<10 && !raceEnabled {
		t.Errorf("the proxy grew by %d KiB", grown)
	}
}

func TestHeaderBombsAreRefusedAndCostLittle(t *testing.T) { // C9
	n := long(30, 300)
	d := ready(t, syncApp)
	bombs := map[string]struct {
		send   string
		status int
	}{
		"10,000 fields":            {"GET / HTTP/1.1\r\nHost: a.test\r\n" + strings.Repeat("X-A: b\r\n", 10000) + "\r\n", 400},
		"one field of 2 MiB":       {"GET / HTTP/1.1\r\nHost: a.test\r\nX: " + strings.Repeat("y", 2<<20) + "\r\n\r\n", 400},
		"a target of 100 KiB":      {"GET /" + strings.Repeat("a", 100<<10) + " HTTP/1.1\r\nHost: a.test\r\n\r\n", 414},
		"a method of 100 KiB":      {strings.Repeat("A", 100<<10) + " / HTTP/1.1\r\nHost: a.test\r\n\r\n", 414},
		"10,000 connection names":  {"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: " + strings.Repeat("a,", 4000) + "\r\n\r\n", 400},
		"10,000 cookies":           {"GET / HTTP/1.1\r\nHost: a.test\r\n" + strings.Repeat("Cookie: a=b\r\n", 10000) + "\r\n", 400},
		"slashes and dots":         {"GET /" + strings.Repeat("/../a/.", 1100) + " HTTP/1.1\r\nHost: a.test\r\n\r\n", 400},
		"a chunk size of 1 MB":     {"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("0", 1<<20), 400},
		"a chunk extension, 1 MB":  {"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("a", 1<<20), 400},
		"5,000 trailers":           {"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 5000) + "\r\n", 400},
		"1 MB of something binary": {strings.Repeat("\x00\xff", 1<<19), 400},
	}
	pid := d.proxyPid()
	begun, sent := ticks(t, pid), 0
	for range n {
		for name, b := range bombs {
			c, err := dial(d.addr, patience)
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(patience))
			go io.WriteString(c, b.send)
			if a, err := c.answer("GET"); err != nil || a.status != b.status {
				t.Errorf("%s: answered %d, %v; want %d", name, a.status, err, b.status)
			}
			c.close()
			sent++
		}
	}
	each := time.Duration(ticks(t, pid)-begun) * 10 * time.Millisecond / time.Duration(sent)
	t.Logf("%d bombs, %v of processor time each", sent, each)
	if each > 5*time.Millisecond && !raceEnabled {
		t.Errorf("a bomb costs %v", each)
	}
	if got := d.get("/"); got != "hello" {
		t.Errorf("afterwards / is %q", got)
	}
}

// A client that does one thing after another by chance, on thousands of
// connections, finds no sequence that takes the proxy down.
func TestRandomBytesBreakNothing(t *testing.T) {
	n := long(400, 20000)
	d := withFiles(t)
	pid := d.proxyPid()
	words := []string{
		"GET ", "POST ", "/load/1", "/files/big", " HTTP/1.1\r\n", " HTTP/1.0\r\n", "Host: a.test\r\n", "\r\n", "\r\n\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "Expect: 100-continue\r\n", "5\r\nhello\r\n", "0\r\n\r\n", "hello",
		"Range: bytes=0-0,-1\r\n", "Upgrade: websocket\r\nConnection: upgrade\r\n", "\x00", "\n", "\r", " ", ":", "Cookie: a=b\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01", strings.Repeat("a", 9000), "If-None-Match: *\r\n", "Accept-Encoding: gzip\r\n",
	}
	random := rand.New(rand.NewPCG(6, 6))
	good := "GET /load/1 HTTP/1.1\r\nHost: a.test\r\n\r\n"
	for i := range n {
		var text strings.Builder
		for range 1 + random.IntN(4) {
			text.WriteString(good)
		}
		for range 1 + random.IntN(12) {
			text.WriteString(words[random.IntN(len(words))])
		}
		c, err := net.DialTimeout("tcp", d.addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(patience))
		io.WriteString(c, text.String())
		if i%3 == 0 {
			bufio.NewReader(c).ReadString('\n')
		}
		c.Close()
	}
	d.untilInFlight(0)
	if got := d.get("/load/2"); got != "/load/2" || d.proxyPid() != pid {
		t.Errorf("afterwards /load/2 is %q, proxy %d, before %d", got, d.proxyPid(), pid)
	}
}
