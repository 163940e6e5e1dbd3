package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain makes the test binary the shim and the programs that it starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "exec" {
		os.Exit(ExecMain(os.Args[2:]))
	}
	if len(os.Args) > 2 && os.Args[1] == "helper" {
		helper(os.Args[2], os.Args[3:])
	}
	if err := BecomeSubreaper(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector's second at each exit of a helper
	reaper = NewReaper()
	code := m.Run()
	reaper.Close()
	os.Exit(code)
}

// reaper is one for all tests: a second would take the first one's children.
var reaper *Reaper

// forever outlives every test.
const forever = time.Hour

// helper is the program that tests start.
func helper(name string, args []string) {
	switch name {
	case "env":
		for _, e := range os.Environ() {
			fmt.Println(e)
		}
	case "exit":
		code, _ := strconv.Atoi(args[0])
		os.Exit(code)
	case "sleep":
		fmt.Println("up")
		time.Sleep(forever)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("up")
		time.Sleep(forever)
	case "family": // one child in the group, one that left it by a double fork
		start(false, "helper", "sleep")
		start(true, "helper", "daemonize")
		fmt.Println("up")
		time.Sleep(forever)
	case "daemonize":
		start(true, "helper", "sleep")
	case "holder": // its child holds the pipe when it has ended
		start(true, "helper", "sleep")
		fmt.Println("last words")
	case "write":
		n, _ := strconv.Atoi(args[0])
		os.Stdout.Write(pattern(n))
		fmt.Fprint(os.Stderr, "to stderr, no newline")
	case "fds":
		names, _ := os.ReadDir("/proc/self/fd")
		for _, n := range names {
			target, _ := os.Readlink("/proc/self/fd/" + n.Name())
			fmt.Println(n.Name(), target)
		}
	case "whoami":
		wd, _ := os.Getwd()
		groups, _ := os.Getgroups()
		status, _ := os.ReadFile("/proc/self/status")
		fmt.Println("uid", os.Getuid(), "gid", os.Getgid(), "groups", groups, "cwd", wd)
		for _, line := range strings.Split(string(status), "\n") {
			if strings.HasPrefix(line, "NoNewPrivs") || strings.HasPrefix(line, "Umask") {
				fmt.Println(strings.Join(strings.Fields(line), " "))
			}
		}
	}
	os.Exit(0)
}

func start(session bool, args ...string) {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Stdout = os.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: session}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
}

// pattern is n bytes, all values, without structure.
func pattern(n int) []byte {
	out := make([]byte, n)
	x := uint32(1)
	for i := range out {
		x = x*1664525 + 1013904223
		out[i] = byte(x >> 24)
	}
	return out
}
