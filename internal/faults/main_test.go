package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// paddock is the path of the binary under test. It is built with the race
// detector when the tests are.
var paddock string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "paddock-faults")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	paddock = filepath.Join(dir, "paddock")
	args := []string{"build", "-o", paddock}
	if raceEnabled {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "paddock/cmd/paddock")...)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building paddock:", err)
		return 1
	}
	return m.Run()
}
