package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"paddock/internal/control"
)

func (p *program) cert() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cert",
		Short: "Show and renew certificates",
		Args:  unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.certList(), p.certRenew())
	return cmd
}

func (p *program) certList() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show every certificate: name, issuer, end, next renewal and why, last error",
		Args:  arguments(noArguments),
		RunE: func(*cobra.Command, []string) error {
			return p.ask(func(ctx context.Context, client *control.Client) error {
				all, err := client.Certificates(ctx)
				if err != nil {
					return err
				}
				if asJSON {
					e := json.NewEncoder(p.stdout)
					e.SetIndent("", "  ")
					return e.Encode(all)
				}
				return printCertificates(p.stdout, all, time.Now())
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print them as JSON")
	return cmd
}

func (p *program) certRenew() *cobra.Command {
	return &cobra.Command{
		Use:   "renew [NAME]",
		Short: "Renew a certificate now, or every one of tls = \"auto\" and \"internal\"",
		Long: `Renew a certificate now, whatever its age; without a name, every one that Paddock gets
by itself. Renewal needs no command: it happens in time. An authority counts each order
against its limits.`,
		Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return p.ask(func(ctx context.Context, client *control.Client) error {
				if err := client.Renew(ctx, name); err != nil {
					return err
				}
				fmt.Fprintf(p.stdout, "%s: renewed\n", cmp.Or(name, "all"))
				return nil
			})
		},
	}
}

func printCertificates(out io.Writer, all []control.Certificate, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tMODE\tISSUER\tENDS\tNEXT RENEWAL")
	for _, c := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", c.Name, c.Mode, cmp.Or(c.Issuer, "-"), moment(c.NotAfter, now), renewal(c, now))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, c := range all {
		if c.Error != "" {
			fmt.Fprintf(out, "%s: failed %d times; next try %s: %s\n", c.Name, c.Failed, moment(c.NextTry, now), printable(c.Error))
		}
	}
	return nil
}

// printable is a text of an authority, which may quote what a stranger's server has sent
// it, without what a terminal would obey.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// renewal says what happens next to a certificate.
func renewal(c control.Certificate, now time.Time) string {
	switch {
	case c.State != "":
		return c.State + " now"
	case c.RenewAt.IsZero():
		return "-"
	}
	return moment(c.RenewAt, now) + " (" + c.Why + ")"
}

// moment is a time with how far it is away.
func moment(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	text := t.UTC().Format("2006-01-02 15:04:05")
	switch left := t.Sub(now); {
	case left < 0:
		return text + " (over)"
	case left < 2*24*time.Hour:
		return fmt.Sprintf("%s (in %s)", text, left.Round(time.Second))
	default:
		return fmt.Sprintf("%s (in %d days)", text, int(left.Hours()/24))
	}
}
