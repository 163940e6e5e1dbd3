package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
)

// rootName is what the local authority is called in the places of other programs.
const rootName = "paddock-local-authority"

// trustStore is where a distribution keeps the authorities that it was told of.
type trustStore struct {
	folder  string
	file    string
	refresh []string
}

// trustStores are those of Debian and its kind, Fedora and its kind, and Arch.
var trustStores = []trustStore{
	{"/usr/local/share/ca-certificates", rootName + ".crt", []string{"update-ca-certificates"}},
	{"/etc/pki/ca-trust/source/anchors", rootName + ".pem", []string{"update-ca-trust", "extract"}},
	{"/etc/ca-certificates/trust-source/anchors", rootName + ".crt", []string{"trust", "extract-compat"}},
}

func (p *program) trust() *cobra.Command {
	remove := false
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Make the authority of tls = \"internal\" known to this machine",
		Long: `Make the authority of tls = "internal" known to this machine, so that browsers and
clients here accept its certificates; --remove takes it back. It needs root. Browsers with
stores of their own (Firefox, Chromium) are told through certutil for the user that runs
the command, where that is installed. The certificate itself is printed with its path:
other machines of an intranet have to be given it.`,
		Args: arguments(noArguments),
		RunE: func(*cobra.Command, []string) error {
			if remove {
				return p.forgetRoot(trustStores)
			}
			return p.trustRoot(trustStores)
		},
	}
	cmd.Flags().BoolVar(&remove, "remove", false, "take it back")
	return cmd
}

var errNoStore = errors.New("no place for authorities was found on this machine; expected ca-certificates (Debian), ca-trust (Fedora) or p11-kit (Arch)")

func (p *program) trustRoot(stores []trustStore) error {
	c, err := p.load()
	if err != nil {
		return err
	}
	path := c.LocalRoot()
	root, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf(`%s is not there yet: it is made when a site with tls = "internal" is first served`, path)
	}
	if err != nil {
		return err
	}
	if block, _ := pem.Decode(root); block == nil || block.Type != "CERTIFICATE" {
		return fmt.Errorf("%s holds no certificate", path)
	}
	for _, s := range stores {
		if info, err := os.Stat(s.folder); err != nil || !info.IsDir() {
			continue
		}
		if err := os.WriteFile(filepath.Join(s.folder, s.file), root, 0o644); err != nil {
			return fmt.Errorf("%w; run the command as root", err)
		}
		if err := runCommand(s.refresh); err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "%s is known to this machine\n", path)
		p.browsers("-A", "-t", "C,,", "-n", rootName, "-i", path)
		return nil
	}
	return errNoStore
}

func (p *program) forgetRoot(stores []trustStore) error {
	for _, s := range stores {
		path := filepath.Join(s.folder, s.file)
		err := os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := runCommand(s.refresh); err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "%s is removed\n", path)
	}
	p.browsers("-D", "-n", rootName)
	return nil
}

func runCommand(command []string) error {
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", command[0], err, out)
	}
	return nil
}

// browsers changes the stores that browsers keep for a user. None is no failure: the
// machine's own store is what was asked for.
func (p *program) browsers(args ...string) {
	certutil, err := exec.LookPath("certutil")
	if err != nil {
		return
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return
	}
	stores, _ := filepath.Glob(filepath.Join(home, ".mozilla/firefox/*/cert9.db")) // the pattern is good
	stores = append(stores, filepath.Join(home, ".pki/nssdb/cert9.db"))
	for _, s := range stores {
		if _, err := os.Stat(s); err != nil {
			continue
		}
		if out, err := exec.Command(certutil, append([]string{"-d", "sql:" + filepath.Dir(s)}, args...)...).CombinedOutput(); err != nil {
			fmt.Fprintf(p.stderr, "%s: %v: %s\n", filepath.Dir(s), err, out)
		}
	}
}
