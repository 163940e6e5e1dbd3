package faults

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pebbleTools builds Pebble, Let's Encrypt's ACME authority for tests, once.
var pebbleTools = sync.OnceValues(func() (dir string, err error) {
	dir = filepath.Dir(paddock)
	build := exec.Command("go", "build", "-modfile=internal/tools/go.mod", "-o", dir+"/",
		"github.com/letsencrypt/pebble/v2/cmd/pebble", "github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build pebble: %w\n%s", err, out)
	}
	return dir, nil
})

// pebble is a running authority with a DNS of its own: every name is at one address.
// It validates, always: the switch that makes it believe everything stays off.
type pebble struct {
	t           *testing.T
	directory   string // URL
	roots       string // file with the certificate of its own HTTPS
	management  string // of the DNS
	http, https string // the ports that it asks for challenges
	log         *lines
	cmd         *exec.Cmd
	config      string
	dns         string
	env         []string
}

// pebbleOptions are what differs between tests.
type pebbleOptions struct {
	life    time.Duration // of certificates; 90 days
	address string        // of every name; 127.0.0.2
	binding bool          // accounts have to be bound to the key of kid-1
	env     []string
}

// bindingKey is the key of kid-1.
const bindingKey = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"

func startPebble(t *testing.T, o pebbleOptions) *pebble {
	t.Helper()
	dir := t.TempDir()
	if o.life == 0 {
		o.life = 90 * 24 * time.Hour
	}
	if o.address == "" {
		o.address = "127.0.0.2"
	}
	p := &pebble{t: t, roots: filepath.Join(dir, "pebble.pem"), log: newLines(), config: filepath.Join(dir, "pebble.json"), env: o.env}
	// The keeper may read it before it drops anything, so any mode will do.
	key := filepath.Join(dir, "pebble.key")
	writeLoopbackCertificate(t, p.roots, key)
	listen, management, dns := freeAddress(t), freeAddress(t), freeAddress(t)
	p.directory, p.management, p.dns = "https://"+listen+"/dir", freeAddress(t), dns
	p.http, p.https = freePort(t), freePort(t)
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": management, "certificate": p.roots, "privateKey": key,
		"httpPort": number(p.http), "tlsPort": number(p.https), "keyAlgorithm": "ecdsa", "ocspResponderURL": "",
		"externalAccountBindingRequired": o.binding, "externalAccountMACKeys": map[string]string{"kid-1": bindingKey},
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "the only one", "validityPeriod": int(o.life.Seconds())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.config, text, 0o644); err != nil {
		t.Fatal(err)
	}
	tools, err := pebbleTools()
	if err != nil {
		t.Fatal(err)
	}
	names := newLines()
	p.start(exec.Command(filepath.Join(tools, "pebble-challtestsrv"), "-dnsserver", dns, "-management", p.management,
		"-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-defaultIPv4", o.address, "-defaultIPv6", ""), names)
	if names.wait(compile(`Starting management server`), patience) == nil {
		t.Fatalf("the DNS did not start:\n%s", names.tail(20))
	}
	p.up()
	return p
}

// up starts the authority, for the first time or after stop.
func (p *pebble) up() {
	p.t.Helper()
	p.cmd = exec.Command(filepath.Join(filepath.Dir(paddock), "pebble"), "-config", p.config, "-dnsserver", p.dns)
	p.cmd.Env = append(append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0", "PEBBLE_VA_ALWAYS_VALID=0"), p.env...)
	p.log.forget()
	p.start(p.cmd, p.log)
	if p.log.wait(compile(`Listening on|ACME directory available at`), patience) == nil {
		p.t.Fatalf("pebble did not start:\n%s", p.log.tail(20))
	}
}

func (p *pebble) start(cmd *exec.Cmd, log *lines) {
	p.t.Helper()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGCONT)
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// orders is how many were placed.
func (p *pebble) orders() int { return len(p.log.matching(`POST /order-plz`)) }

// authority is the section of the configuration.
func (p *pebble) authority() string {
	return fmt.Sprintf("[[tls.authority]]\ndirectory = %q\ntrusted_roots = %q\n\n", p.directory, p.roots)
}

// listen is what a server has to listen on to be asked, and on no other address.
func (p *pebble) listen(address string) string {
	return fmt.Sprintf("listen = [\"%s:%s\", \"%s:%s ssl\"]\n", address, p.http, address, p.https)
}

// point has a name be at another address than the rest.
func (p *pebble) point(name, address string) {
	p.t.Helper()
	body, _ := json.Marshal(map[string]any{"host": name + ".", "addresses": []string{address}})
	res, err := http.Post("http://"+p.management+"/add-a", "application/json", bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	res.Body.Close()
}

// freePort is a port that is free on every loopback address a test uses.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		_, port, err := net.SplitHostPort(freeAddress(t))
		if err != nil {
			t.Fatal(err)
		}
		free := true
		for _, address := range []string{"127.0.0.2", "127.0.0.3"} {
			l, err := net.Listen("tcp", net.JoinHostPort(address, port))
			if err != nil {
				free = false
				break
			}
			l.Close()
		}
		if free {
			return port
		}
	}
	t.Fatal("no free port")
	return ""
}

func number(port string) int {
	n := 0
	fmt.Sscan(port, &n)
	return n
}

// writeLoopbackCertificate makes a certificate for 127.0.0.1 that vouches for itself.
func writeLoopbackCertificate(t *testing.T, certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// dnsHook writes programs that make and remove DNS records as certbot's hooks do, and
// returns the section's keys.
func (d *daemon) dnsHook(p *pebble) string {
	d.t.Helper()
	const script = `import json, os, sys, urllib.request
host = "_acme-challenge." + os.environ["CERTBOT_DOMAIN"] + "."
body = {"host": host}
if sys.argv[1] == "set-txt":
    body["value"] = os.environ["CERTBOT_VALIDATION"]
    print("made " + host)
elif os.environ["CERTBOT_AUTH_OUTPUT"] != "made " + host:
    sys.exit("CERTBOT_AUTH_OUTPUT is " + os.environ["CERTBOT_AUTH_OUTPUT"])
urllib.request.urlopen("http://MANAGEMENT/" + sys.argv[1], json.dumps(body).encode())
`
	d.write("hook.py", strings.ReplaceAll(script, "MANAGEMENT", p.management))
	hook := "/usr/bin/python3 " + filepath.Join(d.dir, "hook.py")
	return fmt.Sprintf("[tls]\nmanual_auth_hook = \"%s set-txt\"\nmanual_cleanup_hook = \"%s clear-txt\"\n", hook, hook)
}
