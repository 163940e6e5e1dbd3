package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// settings returns the lines of a unit that set something.
func settings(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.SplitSeq(string(text), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "[") {
			out = append(out, line)
		}
	}
	return out
}

// What binds the apps too must not be in the unit: an app may call sudo, write to its
// own folders, read the home of its user, change its priority.
func TestUnitDoesNotBindTheApps(t *testing.T) {
	for _, line := range settings(t, "paddock.service") {
		key, value, _ := strings.Cut(line, "=")
		switch {
		case key == "ProtectSystem" && value == "strict",
			key == "PrivateTmp", key == "ProtectHome", key == "NoNewPrivileges", key == "ProtectProc",
			key == "MemoryDenyWriteExecute", key == "PrivateDevices", key == "DynamicUser", key == "PrivateUsers",
			key == "SystemCallFilter" && strings.Contains(value, "@resources"):
			t.Errorf("%s binds the apps", line)
		}
	}
}

func TestUnitIsWhatTheKeeperExpects(t *testing.T) {
	have := strings.Join(settings(t, "paddock.service"), "\n") + "\n"
	for _, want := range []string{"Type=notify", "Delegate=yes", "KillMode=mixed", "WatchdogSec=30", "RuntimeDirectory=paddock", "StateDirectory=paddock", "LogsDirectory=paddock", "NotifyAccess=main"} {
		if !strings.Contains(have, want+"\n") {
			t.Errorf("the unit does not say %s", want)
		}
	}
}

func TestUnitIsHardened(t *testing.T) {
	unit, err := os.ReadFile("paddock.service")
	if err != nil {
		t.Fatal(err)
	}
	strict := strings.Join(settings(t, "strict.conf"), "\n")
	for _, tt := range []struct {
		name, text string
		most       float64
	}{
		{"paddock.service", string(unit), 4.5},
		{"with strict.conf", strings.Replace(string(unit), "[Install]", strict+"\n\n[Install]", 1), 2.8},
	} {
		if got := exposure(t, tt.text); got > tt.most {
			t.Errorf("%s: exposure %.1f, want at most %.1f", tt.name, got, tt.most)
		}
	}
}

// exposure is systemd's own score of a unit, lower is better.
func exposure(t *testing.T, unit string) float64 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "paddock.service")
	if err := os.WriteFile(path, []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", path).CombinedOutput()
	m := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(string(out))
	if m == nil {
		t.Fatalf("systemd-analyze: %v: %s", err, out)
	}
	score, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return score
}

func TestSysusersAndTmpfilesAreUnderstood(t *testing.T) {
	for _, args := range [][]string{
		{"systemd-sysusers", "--dry-run", "--root=" + t.TempDir(), "paddock.sysusers"},
		{"systemd-tmpfiles", "--create", "--root=" + fakeRoot(t), "paddock.tmpfiles"},
	} {
		path, err := filepath.Abs(args[len(args)-1])
		if err != nil {
			t.Fatal(err)
		}
		args[len(args)-1] = path
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
}

// fakeRoot is a root folder that knows the users that the files name.
func fakeRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"passwd": "root:x:0:0:root:/root:/bin/sh\n", "group": "root:x:0:\n"} {
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
