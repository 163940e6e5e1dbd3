package supervisor

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// shownLines is how much of an app's output the front may show: a long traceback.
const shownLines = 60

// publish shows what the app is now, and tells the front when that is news to it.
func (a *app) publish() {
	s := AppSnapshot{Process: a.past, LastErr: a.lastErr, Restarting: a.restarting}
	if a.live != nil {
		s.Process = a.live.process.Snapshot()
		s.Dropped = dropped(&a.live.spec)
	}
	if a.next != nil {
		s.Deploying = a.next.number
	}
	if a.old != nil {
		s.Retiring = a.old.number
	}
	for _, g := range a.generations() {
		if other := g.process.Snapshot(); g != a.live && other.PID != 0 {
			s.Others = append(s.Others, other.Survivor())
		}
	}
	s.Front = a.frontState(s.Process)
	news := a.shown.p.Load() == nil || a.shown.get().Front != s.Front
	a.shown.set(s)
	if news && !a.unborn() {
		a.opts.Front.Publish(s.Front)
	}
	if a.opts.Changed != nil {
		a.opts.Changed()
	}
}

// unborn reports whether the first start is about to come. The front, which was told
// nothing yet, keeps requests waiting; "stopped" would have it refuse them.
func (a *app) unborn() bool { return a.last == 0 && a.spec.Autostart && a.lastErr == "" }

// frontState tells the front where requests go.
func (a *app) frontState(s Snapshot) AppState {
	st := AppState{Name: a.name, State: AppStopped}
	if a.live == nil || len(a.stopping) > 0 {
		return st
	}
	st.Generation, st.Socket, st.Limit = a.live.number, SocketName(a.name, a.live.number), a.live.limit.requests
	st.Async = a.live.limit.async
	st.State = a.frontWord(s)
	if st.State != AppReady && st.State != AppStarting {
		st.Err = s.Err
		if a.spec.ShowOutput && s.Lines != nil {
			st.Output = strings.Join(s.Lines(shownLines), "\n")
		}
	}
	if s.State == Backoff {
		st.RetryAfter = retryAfter(s.RetryAt.Sub(s.Since))
	}
	return st
}

// frontWord maps Supervisor's states. Requests wait for a first start and for the
// restart at once after a crash; while an app fails again and again they are
// refused also during its tries, which may take as long as health_timeout.
func (a *app) frontWord(s Snapshot) string {
	failed := s.Tries > 0 || s.Failing
	switch {
	case s.State == Running:
		return AppReady
	case s.State == Fatal || s.State == Unknown:
		return AppFatal
	case a.restarting:
		return AppStarting
	case s.State == Backoff, (s.State == Starting || s.State == Stopping) && failed:
		return AppBackoff
	case s.State == Starting:
		return AppStarting
	}
	return AppStopped
}

// AppRecord is all that is needed to go on with an app in another program image.
type AppRecord struct {
	Name    string
	Last    int              // highest number of a generation
	Live    *GenerationState // nil: stopped
	LastErr string
	Past    Snapshot // of the process when stopped
}

// GenerationState is a generation in an AppRecord.
type GenerationState struct {
	Number  int
	Socket  int // index of its socket in the files handed over
	Process State
}

// leftApp is the answer to appLeave.
type leftApp struct {
	record AppRecord
	files  []*os.File
}

// letGo leaves the app to another image once no operation is under way.
func (a *app) letGo() {
	if a.leaving == nil || a.busy() || len(a.waiting) > 0 {
		return
	}
	r := a.leaving
	a.leaving = nil
	r.left.record = AppRecord{Name: a.name, Last: a.last, LastErr: a.lastErr, Past: a.past}
	if a.live != nil {
		a.live.stopProbe()
		state, files, err := a.live.process.Leave()
		if err != nil {
			a.answer(r.reply, fmt.Errorf("leave app %s: %w", a.name, err))
			return
		}
		a.live.release()
		r.left.files = append(files, a.live.socket)
		r.left.record.Live = &GenerationState{Number: a.live.number, Socket: len(files), Process: state}
	}
	a.closed = true
	a.answer(r.reply, nil)
}

func (a *app) takeOver(from AppRecord, files []*os.File) error {
	a.last, a.lastErr, a.past = from.Last, from.LastErr, from.Past
	if from.Live == nil {
		return nil
	}
	g, err := a.newGeneration(a.spec, from.Live.Number, from.Live.Process.Trial, from.Live, files)
	if err != nil {
		return err
	}
	a.live = g
	a.poke() // it may have to be probed
	return nil
}

// retryAfter is the whole seconds until a time, 1 at least, as Retry-After has it.
func retryAfter(d time.Duration) time.Duration {
	return max((d + time.Second - 1).Truncate(time.Second), time.Second)
}
