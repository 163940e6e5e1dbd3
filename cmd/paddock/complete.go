package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

// completionTimeout is how long a person who pressed TAB waits for the daemon.
const completionTimeout = time.Second

// completeNames completes the names of apps and programs, and extra words, from the
// argument with the index first on.
func (p *program) completeNames(first int, extra ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) < first {
			return []string{"HUP", "INT", "TERM", "QUIT", "USR1", "USR2", "KILL"}, cobra.ShellCompDirectiveNoFileComp
		}
		names := extra
		if client, err := p.daemon(); err == nil {
			ctx, cancel := context.WithTimeout(context.Background(), completionTimeout)
			defer cancel()
			s, _ := client.Status(ctx) // not running: nothing to offer
			for _, a := range s.Apps {
				names = append(names, a.Name)
			}
			for _, q := range s.Programs {
				names = append(names, q.Name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
