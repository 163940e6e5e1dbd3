package faults

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLogRotatedBySizeUnderLoadLosesNoLine(t *testing.T) { // E5
	d := ready(t, syncApp+"access_log = { maxbytes = \"4KB\", backups = 100, compress = true }\n")
	path := filepath.Join(d.dir, "log", "access.log")
	l := d.load()
	for range 3 {
		d.log.forget()
		l.reach(t, 100)
		d.waitLog(`rotated an access log`)
	}
	l.reach(t, 100)
	l.finish(t)
	if code := d.stop(); code != 0 {
		t.Errorf("stopped with exit code %d", code)
	}
	files, _ := filepath.Glob(path + "*")
	lines := 0
	for _, name := range files {
		lines += strings.Count(readPacked(t, name), "/load/")
	}
	if len(files) < 4 || lines != l.sent || l.failed() > 0 {
		t.Errorf("%v with %d lines for %d requests, %d failed", files, lines, l.sent, l.failed())
	}
	if packed, _ := filepath.Glob(path + "*.gz"); len(packed) != len(files)-2 {
		t.Errorf("packed are %v of %v; want all but the log and its newest backup", packed, files)
	}
}

func readPacked(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLogThatIsAFifoWithoutAReaderBlocksNoRequest(t *testing.T) { // E6
	d := folder(t)
	path := filepath.Join(d.dir, "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	d.configure(syncApp + "access_log = \"" + path + "\"\n")
	d.run()
	d.waitLog(`web entered RUNNING state`)
	// Lines of 4 KB soon fill the pipe and the 4 MiB that wait for a reader.
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
}

func TestRequestsGoToLogsOfEveryKind(t *testing.T) {
	d := folder(t)
	server, err := net.ListenPacket("unixgram", filepath.Join(d.dir, "syslog.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	hosts := filepath.Join(d.dir, "hosts")
	if err := os.Mkdir(hosts, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(hosts, 0o777); err != nil { // the proxy's user makes files there
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(d.dir, "syslog.sock"), 0o777); err != nil {
		t.Fatal(err)
	}
	logs := func(last string) string {
		return syncApp + `access_log = [
			"` + d.dir + `/plain.log short", { path = "` + d.dir + `/own.json", format = "json", mode = "0600" },
			"` + hosts + `/$host.log short", "syslog:server=unix:` + d.dir + `/syslog.sock,nohostname short",
			` + last + `]
			[log_format]
			short = '$request $status'
			`
	}
	d.configure(logs(`"` + d.dir + `/packed.gz short gzip if=$arg_pack"`))
	d.run()
	d.waitLog(`web entered RUNNING state`)
	ask := func(target string) {
		t.Helper()
		if _, err := get(d.addr, target, patience); err != nil {
			t.Fatal(err)
		}
	}
	ask("/one")
	ask("/two?pack=1")
	d.configure(logs(`"` + d.dir + `/packed.gz short gzip=9"`)) // that log is another one now, the others go on
	d.log.forget()
	d.signal(syscall.SIGHUP)
	d.waitLog(`reloaded`)
	ask("/three")
	if code := d.stop(); code != 0 {
		t.Errorf("stopped with exit code %d", code)
	}
	const all = "GET /one HTTP/1.1 404\nGET /two?pack=1 HTTP/1.1 404\nGET /three HTTP/1.1 404\n"
	if got := d.read("plain.log"); got != all {
		t.Errorf("plain.log has %q", got)
	}
	files, _ := filepath.Glob(hosts + "/*")
	if len(files) != 1 || readPacked(t, files[0]) != all {
		t.Errorf("by host: %v", files)
	}
	if got := readPacked(t, filepath.Join(d.dir, "packed.gz")); got != "GET /two?pack=1 HTTP/1.1 404\nGET /three HTTP/1.1 404\n" {
		t.Errorf("packed.gz has %q", got)
	}
	if got := d.read("own.json"); strings.Count(got, "\n") != 3 || !json.Valid([]byte(strings.SplitN(got, "\n", 2)[0])) {
		t.Errorf("own.json has %q", got)
	}
	if info, err := os.Stat(filepath.Join(d.dir, "own.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("own.json: %v, %v", info.Mode(), err)
	}
	buf := make([]byte, 1000)
	server.SetReadDeadline(time.Now().Add(patience))
	for line := range strings.Lines(all) {
		n, _, err := server.ReadFrom(buf)
		if err != nil || !strings.HasPrefix(string(buf[:n]), "<190>") || !strings.HasSuffix(string(buf[:n])+"\n", " nginx: "+line) {
			t.Errorf("syslog got %q, %v; want %q", buf[:n], err, line)
		}
	}
}
