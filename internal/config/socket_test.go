package config

import (
	"path/filepath"
	"testing"
)

func TestControlSocketIsFoundWhateverStateTheFileIsIn(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"[paddock]\nrun_dir = 'run'\n":                             "run/control.sock",
		"[log]\nlevel = 3\n[paddock]\nrun_dir = \"run\" # x\n":     "run/control.sock",
		"[paddock]\nuser = \n  run_dir = 'run'\n[app.web]\nb c":    "run/control.sock",
		"[other]\nrun_dir = 'wrong'\n[paddock]\nrun_dir='run'\n[[": "run/control.sock",
	} {
		path := filepath.Join(dir, "paddock.toml")
		write(t, path, text)
		if got, err := ControlSocket(path); err != nil || got != filepath.Join(dir, want) {
			t.Errorf("%q: got %s, %v; want %s", text, got, err, want)
		}
	}
	if got, err := ControlSocket(filepath.Join(dir, "none.toml")); err == nil {
		t.Errorf("without a file: %s", got)
	}
}
