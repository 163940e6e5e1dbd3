package keeper

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

const pidFileMode = 0o644

// pidFile is a file with the keeper's pid. The zero value is none.
type pidFile struct{ path string }

// writePidFile writes the pid of this process; an empty path is no file.
func writePidFile(path string) (pidFile, error) {
	if path == "" {
		return pidFile{}, nil
	}
	if err := writeAtomic(path, fmt.Appendln(nil, os.Getpid()), pidFileMode); err != nil {
		return pidFile{}, fmt.Errorf("pid file: %w", err)
	}
	return pidFile{path}, nil
}

// remove removes the file, unless another process has written its own pid there.
func (f pidFile) remove() {
	if f.path == "" {
		return
	}
	text, err := os.ReadFile(f.path)
	if err == nil && strings.TrimSpace(string(text)) == strconv.Itoa(os.Getpid()) {
		_ = os.Remove(f.path)
	}
}
