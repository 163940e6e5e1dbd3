package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var tomlBlock = regexp.MustCompile("(?ms)^```toml\n(.*?)^```")

// Every snippet that a reader may copy must load, but for the folders and users of
// the reader's machine.
func TestEverySnippetOfTheDocsLoads(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range append(files, "../../README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range tomlBlock.FindAllStringSubmatch(string(text), -1) {
			n++
			if problems := snippetProblems(t, m[1]); len(problems) > 0 {
				t.Errorf("%s:\n%s\n%s", name, m[1], strings.Join(problems, "\n"))
			}
		}
	}
	if n < 5 {
		t.Errorf("only %d snippets were found", n)
	}
}

// snippetProblems loads a snippet in a folder where what it names exists.
func snippetProblems(t *testing.T, text string) []string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"srv/hello/venv/bin", "srv/mysite/venv/bin", "srv/mysite/static"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "secrets.env"), "")
	text = strings.ReplaceAll(text, `"/srv/`, `"`+dir+`/srv/`)
	text = regexp.MustCompile(`(?m)^user = .*\n`).ReplaceAllString(text, "")
	_, problems := loadFiles(t, fakeHost(t, 0), map[string]string{"main.toml": strings.ReplaceAll(text, `"secrets.env"`, `"`+dir+`/secrets.env"`)})
	return problems
}
