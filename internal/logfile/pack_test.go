package logfile

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPackLeavesWhatIsNoLogOfOurs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	if err := Pack(path, 2); err != nil {
		t.Errorf("no backup: %v", err)
	}
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, path+".2"); err != nil {
		t.Fatal(err)
	}
	if err := Pack(path, 2); err == nil {
		t.Error("a link was followed")
	}
	if _, err := os.Lstat(path + ".2.gz"); err == nil {
		t.Error("what a link leads to was packed")
	}
}
