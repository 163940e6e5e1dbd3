package http2

import (
	"errors"
	"os"
	"runtime"
	"time"
)

// wake has the writer write what is in out. mu is held.
func (c *Conn) wake() {
	if c.writing {
		c.work.Signal()
		return
	}
	c.writing, c.written = true, make(chan struct{})
	go c.write(c.written)
}

// flushed waits for the writer's end, and returns why the connection is over: a panic of
// the writer before whatever the reader saw of it.
func (c *Conn) flushed(err error) error {
	c.mu.Lock()
	written := c.written
	c.mu.Unlock()
	<-written
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, ok := c.failed.(*Panic); ok {
		return p
	}
	return err
}

// write is the writer: it writes what streams and the reader have put into out, and
// ends with the connection, or when that is parked.
func (c *Conn) write(written chan<- struct{}) {
	defer close(written)
	if err := guard(c.writeOut); err != nil {
		c.broken(err)
	}
}

func (c *Conn) writeOut() error {
	for {
		buf := c.nextOut()
		if len(buf) == 0 {
			return nil
		}
		if err := c.writeAll(buf); err != nil {
			return err
		}
	}
}

// nextOut waits for bytes to write, and takes all that are there.
func (c *Conn) nextOut() []byte {
	c.mu.Lock()
	defer c.mu.Unlock() // also when what follows panics: broken locks
	c.allOut()
	for len(c.out) == 0 && !c.closing && !c.parked {
		c.work.Wait()
	}
	if len(c.out) > 0 && !c.closing && len(c.streams) > 1 {
		// Answers that are ready go out in the same system call: more than half of what
		// a small one costs.
		c.mu.Unlock()
		runtime.Gosched()
		c.mu.Lock()
	}
	if len(c.out) == 0 {
		c.writing, c.out, c.spare = false, nil, nil
		return nil
	}
	buf := c.out
	c.taken += uint64(len(buf))
	if c.out = c.spare[:0]; len(c.streams) == 0 && cap(buf) > maxFrame {
		c.spare = nil // an idle connection keeps no large buffer
	} else {
		c.spare = buf
	}
	c.pass()
	return buf
}

// allOut notes that the client's side has all that the writer has taken. mu is held.
func (c *Conn) allOut() {
	before := c.gone
	c.gone = c.taken
	if c.mark > before && c.unused() {
		c.idle = time.Now()
		c.endDrained()
	}
}

// writeAll writes buf. It fails when the client has taken no byte for the whole
// timeout.
func (c *Conn) writeAll(buf []byte) error {
	for len(buf) > 0 {
		if err := c.armWrite(); err != nil {
			return err
		}
		n, err := c.nc.Write(buf)
		buf = buf[n:]
		if err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
	}
	return nil
}

// armWrite sets when the next Write fails. mu is held for that, too: fail sets less.
func (c *Conn) armWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	timeout := c.cfg.WriteTimeout
	if c.closing {
		timeout = closeTimeout
	}
	return c.nc.SetWriteDeadline(time.Now().Add(timeout))
}

// broken ends a connection that takes no bytes any more, or whose writer panicked.
func (c *Conn) broken(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, panicked := err.(*Panic); !panicked {
		err = ErrClosed
	}
	if c.failed == nil {
		c.failed = err
	}
	for _, s := range c.streams {
		s.hangUp(ErrClosed)
	}
	c.kick()
}
