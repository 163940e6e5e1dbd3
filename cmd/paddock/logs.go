package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"paddock/internal/control"
)

// accessName is what `logs` calls the access logs.
const accessName = "access"

// logOptions are the flags of `logs`.
type logOptions struct {
	follow     bool
	timestamps bool
	lines      int
}

func (p *program) logs() *cobra.Command {
	var o logOptions
	cmd := &cobra.Command{
		Use:   "logs [-f] [NAME…]",
		Short: "Show the last lines of apps, programs and the access log, and follow them",
		Long: `Show the last lines that apps and programs have written; "access" is the access log.
Without a name: every app and program. With -f, lines are shown as they come, across
rotation. More than one log is told apart by a prefix, in colours on a terminal.`,
		ValidArgsFunction: p.completeNames(0, accessName),

		RunE: func(_ *cobra.Command, args []string) error { return p.showLogs(args, o) },
	}
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "show lines as they come")
	cmd.Flags().BoolVarP(&o.timestamps, "timestamps", "t", false, "with -f: begin each new line with the time at which it came")
	cmd.Flags().IntVarP(&o.lines, "lines", "n", 10, "how many `LINES` of the past to show of each log")
	return cmd
}

func (p *program) showLogs(names []string, o logOptions) error {
	if o.timestamps && !o.follow {
		return usageError{errors.New("--timestamps goes with --follow: nobody knows when the lines of the past came")}
	}
	if o.lines < 0 {
		return usageError{fmt.Errorf("--lines %d; expected 0 or more", o.lines)}
	}
	client, err := p.daemon()
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	s, err := client.Status(ctx)
	if err != nil {
		return err
	}
	sources, err := chosen(s, names)
	if err != nil {
		return err
	}
	out := &logPrinter{w: p.stdout, colour: p.colours(), timestamps: o.timestamps, prefix: prefixes(sources)}
	tails, err := openTails(sources, o.lines, out)
	defer closeTails(tails)
	if err != nil || !o.follow {
		return err
	}
	return follow(ctx, tails, out)
}

// logSource is one file to show.
type logSource struct{ name, path string }

// chosen returns the files of the names, or of everything that runs.
func chosen(s control.Status, names []string) ([]logSource, error) {
	known := map[string][]string{}
	var order []string
	add := func(name string, paths []string) {
		known[name] = paths
		order = append(order, name)
	}
	for _, a := range s.Apps {
		add(a.Name, a.Logs)
	}
	for _, p := range s.Programs {
		add(p.Name, p.Logs)
	}
	var access []string
	for _, l := range s.Logs {
		access = append(access, l.Path)
	}
	if len(names) == 0 {
		names = order
	}
	known[accessName] = access
	var out []logSource
	for _, name := range names {
		paths, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("%s: no such process; known are %s", name, list(order))
		}
		for _, path := range paths {
			if source := (logSource{name, path}); isFile(path) && !slices.Contains(out, source) {
				out = append(out, source)
			}
		}
	}
	if len(out) == 0 {
		return nil, errors.New("none of them writes to a file")
	}
	return out, nil
}

func list(names []string) string {
	var text strings.Builder
	for _, n := range names {
		text.WriteString(n + ", ")
	}
	return text.String() + accessName
}

// isFile tells a path from "stdout", "/dev/stdout" and the like.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err != nil && path != "stdout" && path != "stderr" || err == nil && info.Mode().IsRegular()
}

// prefixes returns what each name's lines begin with: nothing when there is one name.
func prefixes(sources []logSource) map[string]string {
	width, names := 0, map[string]string{}
	for _, s := range sources {
		width = max(width, len(s.name))
		names[s.name] = ""
	}
	if len(names) == 1 {
		return names
	}
	for name := range names {
		names[name] = fmt.Sprintf("%-*s | ", width, name)
	}
	return names
}

// colours reports whether standard output is a terminal that wants them
// (https://no-color.org).
func (p *program) colours() bool {
	f, ok := p.stdout.(*os.File)
	return ok && terminal(f) != nil && os.Getenv("NO_COLOR") == ""
}

// openTails prints the last lines of each file and leaves it open at its end. A file
// that is not there yet has no lines.
func openTails(sources []logSource, lines int, out *logPrinter) ([]*tail, error) {
	var tails []*tail
	for _, s := range sources {
		t := &tail{source: s}
		tails = append(tails, t)
		if err := t.open(); err != nil {
			return tails, err
		}
		last, err := t.last(lines)
		if err != nil && !errors.Is(err, io.EOF) {
			return tails, err
		}
		for _, line := range last {
			out.past(s.name, line)
		}
	}
	return tails, nil
}

func closeTails(tails []*tail) {
	for _, t := range tails {
		t.close()
	}
}
