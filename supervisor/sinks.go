package supervisor

import (
	"path/filepath"
	"sync"

	"paddock/internal/logfile"
)

// sinks shares one Sink among all that write to one path: two generations of an
// app would otherwise rotate each other's file away.
type sinks struct {
	dir string // log_dir

	mu   sync.Mutex
	open map[string]*sharedSink
}

type sharedSink struct {
	*Sink
	users int
}

// logPath returns where a channel of a process goes; "" for nowhere. suffix is
// "out" or "err".
func logPath(dir, setting, name, suffix string) string {
	switch setting {
	case LogNone, "":
		return ""
	case LogAuto:
		return filepath.Join(dir, name+"."+suffix+".log")
	}
	return setting
}

// attach sets the sinks of a spec; release gives them back.
func (s *sinks) attach(spec *Spec) (release func()) {
	stdout := logPath(s.dir, spec.StdoutLogfile, spec.Name, "out")
	stderr := logPath(s.dir, spec.StderrLogfile, spec.Name, "err")
	if spec.RedirectStderr {
		stderr = ""
	}
	spec.Stdout = s.get(stdout, logfile.Options{Maxbytes: int64(spec.StdoutLogfileMaxbytes), Backups: spec.StdoutLogfileBackups})
	spec.Stderr = s.get(stderr, logfile.Options{Maxbytes: int64(spec.StderrLogfileMaxbytes), Backups: spec.StderrLogfileBackups})
	return sync.OnceFunc(func() {
		s.put(stdout)
		s.put(stderr)
	})
}

func (s *sinks) get(path string, opts logfile.Options) *Sink {
	if path == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[string]*sharedSink)
	}
	shared := s.open[path]
	if shared == nil {
		shared = &sharedSink{Sink: NewSink(path, opts)}
		s.open[path] = shared
	} else {
		shared.setOptions(opts)
	}
	shared.users++
	return shared.Sink
}

func (s *sinks) put(path string) {
	s.mu.Lock()
	shared := s.open[path]
	last := false
	if shared != nil {
		shared.users--
		if last = shared.users == 0; last {
			delete(s.open, path)
		}
	}
	s.mu.Unlock()
	if last {
		shared.Close()
	}
}

// reopen has every file opened again.
func (s *sinks) reopen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, shared := range s.open {
		shared.Reopen()
	}
}

// dropped sums the bytes that a process's sinks did not write.
func dropped(spec *Spec) uint64 {
	var n uint64
	for _, s := range []*Sink{spec.Stdout, spec.Stderr} {
		if s != nil {
			n += s.Dropped()
		}
	}
	return n
}
