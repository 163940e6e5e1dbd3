package proxy

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"paddock/internal/value"
	"paddock/proxy/netpoll"
)

// selfSigned is a certificate for names that vouches for itself.
func selfSigned(t testing.TB, names ...string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// speaks is what a server with one certificate speaks TLS with.
func speaks(c tls.Certificate) Secure {
	return Secure{Config: func(protocols []string) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{c}, NextProtos: protocols, DynamicRecordSizingDisabled: true}
	}}
}

// secureRig is a rig whose listener speaks TLS, with a client's configuration.
type secureRig struct {
	*rig
	client *tls.Config
}

func newSecureRig(t *testing.T, change func(*Config)) *secureRig {
	t.Helper()
	certificate, pool := selfSigned(t, "a.test", "b.test")
	r := newRigOn(t, "tcp", "127.0.0.1:0", " ssl", func(c *Config) {
		if change != nil {
			change(c)
		}
		for len(c.Secure) < len(c.Servers) {
			c.Secure = append(c.Secure, speaks(certificate))
		}
	})
	return &secureRig{r, &tls.Config{RootCAs: pool, ServerName: "a.test"}}
}

func (r *secureRig) open(name string) *tls.Conn {
	r.t.Helper()
	c := r.client.Clone()
	c.ServerName = name
	conn := tls.Client(r.dial(), c)
	must(r.t, conn.Handshake())
	return conn
}

// ask sends bytes over a new secure connection and returns all that comes until it
// closes, which must be with close_notify.
func (r *secureRig) ask(name, text string) string {
	r.t.Helper()
	c := r.open(name)
	_, err := io.WriteString(c, text)
	must(r.t, err)
	out, err := io.ReadAll(c)
	if err != nil {
		r.t.Errorf("read until the end: %v", err)
	}
	return maskDate(string(out))
}

func TestSecureConnectionCarriesRequestsUntilItCloses(t *testing.T) {
	r := newSecureRig(t, nil)
	b := r.backend(1, echo)
	r.ready(1, 0)
	c := r.open("a.test")
	br := bufio.NewReader(c)
	for i := range 50 {
		fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: a.test\r\n\r\n", i)
		if status, body := readAnswer(t, br, "GET"); status != 200 || body != fmt.Sprintf("/%d", i) {
			t.Fatalf("answer %d: %d %q", i, status, body)
		}
	}
	fmt.Fprint(c, "GET /last HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	readAnswer(t, br, "GET")
	if _, err := br.ReadByte(); err != io.EOF {
		t.Errorf("after the last answer: %v; expected close_notify", err)
	}
	if head := b.requests[0].head; !strings.Contains(head, "X-Forwarded-Proto: https\r\n") {
		t.Errorf("the app got %q", head)
	}
}

func TestRequestsOfOneRecordAreAllAnswered(t *testing.T) {
	r := newSecureRig(t, returning("200 ok"))
	const n = 100
	got := r.ask("a.test", strings.Repeat("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", n-1)+"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	if k := strings.Count(got, "HTTP/1.1 200 OK"); k != n {
		t.Errorf("%d of %d answered", k, n)
	}
	if lines := r.lines(); len(lines) != n {
		t.Errorf("%d lines", len(lines))
	}
}

func TestLargeBodiesPassBothWaysOverTLS(t *testing.T) {
	r := newSecureRig(t, func(c *Config) { c.Servers[0].ClientMaxBodySize = new(value.Size(8 << 20)) })
	r.backend(1, func(c net.Conn, q request) bool {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(q.body))
		io.WriteString(c, q.body)
		return false
	})
	r.ready(1, 0)
	body := make([]byte, 3<<20)
	rand.Read(body)
	for range 3 {
		c := r.open("a.test")
		go func() {
			fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n", len(body))
			c.Write(body)
		}()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		must(t, err)
		got, err := io.ReadAll(res.Body)
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%d bytes, %v; want %d that are the same", len(got), err, len(body))
		}
	}
}

func TestAnswerIsFewRecords(t *testing.T) {
	r := newSecureRig(t, returning("200 "+strings.Repeat("x", 5000)))
	raw := r.dial()
	counted := &countingConn{Conn: raw}
	config := r.client.Clone()
	c := tls.Client(counted, config)
	must(t, c.Handshake())
	br := bufio.NewReader(c)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	readAnswer(t, br, "GET") // session tickets come with the first
	counted.bytes = 0
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	head, err := http.ReadResponse(br, nil)
	must(t, err)
	io.Copy(io.Discard, head.Body)
	const plain = 5000 + 300 // body and head
	if over := counted.bytes - plain; over > 22 {
		t.Errorf("%d bytes came; one record of 22 more than the answer was expected", counted.bytes)
	}
}

