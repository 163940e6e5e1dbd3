package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"paddock/internal/keeper"
	"paddock/internal/worker"
)

// linkDescriptor is where the keeper puts the link: the first descriptor after
// the standard ones.
const linkDescriptor = 3

// proxy is what the keeper starts; nobody types it.
func (p *program) proxy() *cobra.Command {
	var drain time.Duration
	var level, format string
	var console bool
	cmd := &cobra.Command{
		Use:    "proxy",
		Short:  "The proxy process (started by `paddock run`)",
		Hidden: true,
		Args:   arguments(noArguments),
		RunE: func(*cobra.Command, []string) error {
			// The end of the link says when to stop, and nothing else: a signal to
			// the whole group must not cut requests that the keeper lets finish. TTOU
			// would stop it at its first line on a terminal with `stty tostop`.
			signal.Ignore(syscall.SIGTTOU, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE)
			// What serves requests never waits for whoever reads this log.
			behind := keeper.LogBehind(os.Stderr)
			defer behind.Close()
			log, err := keeper.NewLog(behind, level, format)
			if err != nil {
				return usageError{err}
			}
			o := worker.Options{Link: linkDescriptor, Build: buildVersion(), Drain: drain, Log: log.Named("proxy")}
			if console {
				o.Console = os.Stdout
			}
			return worker.Run(o)
		},
	}
	cmd.Flags().DurationVar(&drain, "drain", 0, "how long requests in flight may take at the end")
	cmd.Flags().StringVar(&level, "log-level", "info", "level of the log")
	cmd.Flags().StringVar(&format, "log-format", "console", "format of the log")
	cmd.Flags().BoolVar(&console, "console", false, "access lines go to standard output too")
	return cmd
}
