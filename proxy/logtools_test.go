package proxy

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// combinedLogs are the combined lines of both servers, of the cases that do not
// differ on purpose, in files.
func combinedLogs(t *testing.T, nginx, ours map[string]caseLogs) (theirFile, ourFile string) {
	t.Helper()
	write := func(name string, logs map[string]caseLogs) string {
		var b strings.Builder
		for _, c := range slices.Sorted(maps.Keys(logs)) {
			if _, differs := differences[c]; !differs {
				b.WriteString(logs[c].combined)
			}
		}
		path := filepath.Join(plainTempDir(t), name)
		must(t, os.WriteFile(path, []byte(b.String()), 0o600))
		return path
	}
	return write("access.log", nginx), write("access.log", ours)
}

// needs fails without a program of a Debian package.
func needs(t *testing.T, program, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%s is not installed; `make test` installs %s", program, pkg)
	}
}

// goaccessCounts are what goaccess finds in a log. Bytes are not among them: pages
// have the name of the server.
func goaccessCounts(t *testing.T, path string) map[string]any {
	t.Helper()
	out := filepath.Join(filepath.Dir(path), "report.json")
	cmd := exec.Command("goaccess", path, "--log-format=COMBINED", "--no-global-config", "-o", out)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("goaccess: %v: %s", err, text)
	}
	raw, err := os.ReadFile(out)
	must(t, err)
	var report struct {
		General map[string]any `json:"general"`
		Codes   struct {
			Data []struct {
				Data string `json:"data"`
				Hits struct{ Count int }
			}
		} `json:"status_codes"`
	}
	must(t, json.Unmarshal(raw, &report))
	counts := map[string]any{}
	for _, name := range []string{
		"total_requests", "valid_requests", "failed_requests", "unique_visitors", "unique_files", "unique_referrers", "unique_not_found", "unique_static_files",
	} {
		counts[name] = report.General[name]
	}
	for _, code := range report.Codes.Data {
		counts[code.Data] = code.Hits.Count
	}
	return counts
}

func checkGoaccess(t *testing.T, theirs, ours string) {
	needs(t, "goaccess", "goaccess")
	want, got := goaccessCounts(t, theirs), goaccessCounts(t, ours)
	if !maps.Equal(want, got) {
		t.Errorf("goaccess\n got %v\nwant %v", got, want)
	}
	if n, _ := got["valid_requests"].(float64); n < 150 {
		t.Errorf("goaccess read %v", got)
	}
	t.Log(got)
}

var fail2banCount = regexp.MustCompile(`(?m)^Lines: .*\d+ matched, \d+ missed`)

// fail2banMatches runs one of Debian's filters over a log.
func fail2banMatches(t *testing.T, path, filter string) string {
	t.Helper()
	text, err := exec.Command("fail2ban-regex", path, filter).CombinedOutput()
	if err != nil {
		t.Fatalf("fail2ban-regex: %v: %s", err, text)
	}
	m := fail2banCount.Find(text)
	if m == nil {
		t.Fatalf("fail2ban-regex said %s", text)
	}
	return string(m)
}

func checkFail2ban(t *testing.T, theirs, ours string) {
	needs(t, "fail2ban-regex", "fail2ban")
	for _, filter := range []string{"nginx-bad-request", "nginx-botsearch", "apache-badbots"} {
		want, got := fail2banMatches(t, theirs, filter), fail2banMatches(t, ours, filter)
		if got != want || strings.Contains(got, ", 0 matched") {
			t.Errorf("%s: got %q, want %q and a match", filter, got, want)
		}
		t.Logf("%s: %s", filter, got)
	}
}

// grokPatterns are those that logstash has COMBINEDAPACHELOG of, without look-behind,
// which Go's expressions have not.
var grokPatterns = map[string]string{
	"COMBINEDAPACHELOG": `%{COMMONAPACHELOG} %{QS:referrer} %{QS:agent}`,
	"COMMONAPACHELOG":   `%{IPORHOST:clientip} %{HTTPDUSER:ident} %{HTTPDUSER:auth} \[%{HTTPDATE:timestamp}\] "(?:%{WORD:verb} %{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})" %{NUMBER:response} (?:%{NUMBER:bytes}|-)`,
	"IPORHOST":          `(?:[0-9A-Fa-f:.]+|\b(?:[0-9A-Za-z][0-9A-Za-z-]{0,62})(?:\.(?:[0-9A-Za-z][0-9A-Za-z-]{0,62}))*\.?)`,
	"HTTPDUSER":         `(?:[a-zA-Z][a-zA-Z0-9_.+-=:]+@[0-9A-Za-z.-]+|%{USER})`,
	"USER":              `[a-zA-Z0-9._-]+`,
	"HTTPDATE":          `(?:\d\d)/\b(?:[Jj]an|[Ff]eb|[Mm]ar|[Aa]pr|[Mm]ay|[Jj]un|[Jj]ul|[Aa]ug|[Ss]ep|[Oo]ct|[Nn]ov|[Dd]ec)\b/(?:\d\d){1,2}:\d\d:\d\d:\d\d [+-]?\d+`,
	"WORD":              `\b\w+\b`,
	"NOTSPACE":          `\S+`,
	"NUMBER":            `[+-]?(?:\d+(?:\.\d+)?|\.\d+)`,
	"DATA":              `.*?`,
	"QS":                `"(?:\\.|[^\\"]+)*"`,
}

var grokReference = regexp.MustCompile(`%\{(\w+)(?::(\w+))?\}`)

func grok(name string) string {
	return grokReference.ReplaceAllStringFunc(grokPatterns[name], func(ref string) string {
		m := grokReference.FindStringSubmatch(ref)
		if m[2] == "" {
			return "(?:" + grok(m[1]) + ")"
		}
		return "(?P<" + m[2] + ">" + grok(m[1]) + ")"
	})
}

func checkGrok(t *testing.T, theirs, ours string) {
	pattern := regexp.MustCompile("^" + grok("COMBINEDAPACHELOG") + "$")
	fields := func(path string) (counts map[string]int) {
		text, err := os.ReadFile(path)
		must(t, err)
		counts = map[string]int{}
		for line := range strings.Lines(string(text)) {
			m := pattern.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
			if m == nil {
				counts["no match"]++
				continue
			}
			for i, name := range pattern.SubexpNames() {
				if name != "" && name != "timestamp" && name != "bytes" {
					counts[name+"="+m[i]]++
				}
			}
			counts["match"]++
		}
		return counts
	}
	want, got := fields(theirs), fields(ours)
	if !maps.Equal(want, got) {
		t.Errorf("grok\n got %v\nwant %v", got, want)
	}
	if got["match"] < 150 || got["no match"] > 5 { // users with blanks are none to grok
		t.Errorf("grok read %d lines and %d not", got["match"], got["no match"])
	}
}
