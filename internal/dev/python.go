package dev

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// venvNames are where a project keeps its virtualenv.
var venvNames = []string{".venv", "venv", "env"}

// askTimeout bounds the question which packages a Python has. It imports none.
const askTimeout = 10 * time.Second

// machine is what detection asks of the machine, so that tests can be on another.
type machine struct {
	getenv   func(string) string
	lookPath func(string) (string, error)
	// packages returns which of the names the interpreter at path could import in dir.
	packages func(dir, path string, names ...string) (map[string]bool, error)
}

func thisMachine() machine {
	return machine{getenv: os.Getenv, lookPath: exec.LookPath, packages: askPackages}
}

// python is the interpreter that runs the app.
type python struct {
	venv string // folder of the virtualenv; "": there is none
	name string // as the command has it
	path string
}

// findPython looks for the virtualenv that is active, then for one beside the code,
// then for the machine's own Python.
func findPython(dir string, m machine) (python, error) {
	if active := m.getenv("VIRTUAL_ENV"); filepath.IsAbs(active) && isVenv(active) {
		return inVenv(active), nil
	}
	for _, name := range venvNames {
		if venv := filepath.Join(dir, name); isVenv(venv) {
			return inVenv(venv), nil
		}
	}
	for _, name := range []string{"python3", "python"} {
		if path, err := m.lookPath(name); err == nil {
			return python{name: name, path: path}, nil
		}
	}
	return python{}, fmt.Errorf("no Python: neither a virtualenv (%s) nor python3 on PATH", strings.Join(venvNames, ", "))
}

func isVenv(dir string) bool { return isFile(filepath.Join(dir, "bin", "python")) }

func inVenv(dir string) python {
	return python{venv: dir, name: "python", path: filepath.Join(dir, "bin", "python")}
}

// pip is what a person types to install a package.
func (p python) pip(name string) string {
	if p.venv != "" {
		return filepath.Join(p.venv, "bin", "pip") + " install " + name
	}
	return p.name + " -m pip install " + name
}

// askPackages asks a Python without importing any of them.
func askPackages(dir, path string, names ...string) (map[string]bool, error) {
	const question = "import importlib.util as u, sys\nprint(*[n for n in sys.argv[1:] if u.find_spec(n)])"
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{"-c", question}, names...)...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ask %s for its packages: %w", path, err)
	}
	has := map[string]bool{}
	for name := range strings.FieldsSeq(string(out)) {
		has[name] = true
	}
	return has, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
