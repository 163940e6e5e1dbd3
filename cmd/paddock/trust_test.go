package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

const rootPEM = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n"

// trustRig is a configuration with a local authority, and a machine's place for
// authorities that counts how often it is refreshed.
func trustRig(t *testing.T) (p *program, stores []trustStore, root, refreshed string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir) // no browser's store
	for path, text := range map[string]string{
		"paddock.toml": "[paddock]\nstate_dir = \"state\"\nrun_dir = \"run\"\nlog_dir = \"log\"\n\n[[server]]\nlisten = \"8443 ssl\"\nserver_name = \"a.test\"\ntls = \"internal\"\nreturn = \"200\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"state/certificates/internal", "anchors"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	refreshed = filepath.Join(dir, "refreshed")
	stores = []trustStore{
		{filepath.Join(dir, "not there"), "x.crt", []string{"false"}},
		{filepath.Join(dir, "anchors"), rootName + ".crt", []string{"sh", "-c", "echo x >> " + refreshed}},
	}
	out := &bytes.Buffer{}
	return &program{config: filepath.Join(dir, "paddock.toml"), stdout: out, stderr: out}, stores, filepath.Join(dir, "state/certificates/internal/root.crt"), refreshed
}

func TestTrustTellsTheMachineAndTakesItBack(t *testing.T) {
	p, stores, root, refreshed := trustRig(t)
	if err := p.trustRoot(stores); err == nil {
		t.Error("an authority that is not there was made known")
	}
	if err := os.WriteFile(root, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.trustRoot(stores); err == nil {
		t.Error("what is no certificate was made known")
	}
	if err := os.WriteFile(root, []byte(rootPEM), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.trustRoot(stores); err != nil {
		t.Fatal(err)
	}
	anchor := filepath.Join(stores[1].folder, stores[1].file)
	if got, err := os.ReadFile(anchor); err != nil || string(got) != rootPEM {
		t.Errorf("the machine has %q, %v", got, err)
	}
	if err := p.forgetRoot(stores); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(anchor); err == nil {
		t.Error("the machine has it still")
	}
	if got, _ := os.ReadFile(refreshed); string(got) != "x\nx\n" {
		t.Errorf("refreshed %q; want twice", got)
	}
	if err := p.forgetRoot(stores); err != nil {
		t.Errorf("taking back what is not there: %v", err)
	}
	if err := p.trustRoot(stores[:1]); err == nil {
		t.Error("a machine without a place for authorities was told")
	}
}
