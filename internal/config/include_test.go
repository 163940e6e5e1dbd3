package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestIncludedFilesMergeInTheOrderOfTheirNames(t *testing.T) {
	c, problems := loadFiles(t, fakeHost(t, 0), map[string]string{
		"main.toml":       "include = ['conf.d/*.toml', 'extra.toml', 'none.d/*']\n" + smallest + "[log]\nlevel = 'warn'\n",
		"extra.toml":      "[log]\nformat = 'json'\n[paddock]\nrun_dir = 'run'\n",
		"conf.d/b.toml":   "[[server]]\nlisten = '82'\napp = 'blog'\n",
		"conf.d/a.toml":   "[app.blog]\ncommand = 'x'\n[[server]]\nlisten = '81'\napp = 'blog'\n",
		"conf.d/.c.toml":  "not TOML",
		"conf.d/d.toml~":  "not TOML",
		"conf.d/sub/file": "not TOML",
	})
	if problems != nil {
		t.Fatal(problems)
	}
	dir := filepath.Dir(c.File)
	var listens, files []string
	for _, s := range c.Servers {
		listens = append(listens, s.Listen[0].Text)
	}
	for _, f := range c.Files {
		files = append(files, strings.TrimPrefix(f, dir+"/"))
	}
	if want := []string{"8080", "81", "82"}; !slices.Equal(listens, want) {
		t.Errorf("servers %q, want %q", listens, want)
	}
	if want := []string{"main.toml", "conf.d/a.toml", "conf.d/b.toml", "extra.toml"}; !slices.Equal(files, want) {
		t.Errorf("files %q, want %q", files, want)
	}
	if c.Log != (Log{Level: "warn", Format: "json"}) || c.Paddock.RunDir != filepath.Join(dir, "run") {
		t.Errorf("log %+v, paddock %+v", c.Log, c.Paddock)
	}
	if got, want := c.Apps["blog"].Directory, filepath.Join(dir, "conf.d"); got != want {
		t.Errorf("directory %s, want the folder of the file that has the app, %s", got, want)
	}
}

func TestProblemOfIncludedFileNamesThatFile(t *testing.T) {
	_, got := loadFiles(t, fakeHost(t, 0), map[string]string{
		"main.toml":     "include = ['conf.d/*.toml']\n" + smallest + "[log]\nlevel = 'info'\n[program.p]\ncommand = 'x'\n",
		"conf.d/a.toml": "include = []\n[app.web]\ncommand = 'y'\n[log]\nlevel = 'warn'\n[upstream.p]\nserver = '127.0.0.1:81'\nqueue_size = 'x'\n",
		"conf.d/b.toml": "[[server]]\nlisten = '81'\napp = 'web'\n[[server]]\nlisten = '82'\napp = 'gone'\nlocatoin = 1\n[program.p]\ncommand = 'x'\ndirectory='/nowhere'\n",
	})
	want := []string{
		"conf.d/a.toml:1: include: only the main file may include others",
		"conf.d/a.toml:2: app.web: defined twice; first defined in main.toml:2",
		"conf.d/a.toml:5: log.level: set twice; first set in main.toml:9",
		"conf.d/a.toml:8: upstream.p.queue_size: expected a whole number, got a string",
		"conf.d/b.toml:6: server[1].app: unknown app",
		"conf.d/b.toml:7: server[1].locatoin: unknown key; did you mean location?",
		"conf.d/b.toml:8: program.p: defined twice; first defined in main.toml:10",
	}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestIncludeThatCannotBeFollowedIsReported(t *testing.T) {
	many := map[string]string{}
	for i := range maxFiles {
		many[fmt.Sprintf("many/%d.toml", i)] = ""
	}
	many["main.toml"] = "include = [\n'gone.toml',\n'gone.d/*.toml',\n'[',\n'many',\n'main.toml',\n'many/*']\n" + smallest
	_, got := loadFiles(t, fakeHost(t, 0), many)
	want := []string{
		`main.toml:2: include[0]: "gone.toml" does not exist; expected a file, or a pattern, which may match none`,
		`main.toml:4: include[2]: "[" is no pattern; expected one such as "conf.d/*.toml"`,
		`main.toml:7: include[5]: more than 100 files; expected a pattern that matches fewer`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// What a file that does not parse may define is not called missing.
func TestBrokenIncludeHidesNoOtherProblem(t *testing.T) {
	_, got := loadFiles(t, fakeHost(t, 0), map[string]string{
		"main.toml":     "include = ['conf.d/*.toml', 'folder']\nfoo = 1\n[[server]]\nlisten = '80'\napp = 'blog'\n",
		"conf.d/a.toml": "[app.blog]\ncommand = \n",
		"folder/x":      "",
	})
	want := []string{"main.toml:2: foo: unknown key", "conf.d/a.toml:2: expected value", "folder: cannot be read: it is no regular file"}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestIncludeIsRelativeToTheFileWhateverTheFolderIsCalled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a[b]*")
	write(t, filepath.Join(dir, "main.toml"), "include = ['*.toml']\n")
	write(t, filepath.Join(dir, "other.toml"), "[log]\nlevel = 1\n")
	t.Chdir(filepath.Dir(dir))
	_, err := load("a[b]*/main.toml", fakeHost(t, 0))
	if want := "a[b]*/other.toml:2: log.level: expected a string in quotes, got a number"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
