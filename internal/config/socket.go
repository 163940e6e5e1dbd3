package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"paddock/internal/value"
)

// controlName is the control socket's name in run_dir.
const controlName = "control.sock"

// maxSocketPath is what the kernel takes of a unix socket's path (sun_path less
// its NUL).
const maxSocketPath = 107

// checkSocketPaths wants a run_dir that leaves room for the control socket. The apps'
// sockets are bound and dialled by their folder, however long its path.
func (c *Config) checkSocketPaths(problems *value.Problems) {
	if n := len(c.ControlSocket()); n > maxSocketPath {
		problems.Addf("paddock.run_dir", "%d bytes are too many: with the control socket's name the path of a unix socket would have %d; expected at most %d in all", len(c.Paddock.RunDir), n, maxSocketPath)
	}
}

// ControlSocket returns the path of the control socket.
func (c *Config) ControlSocket() string { return filepath.Join(c.Paddock.RunDir, controlName) }

// runDirLine finds run_dir in a file that does not parse.
var runDirLine = regexp.MustCompile(`(?m)^\s*run_dir\s*=\s*(?:"([^"\\]*)"|'([^']*)')`)

// ControlSocket returns the path of the control socket of the daemon that runs
// with the file at path. The file need not be right: while it is being edited, its
// owner must be able to reach the daemon that still runs with the old one.
func ControlSocket(path string) (string, error) {
	if c, err := Load(path); err == nil {
		return c.ControlSocket(), nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var p Paddock
	if m := runDirLine.FindStringSubmatch(section(string(text), "[paddock]")); m != nil {
		abs, err := filepath.Abs(path)
		if err != nil {
			return "", err
		}
		p.RunDir = m[1] + m[2]
		absolute(&p.RunDir, filepath.Dir(abs))
	}
	var ignored value.Problems
	p.setDefaults(thisHost(), &ignored)
	return filepath.Join(p.RunDir, controlName), nil
}

// section returns the text between a header and the next one.
func section(text, header string) string {
	_, rest, _ := strings.Cut("\n"+text, "\n"+header)
	body, _, _ := strings.Cut(rest, "\n[")
	return body
}
