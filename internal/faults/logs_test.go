package faults

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
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
