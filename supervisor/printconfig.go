package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// Bounds of asking gunicorn what its configuration file says.
const (
	printConfigTimeout = 10 * time.Second // Python starts in 0.1 s; a configuration file may do anything
	maxPrintConfig     = 256 << 10        // it prints about 4 KiB
)

// told is what gunicorn said of a generation's configuration.
type told struct {
	gen *generation
	opt *gunicornOptions
}

// askLimit has gunicorn say what its configuration file makes of it, while the
// generation starts: it is not waited for, and until the answer is there the limit is
// that of a program of which nothing is known.
func (a *app) askLimit(g *generation) {
	ask := a.opts.host.printConfig
	if ask == nil || !g.limit.unsure {
		return
	}
	spec, limit := g.spec, g.limit.requests
	ctx, cancel := context.WithTimeout(a.ctx, printConfigTimeout)
	g.unask = cancel
	a.background.Go(func() {
		defer cancel()
		opt, err := ask(ctx, spec)
		switch {
		case err == nil:
		case errors.Is(ctx.Err(), context.Canceled):
			return
		default:
			a.log.Warn("how many requests the app serves at once is not known: gunicorn --print-config failed",
				zap.String("app", a.name), zap.Int("limit", limit), zap.Error(err))
			return
		}
		select {
		case a.limits <- told{g, opt}:
		case <-a.ctx.Done():
		}
	})
}

// printConfig runs the app's own command with --print-config, as its user, in its
// folder and environment: the configuration file is a program, and what it says may
// depend on all of these. gunicorn prints, and then goes on to load the app; it is
// killed before it gets far.
func (s *System) printConfig(ctx context.Context, spec Spec) (*gunicornOptions, error) {
	acct, err := lookupAccount(spec.User)
	if err != nil {
		return nil, err
	}
	spec.Generation, spec.ListenFDs = 0, 0 // none of its own, so that the end of a generation does not end it
	env, err := environment(spec, acct, os.Environ(), s.marker(spec))
	if err != nil {
		return nil, err
	}
	path, err := findCommand(spec.Command.Args[0], env.get("PATH"), spec.Directory)
	if err != nil {
		return nil, err
	}
	argv := append(s.shim(), shimFlags(spec, acct, 0)...)
	argv = append(append(append(argv, "--", path), spec.Command.Args...), "--print-config")
	out, end, err := s.startPrinting(argv, env.list())
	if err != nil {
		return nil, err
	}
	defer end()
	stop := context.AfterFunc(ctx, func() { out.SetReadDeadline(time.Now()) })
	defer stop()
	opt, err := readPrinted(out)
	if ctx.Err() != nil {
		err = fmt.Errorf("no answer in %s", printConfigTimeout)
	}
	return opt, err
}

// startPrinting starts a program and returns its output; end ends it.
func (s *System) startPrinting(argv, env []string) (out *os.File, end func(), err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	defer null.Close()
	out, in, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	proc, err := s.fork(argv, env, []*os.File{null, in, null})
	in.Close()
	if err != nil {
		out.Close()
		return nil, nil, err
	}
	return out, func() {
		out.Close()
		_ = unix.Kill(-proc.Pid, unix.SIGKILL) // ESRCH: it has ended
		_, _ = proc.Wait()                     // its status says nothing
		if s.Reaper != nil {
			s.Reaper.forget(proc.Pid)
		}
	}, nil
}

var errNothingPrinted = errors.New("it printed no threads, worker_class and workers")

// readPrinted reads what gunicorn prints until all that counts was there. It prints
// its settings in the order of their names.
func readPrinted(r io.Reader) (*gunicornOptions, error) {
	var text []byte
	buf := make([]byte, 16<<10)
	for len(text) < maxPrintConfig {
		n, err := r.Read(buf)
		text = append(text, buf[:n]...)
		if opt := parsePrinted(text); opt != nil {
			return opt, nil
		}
		if err == io.EOF {
			return nil, errNothingPrinted
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errNothingPrinted
}

// parsePrinted returns nil as long as not all that counts is there, in whole lines.
func parsePrinted(text []byte) *gunicornOptions {
	g := &gunicornOptions{}
	for {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !whole {
			return nil
		}
		text = rest
		name, val, ok := strings.Cut(string(line), " = ")
		if !ok {
			continue
		}
		switch strings.TrimRight(name, " ") {
		case "threads":
			*g = gunicornOptions{threads: val}
		case "worker_class":
			g.class = val
		case "workers":
			if g.workers = val; g.complete() {
				return g
			}
		}
	}
}
