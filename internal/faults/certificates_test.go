package faults

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// certificate is what a client sees of a name.
type seen struct {
	serial string
	names  string
	until  time.Time
}

// shake asks an address for a name and returns the certificate that comes.
func shake(address, name string) (seen, error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		return seen{}, err
	}
	defer c.Close()
	leaf := c.ConnectionState().PeerCertificates[0]
	names := strings.Join(leaf.DNSNames, " ")
	for _, ip := range leaf.IPAddresses {
		names = strings.TrimSpace(names + " " + ip.String())
	}
	return seen{leaf.SerialNumber.Text(16), names, leaf.NotAfter}, nil
}

// served waits until an address serves a certificate for a name.
func (d *daemon) served(address, name string) seen {
	d.t.Helper()
	var got seen
	want := name
	if want == "" {
		want, _, _ = net.SplitHostPort(address)
	}
	d.until("a certificate for "+want, func() bool {
		var err error
		got, err = shake(address, name)
		return err == nil && (got.names == want || got.names == "*"+want[max(0, strings.IndexByte(want, '.')):])
	})
	return got
}

// certificates is what `paddock cert list --json` shows, by name.
func (d *daemon) certificates() map[string]certificateStatus {
	d.t.Helper()
	out, code := d.command("cert", "list", "--json")
	var all []certificateStatus
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != 0 {
		d.t.Fatalf("cert list: %v, exit code %d: %s", err, code, out)
	}
	byName := map[string]certificateStatus{}
	for _, c := range all {
		byName[c.Name] = c
	}
	return byName
}

type certificateStatus struct {
	Name, Mode, Issuer, Why, State, Error string
	NotAfter                              time.Time `json:"not_after"`
	RenewAt                               time.Time `json:"renew_at"`
	NextTry                               time.Time `json:"next_try"`
	Obtained, Failed                      int
}

// site is a server with certificates of an authority.
func site(p *pebble, address string, names ...string) string {
	return fmt.Sprintf("[[server]]\n%sserver_name = [\"%s\"]\ntls = \"auto\"\nreturn = \"200 hello\"\n\n", p.listen(address), strings.Join(names, `", "`))
}

// Each kind of challenge is answered by the daemon's own listeners, which are on
// 127.0.0.2 alone: nothing else is there to answer, and nothing else is opened.
func TestEachChallengeIsAnsweredByOwnListeners(t *testing.T) {
	t.Parallel()
	p := startPebble(t, pebbleOptions{})
	d := folder(t)
	d.configure(d.dnsHook(p) + "challenges = [\"http-01\"]\n" + p.authority() + site(p, "127.0.0.2", "a.test", "*.w.test", "127.0.0.2"))
	d.run()
	d.waitLog(`is serving`)
	secure := "127.0.0.2:" + p.https
	d.served(secure, "a.test")
	d.served(secure, "x.w.test")
	d.served(secure, "")
	if n := p.orders(); n != 3 {
		t.Errorf("%d orders for 3 names", n)
	}
	d.until("the challenges of two names are in the log", func() bool { // a wildcard is not proved over HTTP
		raw, err := os.ReadFile(filepath.Join(d.dir, "log", "access.log"))
		return err == nil && strings.Count(string(raw), `/.well-known/acme-challenge/`) >= 2
	})
	sockets := listening(t, d.proxyPid())
	if len(sockets) != 2 {
		t.Errorf("the proxy listens on %v", sockets)
	}

	// The same names over TLS: what was got stays, what is new is proved the new way.
	d.edit("paddock.toml", `challenges = ["http-01"]`, `challenges = ["tls-alpn-01"]`)
	d.edit("paddock.toml", `"127.0.0.2"]`, `"127.0.0.2", "b.test"]`)
	d.reload()
	d.served(secure, "b.test")
	if n := p.orders(); n != 4 {
		t.Errorf("%d orders for 4 names", n)
	}
	if out, code := d.command("cert", "renew", "127.0.0.2"); code != 0 {
		t.Errorf("renew the certificate of an address: %s", out)
	}

	// Pebble suggests when to renew (RFC 9773).
	d.until("the authority's time of renewal is known", func() bool {
		c := d.certificates()["a.test"]
		return c.Why == "its authority asks for it" && c.RenewAt.After(time.Now()) && c.RenewAt.Before(c.NotAfter)
	})
	d.checkStore()
	d.redirects(p)
	d.unknownNames(p, secure)
	sslscan(t, secure, "a.test")
}

