package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"paddock/internal/control"
)

// errSome is the failure of a command whose lines have said why.
var errSome = errors.New("not everything that was asked for was done")

// processCommand makes start, stop and restart.
func (p *program) processCommand(action, done, short string) *cobra.Command {
	return &cobra.Command{
		Use:   action + " NAME… | all",
		Short: short,
		Args:  arguments(cobra.MinimumNArgs(1)),

		ValidArgsFunction: p.completeNames(0, control.All),
		RunE: func(_ *cobra.Command, args []string) error {
			return p.process(control.ProcessRequest{Action: action, Names: args}, done)
		},
	}
}

func (p *program) signal() *cobra.Command {
	return &cobra.Command{
		Use:   "signal SIGNAL NAME… | all",
		Short: "Send a signal to the process of an app or a program, not to its group",
		Args:  arguments(cobra.MinimumNArgs(2)),

		ValidArgsFunction: p.completeNames(1, control.All),
		RunE: func(_ *cobra.Command, args []string) error {
			return p.process(control.ProcessRequest{Action: control.ActionSignal, Signal: args[0], Names: args[1:]}, "signalled")
		},
	}
}

// process asks the daemon and prints a line a name, as supervisorctl does.
func (p *program) process(r control.ProcessRequest, done string) error {
	return p.ask(func(ctx context.Context, client *control.Client) error {
		results, err := client.Process(ctx, r)
		if err != nil {
			return err
		}
		return p.printResults(results, done)
	})
}

func (p *program) printResults(results []control.ProcessResult, done string) error {
	failed := false
	for _, result := range results {
		if result.Error == "" {
			fmt.Fprintf(p.stdout, "%s: %s\n", result.Name, done)
			continue
		}
		fmt.Fprintf(p.stdout, "%s: ERROR (%s)\n", result.Name, result.Error)
		failed = failed || !result.Harmless
	}
	if failed {
		return errSome
	}
	return nil
}

func (p *program) reopen() *cobra.Command {
	return &cobra.Command{
		Use:   "reopen",
		Short: "Open every log anew, after logrotate has moved them",
		Args:  arguments(noArguments),
		RunE: func(*cobra.Command, []string) error {
			return p.ask(func(ctx context.Context, client *control.Client) error {
				if err := client.Reopen(ctx); err != nil {
					return err
				}
				fmt.Fprintln(p.stdout, "reopened")
				return nil
			})
		},
	}
}
