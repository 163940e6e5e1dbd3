package supervisor

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Reaper collects orphans that became our children. It never waits for a child
// that was started through it: os.Process.Wait collects that one's status.
// wait4(-1) would steal it.
type Reaper struct {
	signals chan os.Signal
	quit    chan struct{}
	done    chan struct{}

	mu  sync.Mutex // held over a start, so that no child is seen before it is known
	our map[int]struct{}
}

// NewReaper starts to collect orphans. Close ends that.
func NewReaper() *Reaper {
	r := &Reaper{
		signals: make(chan os.Signal, 1), quit: make(chan struct{}), done: make(chan struct{}),
		our: make(map[int]struct{}),
	}
	signal.Notify(r.signals, syscall.SIGCHLD)
	go r.run()
	return r
}

// Close stops collecting and waits until that is so.
func (r *Reaper) Close() {
	signal.Stop(r.signals)
	close(r.quit)
	<-r.done
}

// sweepInterval bounds the life of a zombie whose SIGCHLD came while the first
// child in the kernel's list was one of ours that had not been collected yet.
const sweepInterval = time.Second

func (r *Reaper) run() {
	defer close(r.done)
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		r.sweep()
		select {
		case <-r.signals:
		case <-tick.C:
		case <-r.quit:
			return
		}
	}
}

// sweep collects every orphan that has ended.
func (r *Reaper) sweep() {
	for {
		pid := firstEnded()
		if pid == 0 {
			return
		}
		if !r.collect(pid) {
			break // ours hides the others in the kernel's answer
		}
	}
	self := os.Getpid()
	all, _ := processes()
	for _, p := range all {
		if p.ppid == self && p.state == 'Z' {
			r.collect(p.pid)
		}
	}
}

// collect reports whether pid was an orphan, and has collected it then.
func (r *Reaper) collect(pid int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ours := r.our[pid]; ours {
		return false
	}
	_, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
	return err == nil
}

// siPid is the place of si_pid in siginfo_t: after three ints, aligned to a pointer.
const siPid = 8 + unsafe.Sizeof(uintptr(0))

// firstEnded returns a child that has ended and leaves it uncollected; 0: none.
func firstEnded() int {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil {
		return 0
	}
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), siPid)))
}

// start runs a start of ours and notes its pid before a sweep can see it.
func (r *Reaper) start(start func() (*os.Process, error)) (*os.Process, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	proc, err := start()
	if err == nil {
		r.our[proc.Pid] = struct{}{}
	}
	return proc, err
}

func (r *Reaper) adopt(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.our[pid] = struct{}{}
}

func (r *Reaper) forget(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.our, pid)
}