type countingConn struct {
	net.Conn
	bytes int
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes += n
	return n, err
}

func TestPlainHTTPOnTheTLSPortIsToldSo(t *testing.T) {
	r := newSecureRig(t, returning("200 ok"))
	got, _ := r.raw("GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n")
	const page = "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n<center>The plain HTTP request was sent to HTTPS port</center>\r\n"
	if !strings.HasPrefix(got, "HTTP/1.1 400 Bad Request\r\n") || !strings.Contains(got, page) || !strings.Contains(got, "Connection: close\r\n") {
		t.Errorf("got %q", got)
	}
	if lines := r.lines(); len(lines) != 1 || !strings.HasPrefix(lines[0], `"GET /x HTTP/1.1" 400 `) {
		t.Errorf("the log: %q", lines)
	}
}

func TestErrorPage497TakesPlainHTTPOnTheTLSPort(t *testing.T) {
	r := newSecureRig(t, func(c *Config) {
		returning("200 ok")(c)
		c.Servers[0].ErrorPage = []string{"497 https://a.test$request_uri"}
	})
	got, _ := r.raw("GET /x?y HTTP/1.1\r\nHost: a.test\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 302 ") || !strings.Contains(got, "Location: https://a.test/x?y\r\n") {
		t.Errorf("got %q", got)
	}
}

