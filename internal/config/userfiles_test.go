package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What the file holds is a part of the configuration: a reload takes a change of it.
func TestAFileOfUsersIsReadWithTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	text := smallest + "auth_basic = 'x'\nauth_basic_user_file = 'users'\n[[server.location]]\npath = '/a'\nreturn = '200'\nauth_basic_user_file = 'users'\n"
	write(t, filepath.Join(dir, "main.toml"), text)
	users := filepath.Join(dir, "users")
	read := func(content string) *Config {
		t.Helper()
		write(t, users, content)
		c, err := load(filepath.Join(dir, "main.toml"), thisHost())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one, same, other := read("a:{PLAIN}x\n"), read("a:{PLAIN}x\n"), read("b:{PLAIN}x\n")
	if one.Sum != same.Sum || one.Sum == other.Sum {
		t.Error("a change of the file is not seen, or one is that was none")
	}
	if got := other.ProxyConfig().UserFiles; len(got) != 1 || got[users] != "b:{PLAIN}x\n" {
		t.Errorf("got %v", got)
	}
	if renewed, err := one.Renewed(); err != nil || renewed.Sum != one.Sum {
		t.Errorf("the sum changed with nothing renewed: %v", err)
	}
	write(t, users, "nobody\n")
	if _, err := load(filepath.Join(dir, "main.toml"), thisHost()); err == nil || !strings.Contains(err.Error(), "expected NAME:HASH") {
		t.Errorf("a file that is none: %v", err)
	}
	if err := os.Remove(users); err != nil {
		t.Fatal(err)
	}
	if _, err := load(filepath.Join(dir, "main.toml"), thisHost()); err == nil || !strings.Contains(err.Error(), "expected a file as htpasswd writes it") {
		t.Errorf("no file: %v", err)
	}
}
