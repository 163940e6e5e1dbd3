package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// header says what is measured, on what.
func header(out io.Writer, o options) {
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Fprintf(out, "%s; Paddock %s; %d CPUs; %s; load %s; %d rounds of %d s each, that take turns\n", nginxVersion(), paddockVersion(o.paddock),
		runtime.NumCPU(), time.Now().Format("2006-01-02 15:04"), strings.TrimSpace(string(load)), o.rounds, o.secs)
}

func nginxVersion() string {
	b, _ := exec.Command(debianNginx, "-v").CombinedOutput()
	return strings.TrimPrefix(strings.TrimSpace(string(b)), "nginx version: ")
}

func paddockVersion(binary string) string {
	b, _ := exec.Command(binary, "version").Output()
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimPrefix(line, "paddock ")
}

// configurations prints both in full.
func configurations(l *lab, out io.Writer) error {
	_, err := fmt.Fprintf(out, "nginx (for post, with client_body_buffer_size 128k):\n\n```nginx\n%s```\n\nPaddock:\n\n```toml\n%s```\n", l.nginx.conf, l.house.conf)
	return err
}
