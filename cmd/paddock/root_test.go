package main

import (
	"os"
	"testing"
)

// Under systemd and cron the output is /dev/null, a device that is no terminal: lines
// written there one by one cost as much as the requests they are about.
func TestNullDeviceIsNoTerminal(t *testing.T) {
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if terminal(f) != nil {
		t.Error("/dev/null passes for a terminal")
	}
}
