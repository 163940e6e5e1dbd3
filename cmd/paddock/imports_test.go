package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport is the import table of the house: what each package may import of
// ours. A package that is not named may not exist.
var mayImport = map[string]string{
	"cmd/paddock":      "internal/keeper internal/worker internal/control internal/config internal/dev supervisor",
	"internal/keeper":  "internal/metrics internal/config internal/control internal/inotify internal/link internal/logfile internal/value supervisor proxy accesslog",
	"internal/bench":   "",
	"internal/dev":     "internal/keeper internal/config supervisor",
	"internal/worker":  "internal/metrics internal/link internal/logfile internal/value proxy proxy/netpoll tls accesslog",
	"internal/control": "internal/value",
	"internal/metrics": "internal/value proxy accesslog",
	"internal/config":  "internal/metrics internal/value proxy supervisor tls accesslog",
	"internal/inotify": "",
	"internal/link":    "",
	"internal/value":   "",
	"internal/logfile": "",
	"internal/faults":  "",
	"proxy":            "proxy/http1 proxy/http2 proxy/netpoll accesslog internal/value",
	"proxy/http1":      "",
	"proxy/http2":      "proxy/http1",
	"proxy/netpoll":    "",
	"accesslog":        "internal/value internal/logfile",
	"supervisor":       "internal/value internal/logfile",
	"tls":              "internal/value",
	"systemd":          "",
}

// mayNotUse keeps sockets out of the packages and files that promise bytes only.
var mayNotUse = map[string][]string{
	"proxy/http1": {"net", "syscall", "golang.org/x/sys/unix"},
	"proxy/http2": {"net", "syscall", "golang.org/x/sys/unix"},
}

func TestImportsFollowTheTable(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "paddock/...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		name := strings.TrimPrefix(p.ImportPath, "paddock/")
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("package %s is not in the table", name)
			continue
		}
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, "paddock/"); ok && !slices.Contains(strings.Fields(allowed), ours) {
				t.Errorf("%s imports %s, which the table does not allow", name, ours)
			}
			if slices.Contains(mayNotUse[name], i) {
				t.Errorf("%s imports %s", name, i)
			}
		}
	}
	if seen < len(mayImport)-1 { // internal/faults has only tests
		t.Errorf("go list named %d packages, the table %d: remove what is gone", seen, len(mayImport))
	}
}
