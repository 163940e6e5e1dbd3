package dev

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"paddock/internal/config"
	"paddock/internal/keeper"
)

// Options are what `paddock dev` was started with.
type Options struct {
	Dir     string   // the project
	Command []string // to run instead of what is found; nil: none
	Port    int      // on localhost; 0: DefaultPort, or the next one that is free
	Version string
	Out     io.Writer // the log
	Colours bool
}

// ErrNotServed is a project that cannot be run as it is: nothing was found, or
// something is not installed.
var ErrNotServed = errors.New("nothing to serve")

// notServed marks an error as ErrNotServed without changing its words.
type notServed struct{ error }

func (notServed) Is(target error) bool { return target == ErrNotServed }

// Run serves the project until it is told to stop, and leaves nothing behind.
func Run(o Options) error {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return err
	}
	plan, err := Detect(dir, o.Command)
	if err != nil {
		return notServed{err}
	}
	port, listen, err := choosePort(o.Port)
	if err != nil {
		return err
	}
	p, err := makePlace(port)
	if err != nil {
		return err
	}
	r := &runner{opts: o, plan: plan, place: p, port: port, print: newPrinter(o.Out, o.Colours)}
	return errors.Join(r.run(listen), p.remove())
}

// runner is one `paddock dev`.
type runner struct {
	opts  Options
	plan  Plan
	place *place
	port  int
	print *printer
}

func (r *runner) run(listen []string) error {
	r.banner()
	if err := r.place.install(&r.plan); err != nil {
		return fmt.Errorf("install the helper: %w", err)
	}
	c, err := configuration(r.plan, r.place, listen)
	if err != nil {
		return err
	}
	w, err := openWatcher(r.plan.Dir, func(err error) { r.print.warn("some changes will not be seen: %v", err) })
	if err != nil {
		return err
	}
	defer w.close()
	return r.keep(c, w)
}

// keep runs the keeper with the log's two sources beside it.
func (r *runner) keep(c *config.Config, w *watcher) error {
	output, err := r.place.fifo("output")
	if err != nil {
		return err
	}
	requests, err := r.place.fifo("requests")
	if err != nil {
		output.read.Close()
		output.hold.Close()
		return err
	}
	var readers sync.WaitGroup
	readers.Go(func() { copyLines(output.read, r.print.line) })
	readers.Go(func() { copyLines(requests.read, r.print.request) })
	s := newSession(r.print, r.plan, r.port, w)
	err = keeper.Run(c, keeper.Options{Version: r.opts.Version, Out: io.Discard, Session: &keeper.Session{Event: s.event, Attend: s.attend}})
	// The keeper has closed its ends: with ours the readers come to the end.
	for _, f := range []*fifo{output, requests} {
		f.hold.Close()
	}
	readers.Wait()
	for _, f := range []*fifo{output, requests} {
		f.read.Close()
	}
	if err == nil {
		r.print.say("stopped")
	}
	return err
}

// banner says what was chosen, and how to choose otherwise.
func (r *runner) banner() {
	r.fact("found", r.plan.Found)
	r.fact("runs", shown(r.plan.Command))
	if r.plan.Venv != "" {
		r.fact("virtualenv", r.plan.Venv)
	}
	if r.plan.Note != "" {
		r.fact("note", r.plan.Note)
	}
	if len(r.opts.Command) == 0 {
		r.fact("otherwise", "paddock dev -- gunicorn other:app")
	}
	if isFile(filepath.Join(r.plan.Dir, "paddock.toml")) {
		r.fact("note", "paddock.toml is not read by dev; paddock run serves it")
	}
	if r.opts.Port == 0 && r.port != DefaultPort {
		r.fact("port", fmt.Sprintf("%d is taken, %d is used; --port chooses", DefaultPort, r.port))
	}
}

func (r *runner) fact(name, text string) { r.print.say("%-10s %s", name, text) }

// ColoursOn reports whether a log to f may be coloured: f is a terminal that knows
// colours, and NO_COLOR is not set (https://no-color.org).
func ColoursOn(f *os.File, getenv func(string) string) bool {
	return f != nil && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}
