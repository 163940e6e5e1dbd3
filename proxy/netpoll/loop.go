package netpoll

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// batch is the number of events fetched at once.
const batch = 256

// The loop lets other goroutines run after so many events, or rounds.
const (
	yieldEvents = 8
	yieldRounds = 8
)

// hangupEvents say that the peer has closed or half-closed, or that the connection broke.
const hangupEvents = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR

// readEvents is what every registered socket asks for, edge-triggered.
const readEvents = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET

// A loop is one epoll and the goroutine that spreads its events.
type loop struct {
	poller *Poller
	index  int // in the poller
	epfd   int
	file   *os.File // of epfd, in the runtime's poller
	events [batch]unix.EpollEvent
	now    time.Time   // when the events at hand were fetched
	again  []*Listener // to accept more after the events at hand
	spare  []*Listener
}

func openLoop(p *Poller, index int) (*loop, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	// Only a descriptor that says it is non-blocking gets into the runtime's poller.
	if err := unix.SetNonblock(epfd, true); err != nil {
		sysClose(epfd)
		return nil, fmt.Errorf("set epoll non-blocking: %w", err)
	}
	file := os.NewFile(uintptr(epfd), "epoll")
	if err := file.SetReadDeadline(time.Time{}); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("wait for epoll in the runtime's poller: %w", err)
	}
	return &loop{poller: p, index: index, epfd: epfd, file: file}, nil
}

// run ends when the file is closed.
func (l *loop) run() {
	raw, err := l.file.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(uintptr) bool { return l.drain() })
	for _, listener := range l.again {
		go listener.run()
	}
}

// drain spreads events until there are none, since the runtime's poller tells only of news. It reports whether the poller
// is closing.
func (l *loop) drain() bool {
	for round := 1; !l.poller.closing.Load(); round++ {
		n, errno := sysEpollTake(l.epfd, l.events[:])
		if n == 0 && errno != syscall.EINTR && len(l.again) == 0 {
			return false
		}
		l.now = time.Now()
		for i := range l.events[:n] {
			l.spread(&l.events[i])
		}
		l.acceptAgain()
		// What was woken runs now: often it brings the next events, and waiting for them costs more than going round. After
		// few events, though, going round is what costs.
		if round%yieldRounds == 0 || n >= yieldEvents {
			runtime.Gosched()
		}
	}
	return true
}

// spread tells a socket of an event. An event of a descriptor that has been closed finds nothing, or another generation.
func (l *loop) spread(event *unix.EpollEvent) {
	s := l.poller.table.get(int(event.Fd))
	if s == nil || s.generation != event.Pad {
		return
	}
	if event.Events&hangupEvents != 0 {
		s.flags.Or(flagHangup) // before the state: see the package's comment
	}
	if event.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.write.wake(ready)
	}
	if event.Events&hangupEvents != 0 && s.conn != nil {
		s.conn.hungUp()
	}
	if event.Events&(unix.EPOLLIN|hangupEvents) != 0 && s.read.wake(ready) {
		s.resumeOnLoop(l.now) // the last thing here: its owner may close it
	}
}

func (s *socket) resumeOnLoop(now time.Time) {
	if s.conn != nil {
		s.conn.resumeOnLoop(now)
		return
	}
	s.accepts.resumeOnLoop(now)
}

// acceptAgain goes on with listeners that had more connections than one batch.
func (l *loop) acceptAgain() {
	again := l.again
	l.again = l.spare[:0]
	for _, listener := range again {
		listener.resumeOnLoop(l.now)
	}
	l.spare = again
}

// control changes what epoll reports of s.
func (l *loop) control(op int, s *socket, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: int32(s.fd), Pad: s.generation}
	if errno := sysEpollCtl(l.epfd, op, s.fd, &event); errno != 0 {
		return os.NewSyscallError("epoll_ctl", errno)
	}
	return nil
}
