package accesslog

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"paddock/internal/logfile"
)

func TestADiskThatRefusesCostsLinesThatAreCounted(t *testing.T) {
	core, logged := observer.New(zap.InfoLevel)
	l := NewLog(openLog(t, "/dev/full"), Options{Flush: time.Millisecond, Buffer: 1000, Logger: zap.New(core)})
	f := numbered(t)
	for i := range 5000 {
		l.Write(f, line(1, i))
	}
	if err := l.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, expected %v", err, syscall.ENOSPC)
	}
	wantStats(t, l, 0, 5000)
	if n := logged.Len(); n != 1 {
		t.Errorf("the failure was reported %d times, expected once", n)
	}
}

func TestLinesThatTheOldFileRefusedGoToTheNewOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new")
	l := NewLog(openLog(t, "/dev/full"), Options{Flush: time.Millisecond})
	f := numbered(t)
	for i := range 10 {
		l.Write(f, line(1, i))
	}
	l.Reopen(openLog(t, path))
	for i := 10; i < 20; i++ {
		l.Write(f, line(1, i))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	wantStats(t, l, 20, 0)
	inOrder(t, readLog(t, path))
	if got := wholeLines(t, readLog(t, path)); got != 20 {
		t.Errorf("the new file has %d lines, expected 20", got)
	}
}

// smallDisk mounts a file system of 64 KiB that only the calling goroutine sees:
// its thread has a mount table of its own, and ends with the test.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	runtime.LockOSThread()
	err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	if err == nil {
		err = unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k")
	}
	if err != nil {
		t.Skipf("no file system that can be filled: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestAHalfWrittenLineIsFinishedWhenTheDiskHasRoomAgain(t *testing.T) {
	dir := smallDisk(t)
	filler, path := filepath.Join(dir, "filler"), filepath.Join(dir, "log")
	if err := os.WriteFile(filler, make([]byte, 40<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	core, logged := observer.New(zap.InfoLevel)
	refused := make(chan struct{}, 1)
	logger := zap.New(core, zap.Hooks(func(e zapcore.Entry) error {
		select {
		case refused <- struct{}{}:
		default:
		}
		return nil
	}))
	l := NewLog(openLog(t, path), Options{Flush: time.Millisecond, Buffer: 16 << 10, Logger: logger})
	f := numbered(t)
	sent := uint64(0)
	send := func() {
		l.Write(f, line(111, 100_000+int(sent))) // of 13 bytes, so that no line ends where the disk does
		sent++
	}
	for full := false; !full; {
		send()
		select {
		case <-refused:
			full = true
		default:
		}
	}
	if torn := readLog(t, path); strings.HasSuffix(torn, "\n") || torn == "" {
		t.Fatalf("the disk is full, but the last line is not torn: the test tests nothing (%d bytes)", len(torn))
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		send()
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if logged.FilterMessage("access log is written again").Len() == 0 {
		t.Error("that lines are written again was not reported")
	}
	lines, dropped := l.Stats()
	if got := wholeLines(t, readLog(t, path)); uint64(got) != lines || lines+dropped != sent {
		t.Errorf("%d lines in the file, %d counted, %d dropped; expected a sum of %d", got, lines, dropped, sent)
	}
	t.Logf("%d sent, %d written, %d dropped", sent, lines, dropped)
}

// smallPipe makes a FIFO that holds 4096 bytes and whose writing end blocks, as
// one that is inherited does.
func smallPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	r, w = os.NewFile(uintptr(fds[0]), "pipe"), os.NewFile(uintptr(fds[1]), "pipe")
	t.Cleanup(func() { r.Close() })
	return r, w
}

func TestAPipeThatNobodyReadsBlocksNeitherWriteNorClose(t *testing.T) {
	r, w := smallPipe(t)
	l := NewLog(w, Options{Flush: time.Millisecond, Buffer: 16 << 10})
	f := numbered(t)
	const sent = 5000
	for i := range sent {
		l.Write(f, line(1, i))
	}
	if err := l.Close(); !errors.Is(err, logfile.ErrStalled) {
		t.Errorf("got %v, expected %v", err, logfile.ErrStalled)
	}
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	lines, dropped := l.Stats()
	if whole := bytes.Count(got, []byte("\n")); uint64(whole) != lines || lines+dropped != sent || lines == 0 {
		t.Errorf("%d lines in the pipe, %d counted, %d dropped of %d", whole, lines, dropped, sent)
	}
}

func TestAPipeResumesWithTheRestOfItsLineWhenItIsReadAgain(t *testing.T) {
	r, w := smallPipe(t)
	l := NewLog(w, Options{Flush: time.Millisecond, Buffer: 16 << 10})
	f := numbered(t)
	sent := uint64(0)
	for dropped := uint64(0); dropped == 0; _, dropped = l.Stats() {
		l.Write(f, line(1, int(sent)))
		sent++
	}
	text := make(chan string)
	go func() {
		b, _ := io.ReadAll(bufio.NewReaderSize(r, 100))
		text <- string(b)
	}()
	err := l.Close()
	lines, dropped := l.Stats()
	got := <-text
	if err != nil {
		t.Fatal(err)
	}
	if n := wholeLines(t, got); uint64(n) != lines || lines+dropped != sent {
		t.Errorf("%d lines read, %d counted, %d dropped of %d", n, lines, dropped, sent)
	}
}

// Whether the pipe was full in the middle of a line is chance.
func TestReopenAwayFromAStalledPipeDropsOnlyATornLine(t *testing.T) {
	r, w := smallPipe(t)
	path := filepath.Join(t.TempDir(), "new")
	l := NewLog(w, Options{Flush: time.Millisecond})
	f := numbered(t)
	const sent = 3000
	for i := range sent {
		l.Write(f, line(1, i))
	}
	l.Reopen(openLog(t, path))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	old, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	torn := 0
	if n := len(old); n > 0 && old[n-1] != '\n' {
		torn = 1
	}
	whole := bytes.Count(old, []byte("\n")) + wholeLines(t, readLog(t, path))
	wantStats(t, l, uint64(whole), uint64(torn))
	if whole+torn != sent {
		t.Errorf("%d lines of %d, %d torn", whole, sent, torn)
	}
}
