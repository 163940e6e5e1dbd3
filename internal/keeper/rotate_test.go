package keeper

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"paddock/accesslog"
	"paddock/internal/link"
)

// logKeeper is a live keeper with one access log.
func logKeeper(t *testing.T, r accesslog.Rotation) (k *Keeper, proxy *fakeProxy, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "access.log")
	logs, err := openLogs([]accesslog.Target{{Path: path, Rotation: r}})
	if err != nil {
		t.Fatal(err)
	}
	proxy = startProxy(t, nil)
	k = &Keeper{log: zap.NewNop(), live: true, logs: logs, proxy: configured(t, proxy), rotations: map[string]rotation{}}
	t.Cleanup(func() { k.background.Wait(); k.logs.close() })
	return k, proxy, path
}

func logLine(t *testing.T, k *Keeper, text string) {
	t.Helper()
	if _, err := k.logs.files[0].WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func files(t *testing.T, path string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(path), e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(e.Name(), ".gz") {
			z, err := gzip.NewReader(strings.NewReader(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			if text, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, e.Name()+"="+string(text))
	}
	return out
}

func wantFiles(t *testing.T, path, want string) {
	t.Helper()
	if got := strings.Join(files(t, path), " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestALogIsRotatedWhenItIsLargeAndItsBackupsArePacked(t *testing.T) {
	k, proxy, path := logKeeper(t, accesslog.Rotation{Maxbytes: 3, Backups: 3, Compress: true})
	for _, text := range []string{"12", "3", "second", "third", "fourth", "fifth"} {
		logLine(t, k, text)
		k.tend(time.Now())
		k.background.Wait()
	}
	wantFiles(t, path, "access.log= access.log.1=fifth access.log.2.gz=fourth access.log.3.gz=third")
	if n := len(proxy.seen()); n != 5 {
		t.Errorf("the proxy got its logs %d times, want 5: %v", n, proxy.seen())
	}
	if info, _ := os.Stat(path + ".2.gz"); info.Mode().Perm() != logMode {
		t.Errorf("a packed log has mode %v", info.Mode())
	}
}

func TestALogIsRotatedAtItsTimeUnlessItIsEmpty(t *testing.T) {
	k, _, path := logKeeper(t, accesslog.Rotation{Every: "daily"})
	midnight := (&accesslog.Rotation{Every: "daily"}).Next(time.Now())
	k.tend(midnight.Add(time.Hour))
	wantFiles(t, path, "access.log=")
	logLine(t, k, "today")
	k.tend(midnight.Add(-time.Second))
	wantFiles(t, path, "access.log=today")
	k.tend(midnight)
	wantFiles(t, path, "access.log= access.log.1=today")
}

func TestALogOfYesterdayIsRotatedWhenTheDaemonComesBack(t *testing.T) {
	k, _, path := logKeeper(t, accesslog.Rotation{Every: "daily"})
	logLine(t, k, "yesterday")
	then := time.Now().AddDate(0, 0, -1)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
	k.tend(time.Now())
	wantFiles(t, path, "access.log= access.log.1=yesterday")
}

func TestALogThatWasMovedOrRemovedIsOpenedAgain(t *testing.T) { // E5
	k, proxy, path := logKeeper(t, accesslog.Rotation{})
	for n, change := range []func() error{
		func() error { return os.Rename(path, path+".old") },
		func() error { return os.Remove(path) },
		func() error { return os.WriteFile(path+".new", nil, 0o600) },
		func() error { return os.Rename(path+".new", path) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		k.tend(time.Now())
		if isGone(path, k.logs.files[0]) {
			t.Errorf("change %d: the log is not that of its name", n)
		}
	}
	if n := len(slices.DeleteFunc(proxy.seen(), func(s string) bool { return s != link.TypeLogs })); n != 3 {
		t.Errorf("the proxy got its logs %d times, want 3", n)
	}
	k.live = false
	os.Remove(path)
	k.tend(time.Now())
	if !isGone(path, k.logs.files[0]) {
		t.Error("a keeper that stops opened a log")
	}
}

func TestRotationRenamesTheFileOfALinkAndNotTheLink(t *testing.T) {
	k, _, path := logKeeper(t, accesslog.Rotation{Maxbytes: 1})
	link := filepath.Join(t.TempDir(), "link.log")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	k.logs.targets[0].Path = link
	logLine(t, k, "x")
	k.tend(time.Now())
	wantFiles(t, path, "access.log= access.log.1=x")
	if _, err := os.Readlink(link); err != nil {
		t.Error(err)
	}
}

func TestALogHasTheModeAndOwnerThatItsSettingSays(t *testing.T) {
	k, _, path := logKeeper(t, accesslog.Rotation{Mode: "0604"})
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o604 {
		t.Errorf("mode %v", info.Mode())
	}
	_ = k
	o, err := logOptions(accesslog.Target{Rotation: accesslog.Rotation{Owner: "daemon:mail"}})
	if err != nil || o.UID != 1 || o.GID != 8 || o.Mode != logMode {
		t.Errorf("got %+v, %v", o, err)
	}
	if _, err := logOptions(accesslog.Target{Rotation: accesslog.Rotation{Owner: "nobody:nothere"}}); err == nil {
		t.Error("a group that is not there was taken")
	}
}

func TestAFolderOfLogsThatIsGoneIsComplainedAboutOnce(t *testing.T) {
	k, _, path := logKeeper(t, accesslog.Rotation{})
	core, logged := observer.New(zap.InfoLevel)
	k.log = zap.New(core)
	dir := filepath.Dir(path)
	if err := os.Rename(dir, dir+"-gone"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		k.tend(time.Now())
	}
	if err := os.Rename(dir+"-gone", dir); err != nil {
		t.Fatal(err)
	}
	k.tend(time.Now())
	if n := logged.FilterMessageSnippet("opened again").Len(); n != 1 || isGone(path, k.logs.files[0]) {
		t.Errorf("complained %d times; expected once, and the log to be there again", n)
	}
}