// listening are the addresses of a process's listening TCP sockets.
func listening(t *testing.T, pid int) []string {
	t.Helper()
	inodes := map[string]bool{}
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && strings.HasPrefix(target, "socket:[") {
			inodes[strings.Trim(target[len("socket:"):], "[]")] = true
		}
	}
	found := map[string]bool{}
	for _, family := range []string{"tcp", "tcp6"} {
		for _, line := range readLines(t, fmt.Sprintf("/proc/%d/net/%s", pid, family)) {
			if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" && inodes[f[9]] {
				found[f[1]] = true
			}
		}
	}
	var out []string
	for a := range found {
		out = append(out, a)
	}
	return out
}

// checkStore wants keys that only the proxy's user can read.
func (d *daemon) checkStore() {
	d.t.Helper()
	files := 0
	err := filepath.Walk(filepath.Join(d.dir, "state", "certificates"), func(path string, info os.FileInfo, err error) error {
		switch {
		case err != nil:
			return err
		case info.IsDir() && info.Mode().Perm() != 0o700, !info.IsDir() && info.Mode().Perm() != 0o600:
			d.t.Errorf("%s has the mode %v", path, info.Mode())
		}
		if !info.IsDir() {
			files++
		}
		return nil
	})
	if err != nil || files == 0 {
		d.t.Errorf("%d files in the store, %v", files, err)
	}
}

// redirects wants plain HTTP to be sent to the TLS port.
func (d *daemon) redirects(p *pebble) {
	d.t.Helper()
	got, err := send("127.0.0.2:"+p.http, "GET /x?y HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", patience)
	if err != nil || got.status != 301 {
		d.t.Errorf("plain HTTP: %d, %v; want 301", got.status, err)
	}
}

// unknownNames wants no order for names that are in no server_name.
func (d *daemon) unknownNames(p *pebble, address string) {
	d.t.Helper()
	const n = 10000
	before := p.orders()
	var failed atomic.Int32
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			for k := range n / 8 {
				if err := hello(address, fmt.Sprintf("n%d-%d.unknown.test", i, k)); err != nil {
					failed.Add(1)
				}
			}
		})
	}
	work.Wait()
	if orders := p.orders() - before; orders != 0 || failed.Load() > 0 {
		d.t.Errorf("%d orders for %d unknown names, %d had no answer", orders, n, failed.Load())
	}
	d.t.Logf("%d unknown names, %d orders, %d without an answer", n, p.orders()-before, failed.Load())
}

// hello sends a ClientHello for a name and reads the first record of the answer: the
// name has been looked at by then, and no signature had to be checked for it.
func hello(address, name string) error {
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	first := &firstRecord{Conn: c}
	tls.Client(first, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake()
	return first.err
}

// firstRecord ends a handshake with the first bytes of the answer.
type firstRecord struct {
	net.Conn
	err error
}

func (f *firstRecord) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(make([]byte, 1))
	if n == 0 {
		f.err = err
	}
	return 0, io.ErrUnexpectedEOF
}

