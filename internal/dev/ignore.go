package dev

import (
	"path/filepath"
	"slices"
	"strings"
)

// watchedEndings are the files whose change makes a restart.
var watchedEndings = []string{".py", ".html", ".htm", ".jinja", ".jinja2", ".j2", ".toml", ".env"}

// ignoredFolders hold no code of the project. Folders that begin with a dot (.git,
// .venv, .tox) and virtualenvs of any name are left out as well; var is where
// Paddock's examples keep their files.
var ignoredFolders = []string{"__pycache__", "node_modules", "var", "site-packages"}

// watchedFile reports whether a change of the file is one of the app. Editors' own
// files (.app.py.swp, #app.py#, .#app.py, app.py~, 4913) are none.
func watchedFile(path string) bool {
	name := filepath.Base(path)
	if name == ".env" || name == ".flaskenv" || strings.HasPrefix(name, ".env.") {
		return !strings.HasSuffix(name, "~") && !strings.HasSuffix(name, ".swp")
	}
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") {
		return false
	}
	return slices.Contains(watchedEndings, filepath.Ext(name))
}

// watchedFolder reports whether a folder below the project is looked into.
func watchedFolder(path string) bool {
	name := filepath.Base(path)
	switch {
	case strings.HasPrefix(name, "."), slices.Contains(ignoredFolders, name):
		return false
	case isFile(filepath.Join(path, "pyvenv.cfg")), isVenv(path):
		return false
	}
	return true
}
