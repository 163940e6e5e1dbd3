package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Why a command cannot be run. Supervisor's faults stand behind them.
var (
	ErrNoFile        = errors.New("no such file")           // NO_FILE
	ErrNotExecutable = errors.New("file is not executable") // NOT_EXECUTABLE
)

// commandError has Supervisor's words, and is one of the errors above.
type commandError struct {
	text string
	is   error
}

func (e commandError) Error() string { return e.text }
func (e commandError) Unwrap() error { return e.is }

// findCommand returns the absolute path of a program as the child would find it: a
// name with a slash is relative to directory, any other is looked for on path. It
// is checked before the fork, for an error that says what is wrong.
// Source of the texts: Supervisor, options.py check_execv_args.
func findCommand(name, path, directory string) (string, error) {
	if strings.Contains(name, "/") {
		file := within(directory, name)
		return file, checkCommand(name, file)
	}
	var found error
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(within(directory, dir), name)
		err := checkCommand(file, file)
		if err == nil {
			return file, nil
		}
		if found == nil && !errors.Is(err, ErrNoFile) {
			found = err
		}
	}
	if found != nil {
		return "", found
	}
	return "", commandError{fmt.Sprintf("can't find command '%s'", name), ErrNoFile}
}

func checkCommand(name, file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return commandError{fmt.Sprintf("can't find command '%s'", name), ErrNoFile}
	case info.IsDir():
		return commandError{fmt.Sprintf("command at '%s' is a directory", name), ErrNotExecutable}
	case info.Mode().Perm()&0o111 == 0:
		return commandError{fmt.Sprintf("command at '%s' is not executable", name), ErrNotExecutable}
	case unix.Access(file, unix.X_OK) != nil:
		return commandError{fmt.Sprintf("no permission to run command '%s'", name), ErrNotExecutable}
	}
	return nil
}

func within(directory, path string) string {
	if filepath.IsAbs(path) || directory == "" {
		return path
	}
	return filepath.Join(directory, path)
}
