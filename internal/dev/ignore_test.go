package dev

import (
	"path/filepath"
	"testing"
)

func TestOnlyFilesOfTheAppMakeARestart(t *testing.T) {
	for name, want := range map[string]bool{
		"app.py": true, "templates/a.html": true, "pyproject.toml": true, "a.jinja2": true, ".env": true, ".env.local": true, ".flaskenv": true, "local.env": true,
		"app.pyc": false, "app.py~": false, ".app.py.swp": false, ".app.py.swx": false, "#app.py#": false, ".#app.py": false, "4913": false,
		".env.swp": false, ".env~": false, "db.sqlite3": false, "style.css": false, "app.js": false, "README": false, "app.py.tmp": false, ".hidden.py": false,
	} {
		if got := watchedFile(filepath.Join("project", name)); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestFoldersThatHoldNoCodeOfTheProjectAreLeftOut(t *testing.T) {
	dir := tree(t, map[string]string{
		"env/bin/python": "", "myenv/pyvenv.cfg": "", "venv/readme.py": "", "bin/python.py": "", "app/x.py": "", ".git/x": "", "__pycache__/x": "",
		"node_modules/x": "", "var/x": "", ".venv/x": "", ".tox/x": "",
	})
	for name, want := range map[string]bool{
		"app": true, "bin": true, "venv": true, // a folder of that name that is no virtualenv
		"env": false, "myenv": false, ".git": false, "__pycache__": false, "node_modules": false, "var": false, ".venv": false, ".tox": false,
	} {
		if got := watchedFolder(filepath.Join(dir, name)); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
