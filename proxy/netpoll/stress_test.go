package netpoll

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The stress test sends frames over thousands of short connections whose descriptors are used again and again. Every byte
// of a frame depends on its connection, so that bytes of another are seen; both ends are ours, in one table.
const (
	stressWorkers = 16
	stressTime    = 1500 * time.Millisecond // for TCP, and again for unix sockets
	frameHead     = 12                      // id, length
	bigFrame      = 3 << 20
)

type stress struct {
	p      *Poller
	a      Addr
	ids    atomic.Uint64
	frames atomic.Int64
	broken atomic.Int64 // connections ended on purpose
}

func TestEveryByteReachesItsOwner(t *testing.T) {
	eachFamily(t, func(t *testing.T, fd int, a Addr) {
		s := &stress{p: openPoller(t), a: a}
		listen(t, s.p, fd, s.serve)
		end := time.Now().Add(stressTime)
		var clients sync.WaitGroup
		for range stressWorkers {
			clients.Go(func() {
				for time.Now().Before(end) {
					if err := s.client(); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		clients.Wait()
		if s.frames.Load() == 0 {
			t.Error("no frame came back")
		}
		t.Logf("%d connections, %d frames, %d connections ended on purpose", s.ids.Load(), s.frames.Load(), s.broken.Load())
	})
}

// serve echoes one frame and waits for the next, in a goroutine or without.
func (s *stress) serve(c *Conn, _ time.Time) {
	for {
		c.OnHangup(func() {})
		_ = c.SetDeadline(time.Now().Add(patience))
		err := s.echo(c)
		c.OnHangup(nil)
		if err != nil {
			c.Close()
			return
		}
		switch rand.IntN(3) {
		case 0:
			c.WaitReadable(s.serve)
			return
		case 1:
			(&inlineEcho{stress: s}).serve(c, time.Time{})
			return
		}
	}
}

// inlineEcho echoes one frame on the poller's goroutine: what it has so far is all of its state. It hands the connection
// over to a goroutine when the echo does not fit into the socket.
type inlineEcho struct {
	*stress
	got []byte
}

func (e *inlineEcho) serve(c *Conn, _ time.Time) {
	buf := make([]byte, 64<<10)
	for {
		n, err := c.TryRead(buf)
		e.got = append(e.got, buf[:n]...)
		switch {
		case err == ErrWouldBlock:
			if c.Arm(e.serve) {
				return
			}
		case err != nil:
			c.Close()
			return
		case len(e.got) >= frameHead && len(e.got) == frameHead+int(binary.BigEndian.Uint32(e.got[8:])):
			e.answer(c)
			return
		}
	}
}

func (e *inlineEcho) answer(c *Conn) {
	split := rand.IntN(len(e.got))
	n, err := c.TryWritev([][]byte{e.got[:split], e.got[split:]})
	if err == nil {
		next := &inlineEcho{stress: e.stress}
		next.serve(c, time.Time{})
		return
	}
	go func() {
		for rest := e.got[n:]; err == ErrWouldBlock || err == nil && len(rest) > 0; {
			k := 0
			k, err = c.WriteSome(rest)
			rest = rest[k:]
		}
		if err != nil {
			c.Close()
			return
		}
		e.stress.serve(c, time.Time{})
	}()
}

func (s *stress) echo(c *Conn) error {
	head := make([]byte, frameHead)
	if _, err := io.ReadFull(c, head); err != nil {
		return err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[8:]))
	if _, err := io.ReadFull(c, body); err != nil {
		return err
	}
	if rand.IntN(2) == 0 {
		_, err := c.Writev([][]byte{head, body})
		return err
	}
	return writeSplit(c, append(head, body...))
}

// client uses a connection for a few frames, and ends some in the middle.
func (s *stress) client() error {
	c, err := s.p.Dial(s.a, time.Now().Add(patience))
	if err != nil {
		return err
	}
	defer c.Close()
	id := s.ids.Add(1)
	for range 1 + rand.IntN(4) {
		if rand.IntN(8) == 0 {
			s.broken.Add(1)
			return s.breakOff(c, id)
		}
		if err := s.exchange(c, id); err != nil {
			return fmt.Errorf("connection %d: %w", id, err)
		}
		s.frames.Add(1)
	}
	if !c.Quiet() {
		return fmt.Errorf("connection %d: not quiet after its last frame", id)
	}
	return nil
}

func (s *stress) exchange(c *Conn, id uint64) error {
	_ = c.SetDeadline(time.Now().Add(patience))
	sent := frame(id)
	wrote := make(chan error, 1)
	if len(sent) > 64<<10 {
		go func() { wrote <- writeSplit(c, sent) }() // the echo begins only after the last byte, but sockets fill
	} else {
		wrote <- writeSplit(c, sent)
	}
	got := make([]byte, len(sent))
	_, err := io.ReadFull(c, got)
	if err := errors.Join(err, <-wrote); err != nil {
		return err
	}
	for i := range got {
		if got[i] != sent[i] {
			return fmt.Errorf("byte %d of %d is not its own", i, len(sent))
		}
	}
	return nil
}

// breakOff ends a connection while its goroutine waits, in one of the ways there are.
func (s *stress) breakOff(c *Conn, id uint64) error {
	sent := frame(id)
	_, _ = c.Write(sent[:frameHead-1])
	want := ErrInterrupted
	switch rand.IntN(4) {
	case 0:
		go c.Interrupt()
	case 1:
		want = os.ErrDeadlineExceeded
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	case 2:
		return c.Reset()
	case 3:
		resumed := make(chan struct{})
		c.WaitReadable(func(*Conn, time.Time) { close(resumed) })
		c.Wake()
		<-resumed
		return nil
	}
	if _, err := c.Read(make([]byte, 1)); err != want {
		return fmt.Errorf("connection %d: %v, want %w", id, err, want)
	}
	return nil
}

func frame(id uint64) []byte {
	size := rand.IntN(2000)
	if rand.IntN(200) == 0 {
		size = bigFrame
	}
	b := make([]byte, frameHead+size)
	binary.BigEndian.PutUint64(b, id)
	binary.BigEndian.PutUint32(b[8:], uint32(size))
	for i := range size {
		b[frameHead+i] = byte(id*31 + uint64(i)*7)
	}
	return b
}

func writeSplit(c *Conn, b []byte) error {
	for len(b) > 0 {
		n := len(b)
		if rand.IntN(3) == 0 {
			n = 1 + rand.IntN(n)
		}
		if _, err := c.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