func TestNameChoosesTheCertificateAsItChoosesTheServer(t *testing.T) {
	certB, poolB := selfSigned(t, "b.test", "x.b.test")
	r := newSecureRig(t, func(c *Config) {
		c.Servers = []Server{{App: "web"}, {App: "web", ServerName: []string{"b.test", "*.b.test"}}}
		certA, _ := selfSigned(t, "a.test")
		c.Secure = []Secure{speaks(certA), speaks(certB)}
	})
	r.client.RootCAs = poolB
	for _, name := range []string{"b.test", "B.TEST", "x.b.test"} {
		c := r.client.Clone()
		c.ServerName, c.InsecureSkipVerify = name, true
		conn := tls.Client(r.dial(), c)
		must(t, conn.Handshake())
		if got := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; got != "b.test" {
			t.Errorf("%s: got the certificate of %s", name, got)
		}
	}
	for _, name := range []string{"", "unknown.test", "127.0.0.1", "a..test", "a\x00.test", "a.test\x00.b.test", strings.Repeat("a", 250) + ".test"} {
		conn := tls.Client(r.dial(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
		must(t, conn.Handshake())
		if got := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; got != "a.test" {
			t.Errorf("%q: got the certificate of %s", name, got)
		}
	}
}

func TestClientCertificatesAreJudgedForEachRequest(t *testing.T) {
	asks := func(s Secure) Secure {
		config := s.Config
		s.Config = func(p []string) *tls.Config {
			c := config(p)
			c.ClientAuth = tls.RequestClientCert
			return c
		}
		s.Verify = func(s *tls.ConnectionState) Verdict {
			switch {
			case len(s.PeerCertificates) == 0:
				return Verdict{"NONE", 496}
			case s.PeerCertificates[0].Subject.CommonName != "good":
				return Verdict{"FAILED:bad", 495}
			}
			return Verdict{Result: "SUCCESS"}
		}
		return s
	}
	open, _ := selfSigned(t, "a.test")
	r := newSecureRig(t, func(c *Config) {
		c.Servers = []Server{{Return: "200 open", ServerName: []string{"open.test"}}, {Return: "200 closed", ServerName: []string{"closed.test"}}}
		c.Secure = []Secure{speaks(open), asks(speaks(open))}
	})
	r.client.InsecureSkipVerify = true
	request := func(host string) string { return "GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n" }
	good, _ := selfSigned(t, "good")
	bad, _ := selfSigned(t, "bad")
	for _, c := range []struct {
		certificates []tls.Certificate
		name, host   string
		want         string
	}{
		{nil, "open.test", "open.test", "HTTP/1.1 200 OK"},
		{nil, "closed.test", "closed.test", "No required SSL certificate was sent"},
		{[]tls.Certificate{bad}, "closed.test", "closed.test", "The SSL certificate error"},
		{[]tls.Certificate{good}, "closed.test", "closed.test", "HTTP/1.1 200 OK"},
		{[]tls.Certificate{good}, "open.test", "closed.test", "HTTP/1.1 421 Misdirected Request"},
		{nil, "closed.test", "open.test", "HTTP/1.1 200 OK"},
	} {
		r.client.Certificates = c.certificates
		if got := r.ask(c.name, request(c.host)); !strings.Contains(got, c.want) {
			t.Errorf("%s over %s: got %q, want %q", c.host, c.name, got, c.want)
		}
	}
}

func TestStalledHandshakesEndInTime(t *testing.T) {
	r := newSecureRig(t, func(c *Config) {
		returning("200 ok")(c)
		c.Servers[0].ClientHeaderTimeout = new(value.Duration(time.Second))
	})
	for _, begin := range []string{"", "\x16", "\x16\x03\x01\x02\x00\x01"} {
		c := r.dial()
		io.WriteString(c, begin)
		start := time.Now()
		io.Copy(io.Discard, c) // an alert, or nothing
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%q: closed after %v", begin, took)
		}
	}
	if got := r.ask("a.test", "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200 OK") {
		t.Errorf("afterwards: %q", got)
	}
}

func TestIdleSecureConnectionHoldsNoGoroutineAndLittleMemory(t *testing.T) {
	r := newSecureRig(t, returning("200 ok"))
	const n = 200
	warm := r.open("a.test")
	io.WriteString(warm, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	readAnswer(t, bufio.NewReader(warm), "GET")
	before, goroutines := heap(), runtime.NumGoroutine()
	conns := make([]*tls.Conn, n)
	for i := range conns {
		conns[i] = r.open("a.test")
		io.WriteString(conns[i], "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		readAnswer(t, bufio.NewReaderSize(conns[i], 512), "GET")
	}
	r.waitFor("all are idle", func(Stats) bool { return runtime.NumGoroutine() <= goroutines+2 })
	// The other end of each lies in the same process, and is of the same kind.
	per := (heap() - before) / n / 2
	t.Logf("%d bytes for each end of a secure idle connection", per)
	if per > 12<<10 {
		t.Errorf("%d bytes for each end; expected 12 KB or less", per)
	}
	runtime.KeepAlive(conns)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // pools have two generations
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

func TestWebSocketOverTLS(t *testing.T) {
	r := newSecureRig(t, nil)
	r.backend(1, switches(echoes))
	r.ready(1, 1)
	c := r.open("a.test")
	io.WriteString(c, wsGet+"early")
	br := bufio.NewReader(c)
	readHead(t, br)
	wantText(t, br, "early")
	large := strings.Repeat("0123456789", 100000)
	go io.WriteString(c, large)
	wantText(t, br, large)
	must(t, c.CloseWrite())
	if rest, err := io.ReadAll(br); len(rest) > 0 || err != nil {
		t.Errorf("behind the end: %q, %v", rest, err)
	}
	r.waitFor("the place in the app is free", func(s Stats) bool { return s.Upstreams["web"].InFlight == 0 && s.Connections == 0 })
}

func TestFilesGoOutSealed(t *testing.T) {
	dir := t.TempDir()
	content := strings.Repeat("0123456789abcdef", 20000)
	must(t, os.WriteFile(dir+"/f.bin", []byte(content), 0o600))
	r := newSecureRig(t, func(c *Config) { c.Servers[0] = Server{}; c.Servers[0].Root = dir })
	got := r.ask("a.test", "GET /f.bin HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	if _, body, _ := strings.Cut(got, "\r\n\r\n"); body != content {
		t.Errorf("%d bytes; want %d that are the same", len(body), len(content))
	}
}

func TestSlowReaderOverTLSGetsTheEndOfAFile(t *testing.T) {
	dir := t.TempDir()
	content := noise(60 << 10)
	must(t, os.WriteFile(dir+"/f.bin", content, 0o600))
	for _, connection := range []string{"close", "keep-alive"} {
		t.Run(connection, func(t *testing.T) {
			r := newSecureRig(t, func(c *Config) { c.Servers[0] = Server{}; c.Servers[0].Root = dir })
			must(t, unix.SetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<10)) // for those it accepts
			raw := r.dial()
			must(t, raw.(*net.TCPConn).SetReadBuffer(4<<10))
			c := tls.Client(raw, r.client)
			fmt.Fprintf(c, "GET /f.bin HTTP/1.1\r\nHost: a.test\r\nConnection: %s\r\n\r\n", connection)
			if _, got := readAnswer(t, bufio.NewReader(c), "GET"); got != string(content) {
				t.Errorf("%d bytes, want %d that are the same", len(got), len(content))
			}
		})
	}
}

func TestPlainHTTPIsSentToHTTPS(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Servers[0].HTTPSRedirect = new(true)
		c.Servers[0].SetRealIPFrom = []string{"127.0.0.1"}
		c.Servers[0].HSTS = "365d includeSubDomains"
	})
	r.backend(1, echo)
	r.ready(1, 0)
	for _, c := range []struct{ request, want string }{
		{"GET /a?b=c HTTP/1.1\r\nHost: a.test:80\r\n", "HTTP/1.1 301 Moved Permanently|Location: https://a.test/a?b=c\r\n"},
		{"GET /a%2fb HTTP/1.1\r\nHost: a.test\r\n", "HTTP/1.1 301 Moved Permanently|Location: https://a.test/a%2fb\r\n"},
		{"POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n", "HTTP/1.1 308 Permanent Redirect|Location: https://a.test/a\r\n"},
		{"GET /a HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Proto: https\r\n", "HTTP/1.1 200 OK|Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"},
	} {
		got, _ := r.raw(c.request + "Connection: close\r\n\r\n")
		for want := range strings.SplitSeq(c.want, "|") {
			if !strings.Contains(got, want) {
				t.Errorf("%q: got %q, want %q", c.request, got, want)
			}
		}
		if strings.Contains(c.want, "Location") && strings.Contains(got, "Strict-Transport-Security") {
			t.Errorf("%q: Strict-Transport-Security over plain HTTP", c.request)
		}
	}
}

func TestChallengeOfAnAuthorityComesBeforeTheRedirect(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Servers[0].HTTPSRedirect = new(true) })
	r.challenges.Store(&Challenges{HTTP: func(host, token string) (string, bool) {
		return "proof of " + token, host == "a.test" && token == "T0k_en-"
	}})
	ask := func(host, path string) string {
		got, _ := r.raw("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
		return got
	}
	if got := ask("a.test", "/.well-known/acme-challenge/T0k_en-"); !strings.HasPrefix(got, "HTTP/1.1 200 OK") || !strings.HasSuffix(got, "proof of T0k_en-") {
		t.Errorf("got %q", got)
	}
	if got := ask("b.test", "/.well-known/acme-challenge/T0k_en-"); !strings.HasPrefix(got, "HTTP/1.1 301 ") {
		t.Errorf("another name: %q", got)
	}
	if got := ask("a.test", "/.well-known/acme-challenge/other"); !strings.HasPrefix(got, "HTTP/1.1 301 ") {
		t.Errorf("another token: %q", got)
	}
}

