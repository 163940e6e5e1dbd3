package netpoll

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A Handler gets a connection and owns it: it must Close it or hand it to WaitReadable. It runs on a goroutine of its own.
// now is when the poller came to it: the clock is read once for all events at hand.
type Handler func(c *Conn, now time.Time)

// A Poller waits for connections. Its methods may be called from any goroutine.
type Poller struct {
	gate    atomic.Pointer[Gate]
	loops   []*loop
	table   table
	waiters sync.Pool // of *waiter, so that idle connections hold none
	sweeper sweeper

	opened  atomic.Uint32 // sockets so far: the generation, and whose turn it is among the loops
	closing atomic.Bool
	ended   sync.WaitGroup // loops and sweeper
}

// Open starts a poller with one epoll per core (GOMAXPROCS). It fails when descriptors are short.
func Open() (*Poller, error) {
	p := new(Poller)
	p.sweeper.init()
	p.waiters.New = func() any { return &waiter{wake: make(chan struct{}, 1)} }
	for i := range runtime.GOMAXPROCS(0) {
		l, err := openLoop(p, i)
		if err != nil {
			p.closeLoops()
			return nil, fmt.Errorf("open poller: %w", err)
		}
		p.loops = append(p.loops, l)
	}
	for _, l := range p.loops {
		p.ended.Go(l.run)
	}
	p.ended.Go(func() { p.sweeper.run(&p.table) })
	return p, nil
}

// Lanes is the number of loops.
func (p *Poller) Lanes() int { return len(p.loops) }

// Close stops the loops and waits for them. Connections and listeners must be closed before: those that are not are
// interrupted, so that no goroutine waits for ever, and counted in the error. Closing twice does nothing.
func (p *Poller) Close() error {
	if p.closing.Swap(true) {
		return nil
	}
	open := 0
	p.table.each(func(s *socket) {
		open++
		s.interrupt()
	})
	close(p.sweeper.stop)
	p.closeLoops()
	p.ended.Wait()
	if open > 0 {
		return fmt.Errorf("close poller: %d connections or listeners are still open", open)
	}
	return nil
}

func (p *Poller) closeLoops() {
	for _, l := range p.loops {
		_ = l.file.Close() // an epoll has nothing to lose
	}
}
