// Command bench compares Paddock with Debian's nginx: `make bench`.
//
// Both proxy to the same cheap app on a unix socket. Each workload runs in rounds that
// take turns, nginx first, and what counts is the CPU time (user and system, all
// processes of a proxy) for each request. Everything listens on loopback or in a
// temporary folder and is stopped at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// longest bounds a whole run.
const longest = time.Hour

func main() {
	if len(os.Args) == 3 && os.Args[1] == "app" {
		fail(serveApp(os.Args[2], os.Stdin))
		return
	}
	o := options{}
	flag.IntVar(&o.rounds, "rounds", 5, "rounds of each workload, 1 to 100")
	flag.IntVar(&o.secs, "secs", 2, "seconds of each round, 1 to 60")
	flag.StringVar(&o.workloads, "workloads", "", "the workloads, with commas between them (default: all)")
	flag.StringVar(&o.paddock, "paddock", "bin/paddock", "the binary that is measured")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	fail(run(ctx, o, os.Stdout))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run starts the app and the proxies, measures and stops them.
func run(ctx context.Context, o options, out io.Writer) error {
	chosen, err := o.choose()
	if err != nil {
		return err
	}
	l, err := newLab(ctx, o.paddock)
	if err != nil {
		return err
	}
	defer l.close()
	if err := l.start(ctx, l.proxies()); err != nil {
		return err
	}
	header(out, o)
	compared := compare(ctx, l, o, chosen.loads, out)
	if chosen.firstByte {
		if err := firstBytes(ctx, l, out); err != nil {
			return errors.Join(compared, err)
		}
	}
	l.stop()
	if chosen.idle {
		if err := idleMemory(ctx, l, out); err != nil {
			return errors.Join(compared, err)
		}
	}
	return errors.Join(compared, configurations(l, out))
}
