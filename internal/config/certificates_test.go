package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestServerOnAnAddressThatSpeaksTLSNeedsACertificate(t *testing.T) {
	const first = "[[server]]\nlisten = [\"80\", \"443\"]\nserver_name = \"a.example.com\"\ntls = \"auto\"\nreturn = \"200\"\n\n"
	const second = "[[server]]\nlisten = \"443\"\nserver_name = \"b.example.com\"\nreturn = \"200\"\n"
	_, problems := loadFiles(t, fakeHost(t, 0), map[string]string{"main.toml": first + second})
	if len(problems) != 1 || !strings.HasPrefix(problems[0], "main.toml:8: server[1].listen: ") {
		t.Errorf("got %q", problems)
	}
	if _, problems := loadFiles(t, fakeHost(t, 0), map[string]string{"main.toml": first + second + "ssl_certificate = \"cert.pem\"\nssl_certificate_key = \"key.pem\"\n"}); len(problems) > 0 {
		t.Errorf("with a certificate: %q", problems)
	}
}

func TestAutoSendsPlainHTTPToHTTPSUnlessToldOtherwise(t *testing.T) {
	for text, want := range map[string]bool{"": true, "https_redirect = true\n": true, "https_redirect = false\n": false} {
		c, problems := loadFiles(t, fakeHost(t, 0), map[string]string{
			"main.toml": "[[server]]\nlisten = [\"80\", \"443\"]\nserver_name = \"a.example.com\"\ntls = \"auto\"\nreturn = \"200\"\n" + text,
		})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if got := c.ProxyConfig().Servers[0]; *got.HTTPSRedirect != want || got.Listen[0].SSL || !got.Listen[1].SSL {
			t.Errorf("%q: %v, %+v", text, *got.HTTPSRedirect, got.Listen)
		}
	}
}

// A certificate that was renewed makes another configuration, the same as a load of the
// whole finds; one that does not match its key makes none.
func TestRenewedCertificateIsAnotherConfiguration(t *testing.T) {
	dir := t.TempDir()
	copyFile := func(from, to string) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join("testdata", from))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, to), string(data))
	}
	copyFile("cert.pem", "own.crt")
	copyFile("key.pem", "own.key")
	main := filepath.Join(dir, "main.toml")
	write(t, main, "[paddock]\nstate_dir = \"s\"\nrun_dir = \"r\"\nlog_dir = \"l\"\n[[server]]\nlisten = \"8443 ssl\"\nssl_certificate = \"own.crt\"\nssl_certificate_key = \"own.key\"\nreturn = \"200\"\n")
	c, err := Load(main)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := c.Renewed(); err != nil || same.Sum != c.Sum {
		t.Errorf("unchanged files: %v, another sum: %v", err, same.Sum != c.Sum)
	}
	copyFile("cert.pem", "own.crt")
	certificate, err := os.ReadFile(filepath.Join(dir, "own.crt"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "own.crt"), string(certificate)+"\n# renewed\n")
	next, err := c.Renewed()
	if err != nil || next.Sum == c.Sum {
		t.Errorf("renewed files: %v, another sum: %v", err, next.Sum != c.Sum)
	}
	if again, err := Load(main); err != nil || again.Sum != next.Sum {
		t.Errorf("a load finds another configuration than what serves: %v", err)
	}
	write(t, filepath.Join(dir, "own.key"), "no key")
	if _, err := c.Renewed(); err == nil || !strings.Contains(err.Error(), "server[0].ssl_certificate") {
		t.Errorf("a pair that does not match: %v", err)
	}
}