// Certificates that live for seconds are renewed again and again while clients come,
// and none of them notices (fault F8).
func TestRenewalUnderLoadFailsNoRequest(t *testing.T) {
	t.Parallel()
	life := long(14*time.Second, 40*time.Second)
	p := startPebble(t, pebbleOptions{life: life})
	d := start(t, p.authority()+site(p, "127.0.0.2", "a.test"))
	secure := "127.0.0.2:" + p.https
	first := d.served(secure, "a.test")
	l := secureLoad(secure, "a.test")
	until := time.Now().Add(long(16*time.Second, 30*time.Minute))
	serials := map[string]bool{first.serial: true}
	for time.Now().Before(until) {
		got, err := shake(secure, "a.test")
		if err != nil {
			t.Errorf("handshake: %v", err)
		} else if time.Now().After(got.until) {
			t.Errorf("a certificate was served %v after its end", time.Since(got.until))
		}
		serials[got.serial] = true
		<-time.After(200 * time.Millisecond)
	}
	sent, failed := l.finish()
	if want := long(1, 30); len(serials) <= want || failed > 0 || sent == 0 {
		t.Errorf("%d certificates; %d of %d requests failed: %v", len(serials), failed, sent, l.last())
	}
	t.Logf("%d certificates of %v, %d requests, %d failed", len(serials), life, sent, failed)
}

// tlsLoad sends requests over TLS, on connections that stay and on new ones.
type tlsLoad struct {
	stop    chan struct{}
	work    sync.WaitGroup
	sent    atomic.Int64
	failed  atomic.Int64
	problem atomic.Pointer[error]
}

func secureLoad(address, name string) *tlsLoad {
	l := &tlsLoad{stop: make(chan struct{})}
	for i := range 6 {
		l.work.Go(func() {
			var c *tls.Conn
			for {
				select {
				case <-l.stop:
					if c != nil {
						c.Close()
					}
					return
				case <-time.After(20 * time.Millisecond):
				}
				var err error
				if c, err = askSecure(c, address, name); err != nil {
					l.failed.Add(1)
					l.problem.Store(&err)
				}
				l.sent.Add(1)
				if i >= 4 && c != nil { // these come anew each time
					c.Close()
					c = nil
				}
			}
		})
	}
	return l
}

// askSecure sends one request, on a new connection when there is none.
func askSecure(c *tls.Conn, address, name string) (*tls.Conn, error) {
	if c == nil {
		var err error
		if c, err = tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, &tls.Config{ServerName: name, InsecureSkipVerify: true}); err != nil {
			return nil, err
		}
	}
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", name)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		c.Close()
		return nil, err
	}
	if _, err = io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != 200 {
		c.Close()
		return nil, fmt.Errorf("status %d, %w", res.StatusCode, err)
	}
	if res.Close { // keepalive_requests
		c.Close()
		return nil, nil
	}
	return c, nil
}

func (l *tlsLoad) finish() (sent, failed int64) {
	close(l.stop)
	l.work.Wait()
	return l.sent.Load(), l.failed.Load()
}

func (l *tlsLoad) last() error {
	if p := l.problem.Load(); p != nil {
		return *p
	}
	return nil
}

// An authority that rejects two nonces of five, and that wants its accounts bound to
// one of its customers, issues in the end (fault F2).
func TestBadNoncesAreOvercome(t *testing.T) {
	t.Parallel()
	// A request is tried 11 times: with 60 % refused, one order in 30 was given up. At 40 % it is one in 3,000, and one in
	// 60 sees no bad nonce at all.
	p := startPebble(t, pebbleOptions{env: []string{"PEBBLE_WFE_NONCEREJECT=40"}, binding: true})
	d := folder(t)
	d.write("eab.key", bindingKey+"\n")
	d.configure(p.authority() + "eab_kid = \"kid-1\"\neab_hmac_key_file = \"eab.key\"\n\n" + site(p, "127.0.0.2", "a.test"))
	d.run()
	d.waitLog(`is serving`)
	d.served("127.0.0.2:"+p.https, "a.test")
}

// A name that cannot be proved holds up no other; the list says what is wrong with it
// (fault F3).
func TestNameThatFailsHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	p := startPebble(t, pebbleOptions{})
	var bad []string
	for i := range 12 { // more than are ordered at once
		name := fmt.Sprintf("bad%d.test", i)
		p.point(name, "127.0.0.9")
		bad = append(bad, name)
	}
	d := start(t, p.authority()+site(p, "127.0.0.2", append(bad, "good.test")...))
	d.served("127.0.0.2:"+p.https, "good.test")
	d.until("the list says what is wrong", func() bool {
		c := d.certificates()["bad0.test"]
		return c.Failed == 1 && strings.Contains(c.Error, "127.0.0.9") && time.Until(c.NextTry) > 30*time.Second
	})
}

