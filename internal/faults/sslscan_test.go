package faults

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// sslscan wants nothing old or weak to be offered (fault D9).
func sslscan(t *testing.T, address, name string) {
	t.Helper()
	out, err := exec.Command("sslscan", "--no-colour", "--sni-name="+name, address).CombinedOutput()
	if err != nil {
		t.Fatalf("sslscan: %v\n%s", err, out)
	}
	text := string(out)
	for _, want := range []string{
		"SSLv2     disabled", "SSLv3     disabled", "TLSv1.0   disabled", "TLSv1.1   disabled", "TLSv1.2   enabled", "TLSv1.3   enabled",
		"renegotiation not supported", "TLSv1.3 not vulnerable to heartbleed", "TLSv1.2 not vulnerable to heartbleed",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("sslscan does not say %q:\n%s", want, text)
		}
	}
	suites := regexp.MustCompile(`(?m)^(?:Preferred|Accepted)\s+(\S+)\s+\d+ bits\s+(\S+)`).FindAllStringSubmatch(text, -1)
	for _, s := range suites {
		if s[1] == "TLSv1.2" && !strings.HasPrefix(s[2], "ECDHE-") || !strings.Contains(s[2], "GCM") && !strings.Contains(s[2], "CHACHA20") {
			t.Errorf("%s %s is offered", s[1], s[2])
		}
	}
	if len(suites) < 5 {
		t.Errorf("%d ciphers are offered", len(suites))
	}
}
