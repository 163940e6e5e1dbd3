package netpoll

import (
	"io"
	"net"
	"testing"
	"time"
)

// pingSize is about that of a small request.
const pingSize = 500

func BenchmarkPingPong(b *testing.B) {
	p := openPoller(b)
	fd, a := bindUnix(b, 1024)
	listen(b, p, fd, func(c *Conn, _ time.Time) {
		defer c.Close()
		echoPings(c)
	})
	b.Run("netpoll", func(b *testing.B) {
		pings(b, func() net.Conn { return dial(b, p, a) })
	})

	std, err := net.Listen("unix", b.TempDir()+"/s")
	if err != nil {
		b.Fatal(err)
	}
	defer std.Close()
	go func() {
		for {
			c, err := std.Accept()
			if err != nil {
				return
			}
			go echoPings(c)
		}
	}()
	b.Run("net", func(b *testing.B) {
		pings(b, func() net.Conn {
			c, err := net.Dial("unix", std.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { c.Close() })
			return c
		})
	})
}

// pings runs 32 connections; the time is that of one exchange over all of them.
func pings(b *testing.B, connect func() net.Conn) {
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		c := connect()
		buf := make([]byte, 2*pingSize)
		for pb.Next() {
			_ = c.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := c.Write(buf[:pingSize]); err != nil {
				b.Error(err)
				return
			}
			if _, err := io.ReadAtLeast(c, buf, pingSize); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func echoPings(c net.Conn) {
	buf := make([]byte, 2*pingSize)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}
