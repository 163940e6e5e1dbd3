package inotify

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func open(t *testing.T, folders ...string) *Watcher {
	t.Helper()
	w, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	watch(t, w, folders...)
	return w
}

func watch(t *testing.T, w *Watcher, folders ...string) {
	t.Helper()
	set := map[string]bool{}
	for _, f := range folders {
		set[f] = true
	}
	if failed := w.Watch(set); len(failed) > 0 {
		t.Fatal(failed)
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// until reads changes up to one of a path and returns those before.
func until(t *testing.T, w *Watcher, path string) (before []string) {
	t.Helper()
	for got := range w.Changes {
		if got == path {
			return before
		}
		before = append(before, got)
	}
	t.Fatal("the watcher has ended")
	return nil
}

func TestAFileThatIsWrittenReplacedOrMadeReadableIsTold(t *testing.T) {
	folder := t.TempDir()
	cert := filepath.Join(folder, "cert.pem")
	other := filepath.Join(t.TempDir(), "new.pem")
	w := open(t, folder)
	write(t, cert)
	until(t, w, cert) // created
	until(t, w, cert) // closed
	write(t, other)
	if err := os.Rename(other, cert); err != nil {
		t.Fatal(err)
	}
	until(t, w, cert)
	if err := os.Chmod(cert, 0o644); err != nil {
		t.Fatal(err)
	}
	until(t, w, cert)
	if err := os.Symlink("x", filepath.Join(folder, "..data")); err != nil {
		t.Fatal(err)
	}
	until(t, w, filepath.Join(folder, "..data"))
}

func TestLinesOfALogInTheFolderAreNotTold(t *testing.T) {
	folder := t.TempDir()
	log := filepath.Join(folder, "app.log")
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := open(t, folder)
	for range 100 {
		if _, err := f.WriteString("a line\n"); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(folder, "cert.pem"))
	if before := until(t, w, filepath.Join(folder, "cert.pem")); len(before) > 0 {
		t.Errorf("told of %d changes before the certificate's", len(before))
	}
}

func TestOnlyFoldersOfTheLastCallAreFollowed(t *testing.T) {
	old, next := t.TempDir(), t.TempDir()
	w := open(t, old)
	watch(t, w, old, next)
	watch(t, w, next)
	write(t, filepath.Join(old, "a"))
	write(t, filepath.Join(next, "b"))
	if before := until(t, w, filepath.Join(next, "b")); len(before) > 0 {
		t.Errorf("told of %q", before)
	}
}

func TestAFolderThatIsMadeAnewCanBeWatchedAgain(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "certs")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	w := open(t, folder)
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	if failed := w.Watch(map[string]bool{folder: true}); failed[folder] == nil {
		t.Error("no error for a folder that does not exist")
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	watch(t, w, folder)
	write(t, filepath.Join(folder, "cert.pem"))
	until(t, w, filepath.Join(folder, "cert.pem"))
}

func TestCloseEndsTheChanges(t *testing.T) {
	folder := t.TempDir()
	w := open(t, folder)
	write(t, filepath.Join(folder, "nobody reads this"))
	w.Close()
	w.Close()
	for range w.Changes { // one may have been on its way
	}
	if failed := w.Watch(map[string]bool{folder: true}); failed != nil {
		t.Error(failed)
	}
	if err := w.Err(); err != nil {
		t.Error(err)
	}
}

// Both paths of one folder are told: a certificate may be configured by either.
func TestAFolderWithTwoPathsIsToldByBoth(t *testing.T) {
	folder := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(folder, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{folder, link} {
		w := open(t, folder, link)
		write(t, filepath.Join(folder, "cert.pem"))
		until(t, w, filepath.Join(name, "cert.pem"))
		w.Close()
	}
}

func TestAReadThatFailsIsToldAsTheEnd(t *testing.T) {
	w := open(t)
	if err := w.file.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	for range w.Changes {
	}
	if err := w.Err(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// What cannot be read as an event counts as lost, and a dropped queue is told as such.
func TestDroppedEventsAreTold(t *testing.T) {
	w := open(t)
	event := make([]byte, unix.SizeofInotifyEvent)
	event[5] = unix.IN_Q_OVERFLOW >> 8
	if paths, rest, err := w.next(event); len(paths) != 1 || paths[0] != Lost || len(rest) != 0 || err != nil {
		t.Errorf("got %q %q %v", paths, rest, err)
	}
	event[12] = 200
	for _, broken := range [][]byte{event, event[:10]} {
		if _, _, err := w.next(broken); err == nil {
			t.Errorf("%d bytes were taken for an event", len(broken))
		}
	}
}
