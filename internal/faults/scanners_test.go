//go:build soak

package faults

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// tool runs a program of Debian's for at most limit and returns what it printed.
func tool(t *testing.T, limit time.Duration, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed; `make soak` installs it", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if ctx.Err() != nil {
		t.Errorf("%s did not end within %v", name, limit)
	}
	text := escapes.ReplaceAllString(string(out), "")
	if err != nil && text == "" {
		t.Errorf("%s: %v", name, err)
	}
	return text
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

// Each attack of slowhttptest, against two sync workers: the others feel nothing,
// its own probe is answered all the time, and what is slow is closed when its time
// is over.
func TestSlowhttptestHoldsNobodyUp(t *testing.T) { // C1, C2, C3, C12
	for name, c := range map[string]struct {
		path string
		args []string
	}{
		"slow heads":             {"/", []string{"-H", "-c", "1000", "-i", "2", "-x", "24"}},
		"slow bodies":            {"/load/1", []string{"-B", "-c", "1000", "-i", "2", "-s", "100000", "-x", "24"}},
		"many ranges":            {"/files/big", []string{"-R", "-c", "500", "-t", "HEAD", "-a", "10", "-b", "3000"}},
		"slow readers":           {"/files/big", []string{"-X", "-c", "500", "-w", "1", "-y", "512", "-n", "2", "-z", "5", "-k", "3"}},
		"slow readers of an app": {"/load/1/long", []string{"-X", "-c", "500", "-w", "1", "-y", "512", "-n", "2", "-z", "5", "-k", "3"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := withFiles(t)
			d.edit("paddock.toml", "listen = ", "client_header_timeout = \"10s\"\nclient_body_timeout = \"10s\"\nsend_timeout = \"10s\"\nlisten = ")
			d.log.forget()
			d.command("reload")
			d.waitLog(`reloaded`)
			before, rss := d.status(t), residentKB(t, d.proxyPid())
			l := d.load()
			out := tool(t, time.Minute, "slowhttptest", append(c.args, "-r", "200", "-l", "25", "-p", "3", "-v", "1", "-u", "http://"+d.addr+c.path)...)
			most := residentKB(t, d.proxyPid()) - rss
			l.finish(t)
			t.Logf("%s\nmemory %+d KiB", tail(out, 14), most)
			if l.failed() > 0 {
				t.Errorf("%d requests of others failed", l.failed())
			}
			if strings.Contains(out, "service available:  NO") {
				t.Error("slowhttptest got no answer to its probe")
			}
			d.until("its connections are closed", func() bool { return d.status(t).ProxyFiles <= before.ProxyFiles+5 })
		})
	}
}

func tail(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// nmapScripts are those of Debian's nmap that ask a web server for faults of the
// server itself, not of an application.
const nmapScripts = "http-methods,http-trace,http-open-proxy,http-passwd,http-git,http-svn-info,http-config-backup,http-backup-finder,http-enum,http-headers,http-server-header,http-security-headers,http-method-tamper," +
	"http-put,http-webdav-scan,http-internal-ip-disclosure,http-iis-webdav-vuln,http-apache-negotiation,http-apache-server-status,http-phpmyadmin-dir-traversal,http-tplink-dir-traversal,http-barracuda-dir-traversal," +
	"http-axis2-dir-traversal,http-litespeed-sourcecode-download,http-shellshock,http-unsafe-output-escaping,http-phpself-xss,http-vuln-cve2011-3192,http-vuln-cve2011-3368,http-vuln-cve2015-1635,http-vuln-misfortune-cookie," +
	"http-slowloris-check,http-userdir-enum,http-cors,http-date,http-title,http-errors,http-useragent-tester,http-waf-detect"

func TestNmapFindsNoFault(t *testing.T) {
	d := withFiles(t)
	_, port, _ := strings.Cut(d.addr, ":")
	l := (&load{addr: d.addr, keep: 2, fresh: 1}).start()
	out := tool(t, 5*time.Minute, "nmap", "-Pn", "-n", "-sT", "-p", port, "--script", "+"+strings.ReplaceAll(nmapScripts, ",", ",+"), "--script-timeout", "60s", "--script-args", "http-methods.url-path=/,http-methods.test-all", "127.0.0.1")
	l.finish(t)
	t.Log(out)
	for _, bad := range []string{"State: VULNERABLE", "LIKELY VULNERABLE", "TRACE is enabled", "Potentially OPEN proxy", "root:x:0"} {
		if strings.Contains(out, bad) {
			t.Errorf("nmap says %q", bad)
		}
	}
	if !strings.Contains(out, "http-server-header") {
		t.Error("nmap did not take it for a web server")
	}
	if l.failed() > 0 {
		t.Errorf("%d requests of others failed", l.failed())
	}
}

// certificate writes cert.pem and key.pem.
func (d *daemon) certificate() {
	d.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		d.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a.test"}, DNSNames: []string{"a.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		d.t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		d.t.Fatal(err)
	}
	d.write("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	d.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})))
}

func TestSslscanFindsNothingOld(t *testing.T) { // D9
	d := folder(t)
	d.certificate()
	d.configure("[[server]]\nlisten = \"ADDR ssl\"\nserver_name = [\"a.test\"]\nssl_certificate = \"cert.pem\"\nssl_certificate_key = \"key.pem\"\nreturn = \"200 ok\"\n")
	d.run()
	d.waitLog(`is serving`)
	out := tool(t, time.Minute, "sslscan", "--no-colour", "--sni-name=a.test", d.addr)
	t.Log(out)
	for _, want := range []string{
		`SSLv2\s+disabled`, `SSLv3\s+disabled`, `TLSv1\.0\s+disabled`, `TLSv1\.1\s+disabled`, `TLSv1\.2\s+enabled`, `TLSv1\.3\s+enabled`, `Session renegotiation not supported`,
		`TLSv1\.3 not vulnerable to heartbleed`, `TLSv1\.2 not vulnerable to heartbleed`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("sslscan does not say %q", want)
		}
	}
	for _, cipher := range regexp.MustCompile(`(?:Preferred|Accepted)\s+TLSv\S+\s+\d+ bits\s+(\S+)`).FindAllStringSubmatch(out, -1) {
		if !strings.HasPrefix(cipher[1], "TLS_") && !regexp.MustCompile(`^ECDHE-.*(GCM|POLY1305)`).MatchString(cipher[1]) {
			t.Errorf("cipher %s is offered", cipher[1])
		}
	}
}
