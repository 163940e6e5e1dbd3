package main

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"paddock/internal/control"
)

// printStatus prints what runs as a table.
func printStatus(w io.Writer, s control.Status) error {
	fmt.Fprintf(w, "paddock %s, pid %d, up %s, %s\n", s.Version, s.Pid, since(s.Started), s.Config)
	if r := s.LastReload; !r.At.IsZero() && !r.OK {
		fmt.Fprintf(w, "the last reload failed at %s: %s\n", r.At.Local().Format(time.TimeOnly), r.Error)
	}
	for _, warning := range s.Warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "NAME\tKIND\tSTATE\tPID\tUPTIME\tMEMORY\tWORKERS\tGENERATION\tIN FLIGHT\tQUEUED")
	fmt.Fprintf(t, "proxy\tproxy\t%s\t%s\t%s\t%s\t\t\t\t\n", s.Proxy.State, pid(s.Proxy.Pid), uptime(s.Proxy.Pid, s.Proxy.Uptime), memory(s.Proxy.RSS))
	for _, a := range s.Apps {
		fmt.Fprintf(t, "%s\tapp\t%s\t%s\t%s\t%s\t%s\t%s\t%d of %d\t%d\n", a.Name, a.State, pid(a.Pid), uptime(a.Pid, a.Uptime),
			memory(a.RSS), workers(a), generation(a), a.InFlight, a.Limit, a.Queued)
	}
	for _, p := range s.Programs {
		fmt.Fprintf(t, "%s\tprogram\t%s\t%s\t%s\t%s\t\t\t\t\n", p.Name, p.State, pid(p.Pid), uptime(p.Pid, p.Uptime), memory(p.RSS))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, a := range s.Apps {
		printError(w, a.Name, a.LastError)
	}
	for _, p := range s.Programs {
		printError(w, p.Name, p.LastError)
	}
	for _, l := range s.Logs {
		if l.Dropped > 0 {
			fmt.Fprintf(w, "%s: %d lines dropped\n", l.Path, l.Dropped)
		}
	}
	return nil
}

// workers is how many processes the main one of an app, gunicorn's master, has started.
func workers(a control.App) string {
	if len(a.Workers) == 0 {
		return "-"
	}
	return strconv.Itoa(len(a.Workers))
}

// generation is the one that serves, and the one that is being deployed.
func generation(a control.App) string {
	if a.Deploying != 0 {
		return fmt.Sprintf("%d, deploying %d", a.Generation, a.Deploying)
	}
	return strconv.Itoa(a.Generation)
}

// memory prints bytes as people read them.
func memory(bytes uint64) string {
	const mib = 1 << 20
	switch {
	case bytes == 0:
		return "-"
	case bytes < 10*mib:
		return fmt.Sprintf("%.1f MB", float64(bytes)/mib)
	}
	return fmt.Sprintf("%d MB", bytes/mib)
}

func printError(w io.Writer, name, text string) {
	if text != "" {
		fmt.Fprintf(w, "%s: %s\n", name, text)
	}
}

func pid(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// uptime prints seconds as supervisorctl does: 0:01:02.
func uptime(pid int, seconds int64) string {
	if pid == 0 {
		return "-"
	}
	return clock(time.Duration(seconds) * time.Second)
}

func since(t time.Time) string { return clock(time.Since(t)) }

func clock(d time.Duration) string {
	s := int64(d / time.Second)
	days := ""
	switch n := s / 86400; {
	case n == 1:
		days = "1 day, "
	case n > 1:
		days = fmt.Sprintf("%d days, ", n)
	}
	return fmt.Sprintf("%s%d:%02d:%02d", days, s/3600%24, s/60%60, s%60)
}
