package supervisor

import (
	"context"
	"errors"
	"os"
)

// Record is all that is needed to go on with a Manager's processes in another
// program image. It is written as JSON.
type Record struct {
	Apps     []AppRecord
	Programs []State
}

// Leave ends the Manager and leaves the processes running. An operation under way
// is waited for; when ctx ends first, what was left is lost, and the Manager must be shut
// down. The record and the files (sockets and log pipes, which must outlive an
// execve without close-on-exec) are for Options.Restore and Files.
func (m *Manager) Leave(ctx context.Context) (*Record, []*os.File, error) {
	m.apply.Lock()
	defer m.apply.Unlock()
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.work.Wait()
	rec := &Record{}
	var (
		files []*os.File
		errs  []error
	)
	for _, mb := range m.list() {
		if mb.app != nil {
			var left leftApp
			if err := mb.app.ask(ctx, appRequest{op: appLeave, left: &left}); err != nil {
				errs = append(errs, err)
				continue
			}
			<-mb.app.done
			left.record.shift(len(files))
			rec.Apps = append(rec.Apps, left.record)
			files = append(files, left.files...)
			continue
		}
		state, more, err := mb.process.Leave()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		mb.release()
		state.shift(len(files))
		rec.Programs = append(rec.Programs, state)
		files = append(files, more...)
	}
	return rec, files, errors.Join(errs...)
}

// shift moves descriptor indexes to where the files are in a longer list.
func (s *State) shift(by int) {
	for i := range s.Output {
		s.Output[i].File += by
	}
}

func (r *AppRecord) shift(by int) {
	if r.Live != nil {
		r.Live.Socket += by
		r.Live.Process.shift(by)
	}
}

func (r *Record) app(name string) *AppRecord {
	if r == nil {
		return nil
	}
	for i := range r.Apps {
		if r.Apps[i].Name == name {
			return &r.Apps[i]
		}
	}
	return nil
}

func (r *Record) program(name string) *State {
	if r == nil {
		return nil
	}
	for i := range r.Programs {
		if r.Programs[i].Name == name {
			return &r.Programs[i]
		}
	}
	return nil
}

func (r *Record) has(name string) bool { return r.app(name) != nil || r.program(name) != nil }
