package dev

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const settingsVariable = "DJANGO_SETTINGS_MODULE"

var (
	settingsDefault = regexp.MustCompile(`["']` + settingsVariable + `["']\s*[,\]]\s*=?\s*["']([\w.]+)["']`)
	wsgiSetting     = regexp.MustCompile(`(?m)^WSGI_APPLICATION\s*=\s*["']([\w.]+)\.(\w+)["']`)
)

// findDjango reads manage.py for the settings module and that for the WSGI module. The
// environment's DJANGO_SETTINGS_MODULE wins, as it does in manage.py.
func findDjango(dir string, m machine) (finding, bool) {
	match := settingsDefault.FindStringSubmatch(readSource(filepath.Join(dir, "manage.py")))
	if match == nil {
		return finding{}, false
	}
	f := finding{what: "Django project in manage.py", django: true, settings: match[1]}
	if set := m.getenv(settingsVariable); set != "" {
		f.settings = set
	}
	f.object = djangoObject(dir, f.settings)
	f.what += " (settings " + f.settings + ")"
	return f, true
}

// djangoObject is the WSGI application that the settings name, or the wsgi.py nearest
// to them: settings are often split, with the name in another file.
func djangoObject(dir, settings string) string {
	for _, path := range modulePaths(dir, settings) {
		if m := wsgiSetting.FindStringSubmatch(readSource(path)); m != nil {
			return m[1] + ":" + m[2]
		}
	}
	for parts := strings.Split(settings, "."); len(parts) > 0; {
		parts = parts[:len(parts)-1]
		module := strings.Join(append(slices.Clone(parts), "wsgi"), ".")
		for _, path := range modulePaths(dir, module) {
			if object := scan(readSource(path)).wsgiObject(); object != "" {
				return module + ":" + object
			}
		}
	}
	return ""
}

// modulePaths are the files that a module may be in.
func modulePaths(dir, module string) []string {
	base := filepath.Join(append([]string{dir}, strings.Split(module, ".")...)...)
	return []string{base + ".py", filepath.Join(base, "__init__.py")}
}

// readSource reads the beginning of a source; "" when it cannot be read.
func readSource(path string) string {
	if !isFile(path) { // a named pipe would block
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSource))
	if err != nil {
		return ""
	}
	return string(text)
}