func TestTLSChallengeIsAnsweredByTheListener(t *testing.T) {
	r := newSecureRig(t, returning("200 ok"))
	answer, _ := selfSigned(t, "proof.test")
	r.challenges.Store(&Challenges{TLS: func(hello *tls.ClientHelloInfo) (*tls.Config, bool) {
		return &tls.Config{Certificates: []tls.Certificate{answer}, NextProtos: []string{"acme-tls/1"}}, hello.ServerName == "a.test"
	}})
	shake := func(name string, protocols ...string) (string, error) {
		c := tls.Client(r.dial(), &tls.Config{ServerName: name, NextProtos: protocols, InsecureSkipVerify: true})
		if err := c.Handshake(); err != nil {
			return "", err
		}
		if s := c.ConnectionState(); !slices.Contains(protocols, s.NegotiatedProtocol) {
			t.Errorf("%v: negotiated %q", protocols, s.NegotiatedProtocol)
		}
		if protocols[0] == "acme-tls/1" {
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("after the challenge: %v; expected the end", err)
			}
		}
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
	}
	if got, err := shake("a.test", "acme-tls/1"); got != "proof.test" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := shake("other.test", "acme-tls/1"); err == nil {
		t.Error("a challenge that is not ours was answered")
	}
	if got, err := shake("a.test", "http/1.1", "acme-tls/1"); got != "a.test" {
		t.Errorf("a browser got %q, %v", got, err)
	}
}

