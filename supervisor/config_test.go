package supervisor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"paddock/internal/value"
)

func umask(n int) value.Umask { return value.Umask(n) }

func TestDefaultsAreValid(t *testing.T) {
	var problems value.Problems
	p, a := DefaultProgram(), DefaultApp()
	p.Command, a.Command = command("true"), command("true")
	p.Validate("program.x", &problems)
	a.Validate("app.x", &problems)
	if len(problems) > 0 {
		t.Errorf("%v", problems)
	}
}

func TestValidateNamesEachBadKey(t *testing.T) {
	for key, spoil := range map[string]func(*App){
		"command":                 func(a *App) { a.Command = value.Command{} },
		"startretries":            func(a *App) { a.Startretries = -2 },
		"killasgroup":             func(a *App) { a.Killasgroup = false },
		"exitcodes":               func(a *App) { a.Exitcodes = []int{0, 256} },
		"autorestart":             func(a *App) { a.Autorestart = "maybe" },
		"stopsignal":              func(a *App) { a.Stopsignal = 0 },
		"workers":                 func(a *App) { a.Workers = -1 },
		"environment.\"a=b\"":     func(a *App) { a.Environment = map[string]string{"a=b": ""} },
		"environment.A":           func(a *App) { a.Environment = map[string]string{"A": "\x00"} },
		"stdout_logfile_maxbytes": func(a *App) { a.StdoutLogfileMaxbytes = -1 },
		"stderr_logfile_backups":  func(a *App) { a.StderrLogfileBackups = -1 },
	} {
		a := DefaultApp()
		a.Command = command("true")
		spoil(&a)
		var problems value.Problems
		a.Validate("app.x", &problems)
		if len(problems) != 1 || problems[0].Key != "app.x."+key || strings.Contains(problems[0].Text, "\n") {
			t.Errorf("%s: got %v", key, problems)
		}
	}
}

func TestAppSocketIsForItsGroupAlone(t *testing.T) {
	dir := t.TempDir()
	long := filepath.Join(dir, strings.Repeat("long", 30))
	if err := os.Mkdir(long, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		filepath.Join(dir, "s"),
		filepath.Join(long, "s"), // longer than a socket address
	} {
		for range 2 { // a file that is left there is replaced
			f, err := listenUnix(path, os.Getgid())
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode() != os.ModeSocket|appSocketMode {
				t.Errorf("%v %v", info.Mode(), err)
			}
			if n, err := unix.GetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_ACCEPTCONN); n != 1 || err != nil {
				t.Errorf("not listening: %d %v", n, err)
			}
			f.Close()
		}
	}
}
