package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"paddock/internal/config"
	"paddock/internal/control"
)

// Exit codes: 2 for a command line or a configuration that is wrong, 1 for a run
// that failed.
const (
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a mistake on the command line.
type usageError struct{ error }

// program is what the subcommands share.
type program struct {
	config string // -c
	socket string // --socket
	stdout io.Writer
	stderr io.Writer
}

// execute runs one command line and returns its exit code.
func execute(args []string, stdout, stderr io.Writer) int {
	p := &program{stdout: stdout, stderr: stderr}
	root := p.root()
	root.SetArgs(args)
	err := root.Execute()
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "paddock: %v\n", err)
	var usage usageError
	var wrong *config.Error
	var refused *control.Error
	switch {
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "`paddock --help` lists the commands and their options.")
		return exitUsage
	case errors.As(err, &wrong), errors.As(err, &refused) && wrongAsked(refused.Status):
		return exitUsage
	}
	return exitFailed
}

// wrongAsked reports whether the daemon's answer blames the command line or the
// configuration.
func wrongAsked(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusUnprocessableEntity
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "paddock",
		Short: "Serves and supervises Python web apps: nginx, Supervisor, certbot and logrotate in one",
		Long: `Paddock spawns and restarts a web app, holds its socket, reverse-proxies HTTP to it
and writes access logs as nginx does. One TOML file says what to do; the commands
below talk to the daemon that runs with it.`,
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:       buildVersion(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("paddock {{.Version}}\n")
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().StringVarP(&p.config, "config", "c", "", "configuration `FILE` (default ./paddock.toml, then /etc/paddock/paddock.toml)")
	root.PersistentFlags().StringVar(&p.socket, "socket", "", "control socket `PATH` of the daemon, instead of the one that the configuration names")
	root.AddCommand(p.run(), p.check(), p.deploy(), p.reload(), p.status(), p.version(), p.proxy(), p.dev())
	root.AddCommand(
		p.processCommand(control.ActionStart, "started", "Start apps and programs and wait until they run"),
		p.processCommand(control.ActionStop, "stopped", "Stop apps and programs and wait until they have"),
		p.processCommand(control.ActionRestart, "started", "Stop and start; requests of an app wait. New code without a gap: deploy"),
		p.signal(), p.logs(), p.reopen(), p.man(), p.cert(), p.trust(),
	)
	return root
}

// unknownCommand turns a word that is no command into a usage error.
func unknownCommand(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unknown command %q", args[0])}
	}
	return nil
}

// noArguments refuses any word after the command.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("it takes no arguments, but got %q", args[0])
	}
	return nil
}

// arguments wraps a check of the arguments so that its failure is a usage error.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%s: %w; usage: %s", cmd.Name(), err, cmd.UseLine())}
		}
		return nil
	}
}

// load finds, reads and checks the configuration.
func (p *program) load() (*config.Config, error) {
	path, err := config.Find(p.config)
	if err != nil {
		return nil, usageError{err}
	}
	c, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// daemon is a client of the daemon that runs with the configuration.
func (p *program) daemon() (*control.Client, error) {
	if p.socket != "" {
		return control.Dial(p.socket), nil
	}
	path, err := config.Find(p.config)
	if err != nil {
		return nil, usageError{err}
	}
	// A file that is being edited must not keep its owner from the daemon.
	socket, err := config.ControlSocket(path)
	if err != nil {
		return nil, usageError{fmt.Errorf("%w; name the file with -c, or the daemon's socket with --socket", err)}
	}
	return control.Dial(socket), nil
}

// terminal returns f when it is a terminal, else nil.
func terminal(f *os.File) *os.File {
	if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err != nil {
		return nil // a file, a pipe, or a device such as /dev/null
	}
	return f
}
