package netpoll

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func fileOf(t *testing.T, size int) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i % 251)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSendFileSendsAllOfAFileThroughFullSockets(t *testing.T) {
	const size = 8 << 20
	eachFamily(t, func(t *testing.T, fd int, a Addr) {
		c, peer := pair(t, openPoller(t), fd, a)
		f := fileOf(t, size)
		done := make(chan error, 1)
		go func() {
			defer c.CloseWrite()
			for at := int64(100); at < size; {
				n, err := c.SendFile(int(f.Fd()), at, size-at)
				if err != nil {
					done <- err
					return
				}
				at += n
			}
			done <- nil
		}()
		got, err := io.ReadAll(peer)
		if err := errors.Join(err, <-done); err != nil || len(got) != size-100 {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		for i, b := range got {
			if b != byte((i+100)%251) {
				t.Fatalf("byte %d is wrong", i)
			}
		}
	})
}

func TestSendFileTellsTheEndOfTheFile(t *testing.T) {
	fd, a := bindTCP(t)
	c, _ := pair(t, openPoller(t), fd, a)
	if n, err := c.SendFile(int(fileOf(t, 10).Fd()), 10, 5); n != 0 || err != io.ErrUnexpectedEOF {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestSendFileEndsWithItsDeadlineAndWithClose(t *testing.T) {
	eachFamily(t, func(t *testing.T, fd int, a Addr) {
		c, _ := pair(t, openPoller(t), fd, a)
		f := fileOf(t, 1<<20)
		send := func() error {
			for {
				if _, err := c.SendFile(int(f.Fd()), 0, 1<<20); err != nil {
					return err
				}
			}
		}
		c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		if err := send(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a peer that reads nothing: %v", err)
		}
		c.Close()
		if err := send(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}
