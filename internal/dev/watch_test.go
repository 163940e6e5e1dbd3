package dev

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// watched follows a project and returns what comes out.
func watched(t *testing.T, dir string) <-chan string {
	t.Helper()
	w, err := openWatcher(dir, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	changed, done := make(chan string), make(chan struct{})
	go func() {
		defer close(done)
		w.run(ctx, changed)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		w.close()
	})
	return changed
}

// expect waits until a path comes out. Others may come before, but none that is
// to be ignored: those are called x.py, or do not end in .py.
func expect(t *testing.T, changed <-chan string, want string) {
	t.Helper()
	for {
		select {
		case got := <-changed:
			if got == want {
				return
			}
			if filepath.Ext(got) != ".py" || strings.Contains(got, "x.py") {
				t.Errorf("%s came out", got)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("the change of %s was not seen", want)
		}
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestChangesComeOutAndOthersDoNot(t *testing.T) {
	dir := tree(t, map[string]string{
		"app.py": "", "pkg/deep/views.py": "", ".git/x.py": "", "node_modules/x.py": "", "env/bin/python": "", "env/lib/x.py": "", "pkg/__pycache__/x.py": "",
	})
	changed := watched(t, dir)
	for _, ignored := range []string{".git/x.py", "node_modules/x.py", "env/lib/x.py", "pkg/__pycache__/x.py", "data.sqlite3", "app.pyc", ".app.py.swx"} {
		put(t, filepath.Join(dir, ignored), "x")
	}
	if err := os.Chmod(filepath.Join(dir, "app.py"), 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "pkg/deep/views.py"), "x = 1") // the first to come out
	expect(t, changed, "pkg/deep/views.py")
	put(t, filepath.Join(dir, "app.py"), "x = 1")
	expect(t, changed, "app.py")
	if err := os.Rename(filepath.Join(dir, "app.py"), filepath.Join(dir, "other.py")); err != nil {
		t.Fatal(err)
	}
	expect(t, changed, "other.py")
	if err := os.Remove(filepath.Join(dir, "other.py")); err != nil {
		t.Fatal(err)
	}
	expect(t, changed, "other.py")
}

func TestNewFoldersAreFollowed(t *testing.T) {
	dir := tree(t, map[string]string{"app.py": ""})
	outside := tree(t, map[string]string{"moved/sub/views.py": ""})
	changed := watched(t, dir)
	put(t, filepath.Join(dir, "new/sub/a.py"), "x = 1")
	expect(t, changed, "new/sub/a.py")
	if err := os.Rename(filepath.Join(outside, "moved"), filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	expect(t, changed, "moved/sub/views.py")
	put(t, filepath.Join(dir, "moved/sub/views.py"), "x = 1")
	expect(t, changed, "moved/sub/views.py")
}

func TestAProjectThatIsNotThereIsAnError(t *testing.T) {
	if _, err := openWatcher(filepath.Join(t.TempDir(), "none"), nil); err == nil {
		t.Error("no error")
	}
}
