package config

import (
	"path/filepath"
	"testing"
)

func TestFindTakesTheFirstFileThatExists(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first.toml"), filepath.Join(dir, "second.toml")
	candidates := []string{first, second}
	if got, err := find("", candidates); err == nil || err.Error() != "no configuration file: neither "+first+" nor "+second+" exists; name one with -c FILE" {
		t.Errorf("without a file: %q, %v", got, err)
	}
	write(t, second, "")
	if got, err := find("", candidates); got != second || err != nil {
		t.Errorf("with the second: %q, %v", got, err)
	}
	write(t, first, "")
	if got, err := find("", candidates); got != first || err != nil {
		t.Errorf("with both: %q, %v", got, err)
	}
	if got, err := find("named.toml", candidates); got != "named.toml" || err != nil {
		t.Errorf("with -c: %q, %v", got, err)
	}
}
