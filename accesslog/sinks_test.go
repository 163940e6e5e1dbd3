package accesslog

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

func compiled(t *testing.T, text string) *Format {
	t.Helper()
	f, err := CompileFormat(text, Default)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func unpacked(t *testing.T, packed string) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestGzipWritesMembersThatZcatReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.gz")
	l := NewLog(openLog(t, path), Options{Gzip: 6, Size: 1000, Flush: time.Hour})
	f := numbered(t)
	for i := range 500 {
		l.Write(f, line(1, i))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	text := unpacked(t, readLog(t, path))
	if got := wholeLines(t, text); got != 500 {
		t.Errorf("%d lines, want 500", got)
	}
	inOrder(t, text)
	wantStats(t, l, 500, 0)
}

func TestGzipMemberThatADiskRefusedIsDroppedAndCounted(t *testing.T) {
	dir := t.TempDir()
	l := NewLog(openLog(t, "/dev/full"), Options{Gzip: 1, Flush: time.Millisecond})
	f := numbered(t)
	for i := range 100 {
		l.Write(f, line(1, i))
	}
	path := filepath.Join(dir, "new.gz")
	l.Reopen(openLog(t, path))
	for i := 100; i < 200; i++ {
		l.Write(f, line(1, i))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	lines, dropped := l.Stats()
	if got := wholeLines(t, unpacked(t, readLog(t, path))); uint64(got) != lines || lines+dropped != 200 {
		t.Errorf("%d lines in the file, %d counted, %d dropped of 200", got, lines, dropped)
	}
}

func TestALogInAFolderGoesToTheFileThatTheRequestNames(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "b.test"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc", filepath.Join(dir, "out.test")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir + "/$host.log", dir + "/$host/x.log"} {
		l, err := OpenLog(Target{Path: path}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		f := compiled(t, "$host")
		for _, host := range []string{"a.test", "b.test", "a.test", "..", "x/../../y", "x/y", "\x01", "out.test", strings.Repeat("x", 300)} {
			l.Write(f, &Entry{Host: []byte(host)})
		}
		l.Close()
		want, dropped := uint64(3), uint64(6)
		if strings.HasSuffix(path, "/$host/x.log") { // a.test is no folder, out.test leads away
			want, dropped = 1, 8
		} else if _, err := os.Stat(filepath.Join(dir, "out.test.log")); err == nil {
			want, dropped = 5, 4 // "out.test.log" and "...log" are names as good as any
		}
		wantStats(t, l, want, dropped)
	}
	if got := readLog(t, filepath.Join(dir, "a.test.log")); got != "a.test\na.test\n" {
		t.Errorf("got %q", got)
	}
	if got := readLog(t, filepath.Join(dir, "b.test/x.log")); got != "b.test\n" {
		t.Errorf("got %q", got)
	}
	if _, err := os.Stat("/etc/x.log"); err == nil {
		t.Error("a symlink led out of the folder")
	}
}

func TestALogInAFolderHasABoundOfFilesAndDescriptors(t *testing.T) {
	dir := t.TempDir()
	l, err := OpenLog(Target{Path: dir + "/$arg_n"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := compiled(t, "$args")
	for i := range maxNewFiles + 50 {
		l.Write(f, &Entry{Query: fmt.Appendf(nil, "n=%d", i)})
	}
	l.Close()
	wantStats(t, l, maxNewFiles, 50)
	files, _ := os.ReadDir(dir)
	if len(files) != maxNewFiles {
		t.Errorf("%d files", len(files))
	}
	folder := l.out.(*folder)
	if folder.made != maxNewFiles || len(folder.open) != 0 {
		t.Errorf("made %d, open %d", folder.made, len(folder.open))
	}
}

func TestALogInAFolderThatIsNotThereIsRefused(t *testing.T) {
	if _, err := OpenLog(Target{Path: t.TempDir() + "/none/$host.log"}, Options{}); err == nil {
		t.Error("no error")
	}
}

var syslogLine = regexp.MustCompile(`^<(\d+)>[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} (\S+ )?(\w+): (.*)$`)

func TestSyslogGetsEachLineAsADatagram(t *testing.T) {
	host, _ := os.Hostname()
	for _, network := range []string{"udp", "unixgram"} {
		addr := "127.0.0.1:0"
		if network == "unixgram" {
			addr = filepath.Join(t.TempDir(), "log")
		}
		server, err := net.ListenPacket(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		place := server.LocalAddr().String()
		if network == "unixgram" {
			place = "unix:" + place
		}
		for _, test := range []struct{ params, priority, host, tag string }{
			{"", "190", host + " ", "nginx"}, {",facility=local0,severity=debug,tag=app_1,nohostname", "135", "", "app_1"},
		} {
			l, err := OpenLog(Target{Path: "syslog:server=" + place + test.params}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			l.Write(compiled(t, "<$status>"), &Entry{Status: 200})
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 2000)
			server.SetReadDeadline(time.Now().Add(10 * time.Second))
			n, _, err := server.ReadFrom(buf)
			if err != nil {
				t.Fatal(err)
			}
			m := syslogLine.FindSubmatch(buf[:n])
			if m == nil || string(m[1]) != test.priority || string(m[2]) != test.host || string(m[3]) != test.tag || !bytes.Equal(m[4], []byte("<200>")) {
				t.Errorf("%s: got %q", network, buf[:n])
			}
			wantStats(t, l, 1, 0)
		}
	}
}

func TestSyslogWithoutAReceiverCostsLinesThatAreCounted(t *testing.T) {
	l, err := OpenLog(Target{Path: "syslog:server=unix:" + filepath.Join(t.TempDir(), "none")}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := numbered(t)
	for i := range 100 {
		l.Write(f, line(1, i))
	}
	if err := l.Close(); err == nil {
		t.Error("no error")
	}
	wantStats(t, l, 0, 100)
}

// nobody reads a unix socket, whose buffer is small: the sender may not wait for long.
func TestSyslogReceiverThatDoesNotReadBlocksNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	server, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	l, err := OpenLog(Target{Path: "syslog:server=unix:" + path}, Options{Buffer: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	f := numbered(t)
	const sent = 20000
	start := time.Now()
	for i := range sent {
		l.Write(f, line(1, i))
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("%d lines took %v", sent, took)
	}
	l.Close()
	if lines, dropped := l.Stats(); lines+dropped != sent || dropped == 0 {
		t.Errorf("%d lines, %d dropped of %d", lines, dropped, sent)
	}
}