// heapedConn keeps what is written until it is told to send it, in pieces of some size.
type heapedConn struct {
	net.Conn
	kept []byte
	hold bool
}

func (h *heapedConn) Write(p []byte) (int, error) {
	if !h.hold {
		return h.Conn.Write(p)
	}
	h.kept = append(h.kept, p...)
	return len(p), nil
}

// However records and the pieces that come of them fall together, each request is
// answered at once.
func TestRecordsMayComeInAnyPieces(t *testing.T) {
	r := newSecureRig(t, returning("200 ok"))
	const n = 20
	for _, size := range []int{1, 3, 4, 5, 6, 100, 1000, 5000, 100000} {
		h := &heapedConn{Conn: r.dial()}
		c := tls.Client(h, r.client)
		must(t, c.Handshake())
		h.hold = true
		for i := range n { // requests of a record, of two, and two of one
			request := fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: a.test\r\n\r\n", i)
			switch i % 3 {
			case 0:
				io.WriteString(c, request)
			case 1:
				io.WriteString(c, request[:i])
				io.WriteString(c, request[i:])
			case 2:
				io.WriteString(c, request+request)
			}
		}
		want := n + n/3
		go func() {
			for kept := h.kept; len(kept) > 0; {
				k := min(size, len(kept))
				h.Conn.Write(kept[:k])
				kept = kept[k:]
			}
		}()
		br := bufio.NewReader(c)
		for i := range want {
			if status, _ := readAnswer(t, br, "GET"); status != 200 {
				t.Fatalf("pieces of %d bytes: answer %d is %d", size, i, status)
			}
		}
	}
}

// wires is a connection of the poller with little room, and its client.
func (r *rig) wires() (nc *netpoll.Conn, client net.Conn) {
	t := r.t
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	file, err := ln.(*net.TCPListener).File()
	must(t, err)
	defer file.Close()
	must(t, unix.SetsockoptInt(int(file.Fd()), unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<10)) // for those it accepts
	held := make(chan *netpoll.Conn, 1)
	l, err := r.proxy.poller.Listen(int(file.Fd()), func(c *netpoll.Conn, _ time.Time) { held <- c })
	must(t, err)
	defer l.Close()
	client, err = net.Dial("tcp", ln.Addr().String())
	must(t, err)
	t.Cleanup(func() { client.Close() })
	must(t, client.SetDeadline(time.Now().Add(testTimeout)))
	nc = receive(t, held, "the connection")
	t.Cleanup(func() { nc.Close() })
	return nc, client
}

// The connection that is closed gives its client a second, also when the writer is under way
// with the patience of before.
func TestPatienceThatIsShortenedMeanwhileCounts(t *testing.T) {
	r := newRig(t, nil)
	nc, client := r.wires()
	w := transport{nc: nc, shaken: true}
	must(t, w.setPatience(time.Minute))
	w.Write(make([]byte, 8<<20))
	sent := make(chan error, 1)
	go func() { sent <- w.flush(true) }()
	some := make([]byte, 256<<10)
	_, err := io.ReadFull(client, some) // now it is under way
	must(t, err)
	must(t, w.setPatience(time.Second/2))
	_, err = io.ReadFull(client, some) // after which it has been set anew
	must(t, err)
	if err := receive(t, sent, "the end of a client that takes no more"); !os.IsTimeout(err) {
		t.Errorf("ended with %v", err)
	}
}

func TestClientThatTakesNothingKeepsNoReadWaiting(t *testing.T) {
	r := newRig(t, nil)
	nc, client := r.wires()
	for err := error(nil); err != netpoll.ErrWouldBlock; {
		_, err = nc.TryWrite(make([]byte, 64<<10))
	}
	w := transport{nc: nc, shaken: true}
	w.Write([]byte("the answer to a key update"))
	fmt.Fprint(client, "request")
	var buf [16]byte
	must(t, nc.SetReadDeadline(time.Now().Add(testTimeout)))
	if n, err := w.Read(buf[:]); err != nil || string(buf[:n]) != "request" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	must(t, nc.SetReadDeadline(time.Unix(1, 0)))
	if _, err := w.Read(buf[:]); !os.IsTimeout(err) {
		t.Errorf("behind the deadline: %v", err)
	}
	w.Write(make([]byte, maxUnread))
	if _, err := w.Read(buf[:]); err != errUnread {
		t.Errorf("with much that is not taken: %v", err)
	}
}
