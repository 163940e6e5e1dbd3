package logfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const nobody = 65534

func TestNewLogHasItsModeAndOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	opts := Options{Mode: 0o600}
	if os.Geteuid() == 0 {
		opts.UID, opts.GID = nobody, nobody
	}
	f, err := OpenFile(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("mode %v, expected 0600", info.Mode())
	}
	if st := info.Sys().(*syscall.Stat_t); opts.UID != 0 && (st.Uid != nobody || st.Gid != nobody) {
		t.Errorf("owner %d:%d, expected nobody", st.Uid, st.Gid)
	}
}

func TestOldLogKeepsItsModeAndOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(path, Options{UID: nobody, GID: nobody, Mode: 0o666})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("b"); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); info.Mode() != 0o600 || int(st.Uid) != os.Geteuid() {
		t.Errorf("mode %v, owner %d; expected both as they were", info.Mode(), st.Uid)
	}
	if got, _ := os.ReadFile(path); string(got) != "ab" {
		t.Errorf("got %q, expected it to be appended to", got)
	}
}

func TestStandardNamesAreTheInheritedDescriptors(t *testing.T) {
	var want unix.Stat_t
	if err := unix.Fstat(unix.Stderr, &want); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"stderr", "/dev/stderr"} {
		f, err := OpenFile(name, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &got); err != nil || got.Ino != want.Ino || got.Dev != want.Dev {
			t.Errorf("%s: another file (%v)", name, err)
		}
		if int(f.Fd()) == unix.Stderr {
			t.Errorf("%s: the inherited descriptor itself, which a Close would close", name)
		}
		f.Close()
	}
	if err := unix.Fstat(unix.Stderr, &want); err != nil {
		t.Errorf("stderr is closed: %v", err)
	}
}

func TestOwnLinkIsFollowedAndRotatesItsTarget(t *testing.T) {
	dir := t.TempDir()
	real := filepath.Join(dir, "real")
	if err := os.Mkdir(real, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("real/log", link); err != nil { // a dangling one
		t.Fatal(err)
	}
	f := openFile(t, link, Options{Maxbytes: 1, Backups: 1})
	write(t, f, "x")
	write(t, f, "y")
	wantFiles(t, real, map[string]string{"log": "", "log.1": "y"})
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != fs.ModeSymlink {
		t.Errorf("the link is no link any more: %v", err)
	}
}

func TestLinkToAStandardNameIsThatDescriptor(t *testing.T) {
	link := filepath.Join(t.TempDir(), "access.log")
	if err := os.Symlink("/dev/stderr", link); err != nil {
		t.Fatal(err)
	}
	f := openFile(t, link, Options{Maxbytes: 1, Backups: 1})
	if f.real != "" {
		t.Errorf("it would be rotated at %s", f.real)
	}
}

func TestLinkThatOthersCanMakeIsRefused(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(dir, link string) error
		want    string
		root    bool
	}{
		{"another user's link", func(_, link string) error { return os.Lchown(link, nobody, nobody) }, "belongs to user 65534", true},
		{"another user's folder", func(dir, _ string) error { return os.Chown(dir, nobody, nobody) }, "belongs to user 65534", true},
		{"a folder that all may write", func(dir, _ string) error { return os.Chmod(dir, 0o777) }, "others may write in", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.root && os.Geteuid() != 0 {
				t.Skip("only root can give files away")
			}
			dir := t.TempDir()
			victim := filepath.Join(t.TempDir(), "victim")
			link := filepath.Join(dir, "log")
			if err := os.Symlink(victim, link); err != nil {
				t.Fatal(err)
			}
			if err := test.prepare(dir, link); err != nil {
				t.Fatal(err)
			}
			_, err := Open(link, Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), link) {
				t.Errorf("got %v, expected %q", err, test.want)
			}
			if _, err := os.Lstat(victim); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the target was made (%v)", err)
			}
		})
	}
}

func TestOpenSaysWhatItCannotOpen(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]error{
		dir:                             syscall.EISDIR,
		filepath.Join(dir, "no", "log"): fs.ErrNotExist,
	} {
		if _, err := Open(path, Options{}); !errors.Is(err, want) || !strings.Contains(err.Error(), "open log "+path) {
			t.Errorf("got %v, expected open log %s: %v", err, path, want)
		}
	}
}
