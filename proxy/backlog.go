package proxy

import (
	"math"
	"os"
	"sync"
	"time"
)

// backlog is what a slow client has not taken yet of an answer: in memory up to
// proxy_buffers, behind that in a temporary file up to proxy_max_temp_file_size. An app
// is read as fast as it answers, so that its worker is free again; only past that the
// client slows it down. Bytes that a client takes at once never come here.
//
// The exchange adds at the end; a goroutine, started with the first bytes that have to
// wait, drains from the front: memory, then the file.
type backlog struct {
	mu      sync.Mutex
	changed sync.Cond // with mu: bytes came or went, it ended, or it failed
	in      []byte    // added, and before any byte of the file
	out     []byte    // the drainer's own
	file    *os.File
	front   int64 // of the file: what is drained,
	back    int64 // and where the next bytes go
	size    int64 // of the file
	resting bool  // the drainer has nothing to write
	ended   bool  // nothing more will be added
	err     error // of the drainer
	spared  bool  // no file for this answer any more: the disk is full, or the bound reached

	open     bool // there are bytes, or there were
	draining chan struct{}
	sent     int64 // written by the drainer; read it when that has ended

	to      sink
	sealed  bool // it may hold bytes that it has taken (TLS): WriteSome sends them too
	spool   *spool
	limits  backlogLimits
	timeout time.Duration // nginx: send_timeout, between two writes
	stop    func()        // tells the exchange that the client is gone
	owner   *exchange     // whose answer it is
}

// sink is where a backlog goes: the client's connection.
type sink interface {
	SetSendTimeout(time.Duration)  // of the next WriteSome: for the next bytes that the client takes
	WriteSome([]byte) (int, error) // at least one byte
}

// backlogLimits are proxy_buffers, as bytes, and proxy_max_temp_file_size.
type backlogLimits struct {
	memory int
	file   int64 // 0: no file
}

// begin readies the backlog for an answer of x.
func (b *backlog) begin(x *exchange) {
	if b.open {
		return
	}
	b.changed.L = &b.mu
	b.to, b.spool = x.conn, x.conn.proxy.spool
	b.sealed = x.conn.seals()
	b.timeout = x.rules().sendTimeout
	b.limits = x.rules().backlog
	b.stop, b.owner = x.conn.onHangup, x
	b.in, b.out = takeBuffer(), takeBuffer()
	b.open = true
}

func takeBuffer() []byte { return upstreamBuffers.Get().(*[upstreamBufferSize]byte)[:0] }

func giveBuffer(buf []byte) {
	if cap(buf) == upstreamBufferSize {
		upstreamBuffers.Put((*[upstreamBufferSize]byte)(buf[:upstreamBufferSize]))
	}
}

// busy reports whether bytes wait, so that others have to wait behind them.
func (b *backlog) busy() bool {
	if !b.open || b.sealed {
		return b.open
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.resting || len(b.in) > 0 || b.front < b.back || b.err != nil
}

// add appends what is left of bufs behind the first skip bytes. It waits only when
// memory and file are full, and fails when the client has gone.
func (b *backlog) add(bufs [][]byte, skip int64) error {
	for _, buf := range bufs {
		if n := min(skip, int64(len(buf))); n > 0 {
			buf, skip = buf[n:], skip-n
		}
		for len(buf) > 0 {
			n, err := b.addSome(buf)
			if err != nil {
				return err
			}
			buf = buf[n:]
		}
	}
	return nil
}

func (b *backlog) addSome(buf []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.err == nil {
		if n := b.keep(buf); n > 0 {
			b.changed.Broadcast()
			return n, nil
		}
		b.changed.Wait()
	}
	return 0, b.err
}

// keep takes some of buf into memory or the file; 0 when there is no room.
func (b *backlog) keep(buf []byte) int {
	if b.front == b.back {
		b.front, b.back = 0, 0
		if room := b.room(); room > 0 {
			n := min(room, len(buf))
			b.in = append(b.in, buf[:n]...)
			return n
		}
	}
	return b.spill(buf)
}

// room is what fits into memory. Before the drainer runs nobody can wait: the rest of one
// write always fits.
func (b *backlog) room() int {
	if b.draining == nil {
		return math.MaxInt
	}
	return b.limits.memory - len(b.in)
}

// spill appends to the file. A full disk costs nothing but speed: the app is slowed
// down to the client from then on.
func (b *backlog) spill(buf []byte) int {
	room := b.limits.file - b.back
	if room <= 0 || b.spared {
		return 0
	}
	buf = buf[:min(room, int64(len(buf)))]
	err := b.openFile()
	if err == nil {
		err = b.spool.writeAt(b.file, buf, b.back, b.size)
	}
	if err != nil {
		b.spared = true
		b.spool.complain("an answer that a slow client has not taken is not buffered on disk", err)
		return 0
	}
	b.back += int64(len(buf))
	b.size = max(b.size, b.back)
	return len(buf)
}

func (b *backlog) openFile() (err error) {
	if b.file == nil {
		b.file, err = b.spool.open()
	}
	return err
}

// drain writes to the client until all is written and nothing more will come, or until
// it fails.
func (b *backlog) drain() {
	defer close(b.draining)
	if err := b.owner.work(b.writeOut); err != nil {
		b.fail(err)
	}
}

func (b *backlog) writeOut() error {
	if b.sealed {
		b.to.SetSendTimeout(b.timeout)
		if _, err := b.to.WriteSome(nil); err != nil {
			return err
		}
	}
	for b.next() {
		if err := b.write(); err != nil {
			return err
		}
	}
	return nil
}

// next waits for bytes and moves the first of them to out.
func (b *backlog) next() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.in) == 0 && b.front == b.back && !b.ended && b.err == nil {
		b.resting = true
		b.changed.Wait()
	}
	b.resting = false
	switch {
	case b.err != nil:
		return false
	case len(b.in) > 0:
		b.in, b.out = b.out[:0], b.in
	case b.front < b.back:
		n := min(int64(cap(b.out)), b.back-b.front)
		b.out = b.out[:n]
		if k, err := b.file.ReadAt(b.out, b.front); int64(k) < n {
			b.err = err
			return false
		}
		b.front += n
	default:
		return false
	}
	b.changed.Broadcast()
	return true
}

func (b *backlog) write() error {
	for out := b.out; len(out) > 0; {
		b.to.SetSendTimeout(b.timeout)
		n, err := b.to.WriteSome(out)
		b.sent += int64(n)
		if err != nil {
			return err
		}
		out = out[n:]
	}
	return nil
}

// fail ends a backlog whose client takes no more; the exchange may wait for its app.
func (b *backlog) fail(err error) {
	b.mu.Lock()
	b.err = err
	b.changed.Broadcast()
	b.mu.Unlock()
	b.stop()
}

// start lets the drainer run, on a goroutine that finish waits for.
func (b *backlog) start() {
	if b.open && b.draining == nil {
		b.draining = make(chan struct{})
		go b.drain()
	}
}

// finish waits until the client has all, or has gone.
func (b *backlog) finish() error {
	b.start()
	b.mu.Lock()
	b.ended = true
	b.changed.Broadcast()
	b.mu.Unlock()
	<-b.draining
	return b.err
}

// drop gives back memory and file. The drainer has ended.
func (b *backlog) drop() {
	if !b.open {
		return
	}
	giveBuffer(b.in)
	giveBuffer(b.out)
	if b.file != nil {
		b.spool.close(b.file)
	}
	*b = backlog{}
}