func TestInternalAuthorityServesAtOnce(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	d := start(t, fmt.Sprintf("[[server]]\nlisten = \"127.0.0.2:%s ssl\"\nserver_name = [\"app.localhost\", \"127.0.0.2\"]\ntls = \"internal\"\nreturn = \"200 hello\"\n", port))
	address := "127.0.0.2:" + port
	d.served(address, "app.localhost")
	d.served(address, "")
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(d.read("state/certificates/internal/root.crt"))) {
		t.Fatal("the authority's certificate is none")
	}
	for _, name := range []string{"app.localhost", "127.0.0.2"} {
		c, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, &tls.Config{ServerName: name, RootCAs: roots})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c.Close()
	}
	if c := d.certificates()["127.0.0.2"]; c.Mode != "internal" || c.Error != "" {
		t.Errorf("cert list: %+v", c)
	}
}

// An authority that is down, or hangs, does not keep the next one from issuing, nor the
// daemon from serving (fault F1).
func TestNextAuthorityIssuesWhenTheFirstIsDown(t *testing.T) {
	t.Parallel()
	p := startPebble(t, pebbleOptions{})
	down := fmt.Sprintf("[[tls.authority]]\ndirectory = \"https://%s/dir\"\n\n", freeAddress(t))
	d := start(t, down+p.authority()+site(p, "127.0.0.2", "a.test"))
	d.served("127.0.0.2:"+p.https, "a.test")
	if c := d.certificates()["a.test"]; !strings.HasPrefix(c.Issuer, strings.TrimPrefix(strings.TrimSuffix(p.directory, "/dir"), "https://")) || c.Error != "" {
		t.Errorf("cert list: %+v", c)
	}
}

func TestOldCertificateServesWhileTheAuthorityHangs(t *testing.T) {
	t.Parallel()
	p := startPebble(t, pebbleOptions{life: 20 * time.Second})
	d := start(t, p.authority()+site(p, "127.0.0.2", "a.test"))
	secure := "127.0.0.2:" + p.https
	first := d.served(secure, "a.test")
	p.cmd.Process.Signal(syscall.SIGSTOP)
	d.until("a renewal is under way", func() bool { return d.certificates()["a.test"].State == "renewing" })
	for range 20 {
		if got, err := shake(secure, "a.test"); err != nil || got.serial != first.serial {
			t.Fatalf("got %+v, %v; want the old certificate %+v", got, err, first)
		}
	}
	p.cmd.Process.Signal(syscall.SIGCONT)
	d.until("another certificate", func() bool {
		got, err := shake(secure, "a.test")
		return err == nil && got.serial != first.serial
	})
}

// An authority that says how long to wait is not asked before (fault F4).
func TestRetryAfterOfAnAuthorityIsObeyed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	roots, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key")
	writeLoopbackCertificate(t, roots, key)
	var asked atomic.Int32
	address := freeAddress(t)
	limited := &http.Server{Addr: address, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Retry-After", "7200")
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(w, `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many","status":429}`)
	})}
	go limited.ListenAndServeTLS(roots, key)
	t.Cleanup(func() { limited.Close() })
	http, https := freePort(t), freePort(t)
	d := start(t, fmt.Sprintf("[[tls.authority]]\ndirectory = \"https://%s/dir\"\ntrusted_roots = %q\n\n[[server]]\nlisten = [\"127.0.0.2:%s\", \"127.0.0.2:%s ssl\"]\nserver_name = [\"a.test\", \"b.test\", \"c.test\"]\ntls = \"auto\"\nreturn = \"200 hello\"\n",
		address, roots, http, https))
	for _, name := range []string{"a.test", "b.test", "c.test"} {
		d.until(name+" waits", func() bool { return d.certificates()[name].Failed > 0 })
		if c := d.certificates()[name]; time.Until(c.NextTry) < 115*time.Minute || c.Error == "" {
			t.Errorf("%s: next try in %v: %s", name, time.Until(c.NextTry), c.Error)
		}
	}
	if out, code := d.command("cert", "renew", "a.test"); code == 0 || !strings.Contains(out, "asked to wait") {
		t.Errorf("renew: exit code %d: %s", code, out)
	}
	if n := asked.Load(); n > 3 { // names that began at once
		t.Errorf("the authority was asked %d times", n)
	}
}

