package http2

import (
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// h2spec's every case, the strict ones too, against the engine alone; the proxy
// around it has its own run.
func TestH2spec(t *testing.T) {
	tool := filepath.Join(t.TempDir(), "h2spec")
	build := exec.Command("go", "build", "-modfile=internal/tools/go.mod", "-o", tool, "github.com/summerwind/h2spec/cmd/h2spec")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build h2spec: %v\n%s", err, out)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go NewConn(nc, Config{}, apart(echo)).Serve(nil)
		}
	}()
	port := ln.Addr().(*net.TCPAddr).Port
	out, err := exec.Command(tool, "--strict", "--port", strconv.Itoa(port), "--timeout", "1").CombinedOutput()
	summary := regexp.MustCompile(`(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed`).FindStringSubmatch(string(out))
	if err != nil || summary == nil || summary[4] != "0" {
		i := strings.Index(string(out), "Failures:")
		t.Fatalf("h2spec: %v\n%s", err, out[max(i, 0):])
	}
	t.Log(summary[0])
}
