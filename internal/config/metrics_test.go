package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMetricsAreOffUnlessNamedAndABarePortIsLoopback(t *testing.T) {
	c, problems := loadFiles(t, fakeHost(t, 1000), map[string]string{"main.toml": smallest})
	if problems != nil || c.Metrics.Listen.On() {
		t.Errorf("%v, on: %v", problems, c.Metrics.Listen.On())
	}
	for text, want := range map[string]string{`"9090"`: "127.0.0.1:9090", `9090`: "127.0.0.1:9090", `":9090"`: ":9090"} {
		c, problems := loadFiles(t, fakeHost(t, 1000), map[string]string{"main.toml": smallest + "[metrics]\nlisten = " + text + "\n"})
		if problems != nil || c.Metrics.Listen.Key() != want {
			t.Errorf("%s: %v, %v", text, problems, c)
		}
		warned := slices.ContainsFunc(c.Warnings(), func(p Problem) bool { return p.Key == "metrics.listen" })
		if warned != (want == ":9090") {
			t.Errorf("%s: warnings %v", text, c.Warnings())
		}
	}
}

func TestMetricsSocketIsRelativeToItsFile(t *testing.T) {
	c, problems := loadFiles(t, fakeHost(t, 1000), map[string]string{"main.toml": smallest + "[metrics]\nlisten = \"unix:m.sock\"\n"})
	if problems != nil || c.Metrics.Listen.Key() != "unix:"+filepath.Join(filepath.Dir(c.File), "m.sock") {
		t.Errorf("%v, %s", problems, c.Metrics.Listen.Key())
	}
}

func TestMetricsOnTheAddressOfAServerAreRefusedAtTheirLine(t *testing.T) {
	text := strings.Replace(smallest, `"8080"`, `"127.0.0.1:8080"`, 1) + "[metrics]\nlisten = 8080\n"
	_, problems := loadFiles(t, fakeHost(t, 1000), map[string]string{"main.toml": text})
	if len(problems) != 1 || !strings.HasPrefix(problems[0], `main.toml:8: metrics.listen: "127.0.0.1:8080" is the address of a [[server]] too`) {
		t.Errorf("%q", problems)
	}
}

func TestMetricsSetInTwoFilesAreRefused(t *testing.T) {
	_, problems := loadFiles(t, fakeHost(t, 1000), map[string]string{
		"main.toml": "include = [\"b.toml\"]\n" + smallest + "[metrics]\nlisten = 9090\n", "b.toml": "[metrics]\nlisten = 9091\n",
	})
	if len(problems) != 1 || !strings.HasPrefix(problems[0], "b.toml:2: metrics.listen: set twice") {
		t.Errorf("%q", problems)
	}
}
