package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"paddock/internal/config"
	"paddock/internal/keeper"
)

func (p *program) run() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the daemon in the foreground",
		Long: `Run the daemon in the foreground until it is told to stop.

TERM and INT stop gracefully, a second one at once; QUIT stops gracefully; HUP
reloads the configuration; USR1 reopens the logs.`,
		Args: arguments(noArguments),
		RunE: func(*cobra.Command, []string) error {
			c, err := p.load()
			if err != nil {
				return err
			}
			return keeper.Run(c, keeper.Options{Version: buildVersion(), Terminal: terminal(os.Stdout), Out: p.stdout})
		},
	}
}

func (p *program) check() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and say all that is wrong with it",
		Args:  arguments(noArguments),
		RunE: func(*cobra.Command, []string) error {
			c, err := p.load()
			var wrong *config.Error
			if errors.As(err, &wrong) {
				return fmt.Errorf("the configuration has %s:\n%w", count(len(wrong.Problems()), "error"), err)
			}
			if err != nil {
				return err
			}
			for _, w := range c.Warnings() {
				fmt.Fprintf(p.stderr, "warning: %s\n", w)
			}
			fmt.Fprintf(p.stdout, "%s: the configuration is right\n", c.File)
			return nil
		},
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