// What is stored and broken is set aside; other names and plain HTTP go on (fault F5).
func TestCorruptStoreIsSetAside(t *testing.T) {
	t.Parallel()
	p := startPebble(t, pebbleOptions{})
	d := start(t, p.authority()+site(p, "127.0.0.2", "a.test", "b.test", "c.test", "d.test"))
	secure := "127.0.0.2:" + p.https
	before := map[string]seen{}
	for _, name := range []string{"a.test", "b.test", "c.test", "d.test"} {
		before[name] = d.served(secure, name)
	}
	d.stop()
	stored := func(name, extension string) string {
		found, _ := filepath.Glob(filepath.Join(d.dir, "state/certificates/certificates/*", name, name+extension))
		if len(found) != 1 {
			t.Fatalf("%s%s: %v", name, extension, found)
		}
		return found[0]
	}
	other, err := os.ReadFile(stored("a.test", ".key"))
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{stored("b.test", ".crt"): "", stored("c.test", ".key"): string(other), stored("d.test", ".json"): "{"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.run()
	d.waitLog(`is serving`)
	if got := d.served(secure, "a.test"); got != before["a.test"] {
		t.Errorf("the name that is whole got %+v instead of %+v", got, before["a.test"])
	}
	d.redirects(p)
	for _, name := range []string{"b.test", "c.test", "d.test"} {
		if got := d.served(secure, name); got == before[name] {
			t.Errorf("%s is served as before", name)
		}
	}
	if set, _ := filepath.Glob(filepath.Join(d.dir, "state/certificates/corrupt/*")); len(set) == 0 {
		t.Error("nothing was set aside")
	}
}

// A daemon that is killed in an order begins anew with the account that it has, and
// reloads do not cut an order (fault F12).
func TestKilledInAnOrderBeginsAnew(t *testing.T) {
	t.Parallel()
	p := startPebble(t, pebbleOptions{env: []string{"PEBBLE_VA_NOSLEEP=0", "PEBBLE_VA_SLEEPTIME=4"}})
	d := start(t, p.authority()+site(p, "127.0.0.2", "a.test"))
	if p.log.wait(compile(`POST /chalZ|POST /authZ`), patience) == nil {
		t.Fatal("no order was begun")
	}
	kill(t, d.proxyPid())
	kill(t, d.cmd.Process.Pid)
	<-d.exit
	d.run()
	d.waitLog(`is serving`)
	orders := p.orders()
	d.until("a second order", func() bool { return p.orders() > orders })
	for i := range 20 {
		d.edit("paddock.toml", map[bool]string{true: "200 hello", false: "200 hallo"}[i%2 == 0], map[bool]string{true: "200 hallo", false: "200 hello"}[i%2 == 0])
		d.reload()
	}
	d.served("127.0.0.2:"+p.https, "a.test")
	if n := p.orders() - orders; n != 1 {
		t.Errorf("%d orders after the restart", n)
	}
	if n := len(p.log.matching(`POST /sign-me-up`)); n != 1 {
		t.Errorf("%d accounts were registered", n)
	}
}

// Two daemons with one store place one order, and either can be the one that the
// authority asks (fault F7).
func TestTwoDaemonsWithOneStorePlaceOneOrder(t *testing.T) {
	t.Parallel()
	p := startPebble(t, pebbleOptions{})
	p.point("a.test", "127.0.0.3")
	store := filepath.Join(t.TempDir(), "certificates")
	if err := os.Mkdir(store, 0o700); err != nil {
		t.Fatal(err)
	}
	var both []*daemon
	for _, address := range []string{"127.0.0.2", "127.0.0.3"} {
		d := folder(t)
		if err := os.MkdirAll(filepath.Join(d.dir, "state"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(store, filepath.Join(d.dir, "state", "certificates")); err != nil {
			t.Fatal(err)
		}
		d.configure(p.authority() + site(p, address, "a.test"))
		both = append(both, d)
	}
	if err := os.Chmod(filepath.Dir(store), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(filepath.Dir(store)), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range both {
		d.run()
	}
	a := both[0].served("127.0.0.2:"+p.https, "a.test")
	b := both[1].served("127.0.0.3:"+p.https, "a.test")
	if a != b || p.orders() != 1 {
		t.Errorf("%d orders, %+v and %+v", p.orders(), a, b)
	}
}

// reload has the daemon read its configuration anew.
func (d *daemon) reload() {
	d.t.Helper()
	if out, code := d.command("reload"); code != 0 {
		d.t.Fatalf("reload: exit code %d: %s", code, out)
	}
}

// A thousand handshakes that begin and never go on are ended, and hold up nobody
// (fault D8).
func TestStalledHandshakesHoldUpNobody(t *testing.T) {
	t.Parallel()
	const stalled = 1000
	port := freePort(t)
	d := start(t, fmt.Sprintf("[[server]]\nlisten = \"127.0.0.2:%s ssl\"\nserver_name = \"a.test\"\ntls = \"internal\"\nreturn = \"200 hello\"\n", port))
	address := "127.0.0.2:" + port
	d.served(address, "a.test")
	begun := time.Now()
	conns := make([]net.Conn, stalled)
	for i := range conns {
		c, err := net.DialTimeout("tcp", address, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")[:i%11]) // none at all, up to the begin of a ClientHello
		conns[i] = c
	}
	l := secureLoad(address, "a.test")
	for _, c := range conns {
		c.SetDeadline(begun.Add(patience))
		if _, err := io.Copy(io.Discard, c); os.IsTimeout(err) {
			t.Fatalf("a handshake that stalled is open after %v", patience)
		}
		if took := time.Since(begun); took > 15*time.Second {
			t.Fatalf("a handshake that stalled was ended after %v", took)
		}
	}
	sent, failed := l.finish()
	if failed > 0 || sent < 100 {
		t.Errorf("%d of %d requests failed beside %d stalled handshakes: %v", failed, sent, stalled, l.last())
	}
	t.Logf("%d stalled handshakes, %d requests, %d failed", stalled, sent, failed)
}

// Files that another program has renewed are served as soon as certificate and key
// belong together; until then nothing changes, whoever asks.
func TestRenewedFilesAreServedWhenTheyMatch(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	d := folder(t)
	certificate, key := filepath.Join(d.dir, "cert.pem"), filepath.Join(d.dir, "key.pem")
	writeLoopbackCertificate(t, certificate, key)
	d.configure(fmt.Sprintf("[[server]]\nlisten = \"127.0.0.2:%s ssl\"\nserver_name = \"a.test\"\nssl_certificate = \"cert.pem\"\nssl_certificate_key = \"key.pem\"\nreturn = \"200 hello\"\n", port))
	d.run()
	d.waitLog(`is serving`)
	address := "127.0.0.2:" + port
	look := func() string {
		got, err := shake(address, "a.test")
		if err != nil {
			t.Fatal(err)
		}
		return got.serial
	}
	first := look()
	l := secureLoad(address, "a.test")
	writeLoopbackCertificate(t, certificate, filepath.Join(d.dir, "new.key"))
	if out, code := d.command("reload"); code != 2 || !strings.Contains(out, "ssl_certificate") || look() != first {
		t.Errorf("a pair that does not match: exit code %d: %s", code, out)
	}
	if err := os.Rename(filepath.Join(d.dir, "new.key"), key); err != nil {
		t.Fatal(err)
	}
	d.waitLog(`certificate files have changed; the new ones serve`)
	second := look()
	if second == first {
		t.Error("the old certificate is served")
	}
	d.reload()
	d.waitLog(`unchanged`) // a reload finds what is served
	if sent, failed := l.finish(); failed > 0 {
		t.Errorf("%d of %d requests failed: %v", failed, sent, l.last())
	}
}
