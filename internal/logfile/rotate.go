package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Rotate renames path to path.1, path.1 to path.2 and so on up to path.N with N =
// backups; the oldest is lost. Missing files are passed over. The file itself is
// not made anew. Backups must be 1 or more. Source: Supervisor, doRollover.
func Rotate(path string, backups int) error {
	for i := backups - 1; i >= 0; i-- {
		err := os.Rename(backup(path, i), backup(path, i+1))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("rotate log %s: %w", path, err)
		}
	}
	return nil
}

func backup(path string, i int) string {
	if i == 0 {
		return path
	}
	return fmt.Sprintf("%s.%d", path, i)
}
