package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"paddock/internal/control"
)

// interruptible is a context that ends at Ctrl-C: only the waiting stops.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

// ask does something with the daemon; Ctrl-C ends the waiting.
func (p *program) ask(do func(context.Context, *control.Client) error) error {
	client, err := p.daemon()
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	return do(ctx, client)
}

func (p *program) deploy() *cobra.Command {
	return &cobra.Command{
		Use:   "deploy NAME",
		Short: "Start a new generation of an app, probe it, switch to it and stop the old one",
		Long: `Start a new generation of an app on a socket of its own. When it answers its health
probe, new requests go to it, the old generation finishes what it holds and is
stopped. When it does not, it is stopped, its last lines are shown, and the old
generation never stops serving.`,
		Args: arguments(cobra.ExactArgs(1)),

		ValidArgsFunction: p.completeNames(0),

		RunE: func(_ *cobra.Command, args []string) error {
			return p.ask(func(ctx context.Context, client *control.Client) error {
				if err := client.Deploy(ctx, args[0]); err != nil {
					return err
				}
				fmt.Fprintf(p.stdout, "%s: deployed\n", args[0])
				return nil
			})
		},
	}
}

func (p *program) reload() *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Make the daemon read its configuration anew",
		Long: `Make the daemon read its configuration anew. Connections, and apps and programs whose
section has not changed, go on; a changed app is deployed. A configuration that is
wrong, or that cannot be applied, changes nothing.`,
		Args: arguments(noArguments),
		RunE: func(*cobra.Command, []string) error {
			return p.ask(func(ctx context.Context, client *control.Client) error {
				if err := client.Reload(ctx); err != nil {
					return err
				}
				fmt.Fprintln(p.stdout, "reloaded")
				return nil
			})
		},
	}
}

func (p *program) status() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what runs",
		Args:  arguments(noArguments),
		RunE: func(*cobra.Command, []string) error {
			return p.ask(func(ctx context.Context, client *control.Client) error {
				s, err := client.Status(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					e := json.NewEncoder(p.stdout)
					e.SetIndent("", "  ")
					return e.Encode(s)
				}
				return printStatus(p.stdout, s)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}
