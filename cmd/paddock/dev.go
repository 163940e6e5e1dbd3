package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"paddock/internal/dev"
)

const maxPort = 65535

func (p *program) dev() *cobra.Command {
	port := 0
	cmd := &cobra.Command{
		Use:   "dev [--port N] [--] [COMMAND...]",
		Short: "Serve the app in this folder while you work on it, without a configuration",
		Long: `Serve the app in this folder on http://localhost:8000 while you work on it. No
configuration is needed: a Django manage.py, or a Flask wsgi.py or app.py, and the
virtualenv beside it are found; it says what it chose. With COMMAND that is run.

The app is restarted when one of its Python, HTML, TOML or env files changes. Its
socket is kept meanwhile: a page that you reload waits for the new code. Ctrl-C
stops it and leaves nothing behind.`,
		Example: `  paddock dev
  paddock dev --port 5000
  paddock dev -- gunicorn other:app`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("port") && (port < 1 || port > maxPort) {
				return usageError{fmt.Errorf("--port %d is out of range; expected 1 to %d", port, maxPort)}
			}
			err := dev.Run(dev.Options{
				Dir: ".", Command: args, Port: port, Version: buildVersion(), Out: p.stdout,
				Colours: dev.ColoursOn(terminal(os.Stdout), os.Getenv),
			})
			if errors.Is(err, dev.ErrNotServed) {
				return usageError{err}
			}
			return err
		},
	}
	cmd.Flags().IntVarP(&port, "port", "p", 0, fmt.Sprintf("port `N` on localhost (default %d, or the next one that is free)", dev.DefaultPort))
	cmd.Flags().SetInterspersed(false) // what follows COMMAND is COMMAND's
	return cmd
}
