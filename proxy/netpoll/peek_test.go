package netpoll

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

func TestPeekLeavesBytesAndWaitsForMore(t *testing.T) {
	for name, pair := range map[string]func(testing.TB) (*Conn, net.Conn){"tcp": tcpPair, "unix": unixPair} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := pair(t)
			buf := make([]byte, 16)
			theirs.Write([]byte("ab"))
			n, err := ours.Peek(buf, 0)
			if n != 2 || err != nil {
				t.Fatalf("peeked %d, %v", n, err)
			}
			more := make(chan error, 1)
			go func() { _, err := theirs.Write([]byte("cd")); more <- err }()
			if n, err = ours.Peek(buf, n); n != 4 || err != nil || string(buf[:n]) != "abcd" {
				t.Fatalf("peeked %q, %v", buf[:n], err)
			}
			if err := <-more; err != nil {
				t.Fatal(err)
			}
			ours.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if n, err = ours.Peek(buf, n); n != 4 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("peeked %d, %v; want the deadline", n, err)
			}
			ours.SetReadDeadline(time.Time{})
			theirs.Close()
			if n, err = ours.Peek(buf, n); n != 4 || err != io.EOF {
				t.Errorf("peeked %d, %v; want the end", n, err)
			}
			if got, err := io.ReadAll(ours); string(got) != "abcd" || err != nil {
				t.Errorf("read %q, %v behind the peeks", got, err)
			}
		})
	}
}
