package proxy

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"paddock/accesslog"
	"paddock/internal/value"
)

// The lines of two servers are compared field by field. What two servers can not
// have in common is masked: by what it is (a time, a number), so that its form is
// compared all the same.
var masked = map[string]struct {
	pattern *regexp.Regexp // what becomes "…"
	reason  string
}{
	"time_local":             {regexp.MustCompile(`^\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d`), "the second of the request"},
	"time_iso8601":           {regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d`), "the second of the request"},
	"msec":                   {regexp.MustCompile(`^\d+\.\d{3}$`), "the time of the request"},
	"request_time":           {regexp.MustCompile(`^\d+\.\d{3}$`), "how long it took"},
	"connection_time":        {regexp.MustCompile(`^\d+\.\d{3}$`), "how long it took"},
	"upstream_connect_time":  {regexp.MustCompile(`\d+\.\d{3}`), "how long it took"},
	"upstream_header_time":   {regexp.MustCompile(`\d+\.\d{3}`), "how long it took"},
	"upstream_response_time": {regexp.MustCompile(`\d+\.\d{3}`), "how long it took"},
	"tcpinfo_rtt":            {regexp.MustCompile(`^\d+$`), "the system's figures of another connection"},
	"tcpinfo_rttvar":         {regexp.MustCompile(`^\d+$`), "the system's figures of another connection"},
	"tcpinfo_snd_cwnd":       {regexp.MustCompile(`^\d+$`), "the system's figures of another connection"},
	"tcpinfo_rcv_space":      {regexp.MustCompile(`^\d+$`), "the system's figures of another connection"},
	"request_id":             {regexp.MustCompile(`^[0-9a-f]{32}$`), "random"},
	"connection":             {regexp.MustCompile(`^\d+$`), "nginx counts its connections to upstreams too"},
	"pid":                    {regexp.MustCompile(`^\d+$`), "another process"},
	"remote_port":            {regexp.MustCompile(`^\d+$`), "another connection"},
	"realip_remote_port":     {regexp.MustCompile(`^\d+$`), "another connection"},
}

// newerThanDebians are variables that Debian's nginx 1.22 has not.
var newerThanDebians = []string{"http3", "request_port", "is_request_port"}

// ofFamilies are variables with a name of the user's choice.
var ofFamilies = []string{
	"http_host", "http_user_agent", "http_referer", "http_x_test", "http_cookie", "http_range", "cookie_a", "cookie_none", "arg_q", "arg_none",
	"sent_http_content_type", "sent_http_content_length", "sent_http_location", "sent_http_connection", "sent_http_transfer_encoding",
	"sent_http_x_app", "sent_http_last_modified", "sent_http_etag", "sent_http_cache_control", "sent_http_server", "sent_http_date", "sent_http_content_encoding",
	"upstream_http_content_type", "upstream_http_content_length", "upstream_http_x_app", "upstream_http_server", "upstream_http_location",
	"upstream_http_set_cookie", "upstream_cookie_a", "upstream_cookie_none",
}

// everyVariable is all of them.
func everyVariable() []string {
	names := slices.DeleteFunc(accesslog.Variables(), func(n string) bool { return slices.Contains(newerThanDebians, n) })
	return append(names, ofFamilies...)
}

const (
	fieldMark  = "~|~" // in front of each field, with its name
	recordMark = "~END~"
)

// fieldFormat is a log format whose fields can be told apart whatever is in them.
func fieldFormat(names []string) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteString(fieldMark + n + "=$" + n)
	}
	return b.String() + recordMark
}

const mainFormat = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for"`

// linePattern takes combined and main apart.
var linePattern = regexp.MustCompile(`^(?P<remote_addr>\S+) - (?P<remote_user>.*) \[(?P<time_local>[^]]*)\] "(?P<request>.*)" (?P<status>\d{3}) (?P<body_bytes_sent>\d+) "(?P<http_referer>[^"]*)" "(?P<http_user_agent>[^"]*)"(?: "(?P<http_x_forwarded_for>[^"]*)")?$`)

// logFormats are the formats that are compared, by the name of their log.
var logFormats = []string{"combined", "main", "every", "json", "none"}

// record is one line by the names of its fields.
type record map[string]string

// parseRecords takes the lines of one log apart.
func parseRecords(t *testing.T, format, text string) (out []record) {
	t.Helper()
	if format == "combined" || format == "main" {
		for line := range strings.Lines(text) {
			m := linePattern.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
			if m == nil {
				t.Errorf("no line of %s: %q", format, line)
				continue
			}
			r := record{}
			for i, name := range linePattern.SubexpNames() {
				if name != "" {
					r[name] = m[i]
				}
			}
			out = append(out, r)
		}
		return out
	}
	for part := range strings.SplitSeq(text, recordMark+"\n") {
		if part == "" {
			continue
		}
		r := record{}
		for field := range strings.SplitSeq(strings.TrimPrefix(part, fieldMark), fieldMark) {
			name, val, _ := strings.Cut(field, "=")
			r[name] = val
		}
		out = append(out, r)
	}
	return out
}

// comparableField is a field without what is masked.
func comparableField(name, text string) string {
	if name == "sent_http_content_type" { // the boundary is a number of the server's
		return boundaryPattern.ReplaceAllString(text, "BOUNDARY")
	}
	if m, ok := masked[name]; ok {
		return m.pattern.ReplaceAllString(text, "…")
	}
	return text
}

// difference says where two records differ, "" for nowhere.
func difference(want, got record) string {
	var out []string
	names := map[string]bool{}
	for n := range want {
		names[n] = true
	}
	for n := range got {
		names[n] = true
	}
	for n := range names {
		if a, b := comparableField(n, want[n]), comparableField(n, got[n]); a != b {
			out = append(out, fmt.Sprintf("$%s: nginx %q, paddock %q", n, shorten(a), shorten(b)))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n    ")
}

func shorten(s string) string {
	if len(s) > 120 {
		return fmt.Sprintf("%s… (%d bytes)", s[:120], len(s))
	}
	return s
}

// caseLogs is what became of one case at one server.
type caseLogs struct {
	raw      string // what the client got
	combined string // the lines of that log
	logs     map[string][]record
}

// site is a server that is asked.
type logSite struct {
	addr   string
	secure bool // it speaks TLS, and HTTP/2
	app    *loggedApp
	dir    string // of its logs, FORMAT.ADDRESS
	stop   func() // returns when every line is written
}

// runCases asks the server all cases, several at a time, and returns by the name.
func runCases(t *testing.T, s logSite, cases []logCase) map[string]caseLogs {
	t.Helper()
	out := map[string]caseLogs{}
	places := map[string]string{}
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, 24)
	for i, c := range cases {
		slots <- struct{}{}
		from := fmt.Sprintf("127.1.%d.%d", i/200, i%200+1) // each case has a log of its own by this
		places[c.name] = from
		group.Go(func() {
			defer func() { <-slots }()
			raw := c.run(t, s, from)
			mu.Lock()
			defer mu.Unlock()
			out[c.name] = caseLogs{raw: raw}
		})
	}
	group.Wait()
	s.stop()
	for name, place := range places {
		o := out[name]
		o.logs = map[string][]record{}
		for _, format := range logFormats {
			text, err := os.ReadFile(filepath.Join(s.dir, format+"."+place))
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if format == "combined" {
				o.combined = string(text)
			}
			o.logs[format] = parseRecords(t, format, s.withoutAddresses(string(text)))
		}
		out[name] = o
	}
	return out
}

// withoutAddresses names the sockets that are each server's own.
func (s logSite) withoutAddresses(text string) string {
	_, port, _ := net.SplitHostPort(s.addr)
	_, appPort, _ := net.SplitHostPort(s.app.addr)
	return strings.NewReplacer(s.app.addr, "APP", "server_port="+port, "server_port=PORT", ":"+port+"/", ":PORT/", "proxy_port="+appPort, "proxy_port=APPPORT").Replace(text)
}

// answersOf cuts what a client got into the answers to its requests.
func answersOf(raw string) (out []string) {
	for raw != "" {
		end := len(raw)
		if i := strings.Index(raw[1:], "HTTP/1.1 "); i >= 0 {
			end = i + 1
		}
		if !strings.HasPrefix(raw, "HTTP/1.1 100") { // it counts with the answer behind it
			out = append(out, raw[:end])
		}
		raw = raw[end:]
	}
	return out
}

// alike takes the difference between the names "nginx" and "paddock" off the sizes
// that Paddock logged.
func alike(raw string, logs map[string][]record) {
	const more = len("paddock") - len("nginx")
	for i, answer := range answersOf(raw) {
		head, body := more*strings.Count(answer, "Server: paddock\r\n"), more*strings.Count(answer, "<center>paddock</center>")
		for _, records := range logs {
			if i >= len(records) {
				continue
			}
			less(records[i], "bytes_sent", head+body)
			less(records[i], "body_bytes_sent", body)
			if body > 0 || records[i]["request_method"] == "HEAD" && strings.Contains(answer, "Content-Type: text/html\r\nContent-Length: 1") {
				less(records[i], "sent_http_content_length", more)
			}
		}
	}
}

func less(r record, name string, by int) {
	if n, err := strconv.Atoi(r[name]); err == nil {
		r[name] = strconv.Itoa(n - by)
	}
}

// startLogNginx is Debian's nginx with the configuration of the test.
func startLogNginx(t *testing.T, app *loggedApp, dead, site string, secure *tls.Certificate) logSite {
	t.Helper()
	dir := plainTempDir(t)
	addr := deadPort(t)
	conf := fmt.Sprintf(logNginxConf, dir, addr, app.addr, dead, site,
		nginxQuote(mainFormat), nginxQuote(fieldFormat(everyVariable())), secureParams(secure), nginxCertificate(t, dir, secure))
	must(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o600))
	cmd := exec.Command("/usr/sbin/nginx", "-p", dir, "-c", "nginx.conf", "-e", "error.log")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	must(t, cmd.Start())
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			cmd.Process.Signal(syscall.SIGQUIT)
			cmd.Wait()
		}
	}
	t.Cleanup(func() { cmd.Process.Kill(); stop() })
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(testTimeout); ; {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return logSite{addr, secure != nil, app, dir, stop}
		}
		select {
		case <-tick.C:
		case <-end:
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Fatalf("nginx did not start: %s%s", out.String(), log)
		}
	}
}

// secureParams are those of listen.
func secureParams(secure *tls.Certificate) string {
	if secure == nil {
		return ""
	}
	return " ssl http2"
}

// nginxCertificate names nginx the files of a certificate.
func nginxCertificate(t *testing.T, dir string, secure *tls.Certificate) string {
	if secure == nil {
		return ""
	}
	key, err := x509.MarshalPKCS8PrivateKey(secure.PrivateKey)
	must(t, err)
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: secure.Certificate[0]}, "key.pem": {Type: "PRIVATE KEY", Bytes: key},
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
	return "ssl_certificate cert.pem; ssl_certificate_key key.pem; ssl_protocols TLSv1.2 TLSv1.3;"
}

func nginxQuote(s string) string { return "'" + s + "'" }

const logNginxConf = `
daemon off; master_process off; pid nginx.pid; worker_processes 1;
events { worker_connections 512; }
http {
  include /etc/nginx/mime.types; server_tokens off; %[9]s
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  log_format main %[6]s;
  log_format every %[7]s;
  log_format json escape=json %[7]s;
  log_format none escape=none %[7]s;
  access_log %[1]s/combined.$realip_remote_addr combined;
  access_log %[1]s/main.$realip_remote_addr main;
  access_log %[1]s/every.$realip_remote_addr every;
  access_log %[1]s/json.$realip_remote_addr json;
  access_log %[1]s/none.$realip_remote_addr none;
  client_header_timeout 2s; client_body_timeout 2s; keepalive_timeout 2s; send_timeout 2s; lingering_timeout 1s;
  proxy_connect_timeout 2s; proxy_send_timeout 2s; proxy_read_timeout 2s;
  proxy_http_version 1.1;
  proxy_set_header Host $http_host; proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;
  upstream app { server %[3]s max_fails=0; }
  upstream down { server %[4]s; }
  upstream retry { server %[4]s; server %[3]s; }
  upstream retrypost { server %[4]s; server %[3]s; }
  upstream bothdown { server %[4]s; server %[4]s; }
  server { listen %[2]s default_server%[8]s; server_name first.test; root %[5]s;
    location / { proxy_pass http://app; }
    location /down { proxy_pass http://down; }
    location /retry { proxy_pass http://retry; }
    location /retrypost { proxy_pass http://retrypost; }
    location /bothdown { proxy_pass http://bothdown; }
    location /uri/ { proxy_pass http://app/rewritten/; }
    location /ws { proxy_pass http://app; proxy_set_header Connection upgrade; proxy_set_header Upgrade websocket;
      proxy_set_header Host $http_host; proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host; }
    location /direct { proxy_pass http://%[3]s; }
    location /static/ { }
    location /alias/ { alias %[5]s/static/; }
    location /r200 { return 200 "hello"; }
    location /r301 { return 301 http://x.test/; }
    location /r404 { return 404; }
    location /r444 { return 444; }
    location /r204 { return 204; }
    location /small { client_max_body_size 10; proxy_pass http://app; }
    location /err/ { proxy_pass http://app; proxy_intercept_errors on; error_page 404 500 /static/a.txt; error_page 503 = @named; error_page 401 /again/ok; }
    location /again/ { proxy_pass http://app; }
    location @named { return 200 "named"; }
    location /accel/ { proxy_pass http://app; }
    location /internal/ { internal; alias %[5]s/static/; }
    location /gz/ { gzip on; gzip_min_length 10; gzip_types text/plain; alias %[5]s/static/; }
    location /gzapp { gzip on; gzip_min_length 10; gzip_types text/plain; proxy_pass http://app; }
    location /try/ { try_files /nothing /static/a.txt; }
    location /off { access_log off; return 200; }
  }
  server { listen %[2]s%[8]s; server_name second.test; root %[5]s; location / { proxy_pass http://app; } }
}
`

// startLogPaddock is Paddock with the same configuration.
func startLogPaddock(t *testing.T, app *loggedApp, dead, site string, secure *tls.Certificate) logSite {
	t.Helper()
	dir := plainTempDir(t)
	var list accesslog.Settings
	for _, name := range logFormats {
		list = append(list, accesslog.Setting{Path: filepath.Join(dir, name) + ".$realip_remote_addr", Format: name})
	}
	var speak []Secure
	if secure != nil {
		speak = []Secure{speaks(*secure), speaks(*secure)}
	}
	r := newRigOn(t, "tcp", "127.0.0.1:0", secureParams(secure), func(c *Config) { c.Secure = speak })
	every := fieldFormat(everyVariable())
	r.cfg = Config{
		Formats: map[string]accesslog.FormatSetting{
			"main": {Format: mainFormat}, "every": {Format: every}, "json": {Format: every, Escape: "json"}, "none": {Format: every, Escape: "none"},
		},
		Upstreams: map[string]Upstream{}, TempDir: r.dir, AccessLog: accesslog.Setting{Off: true},
		Servers: logPaddockServers(app.addr, site, list), Secure: speak,
	}
	for name, servers := range map[string]value.Strings{
		"app": {app.addr}, "down": {dead}, "retry": {dead, app.addr}, "retrypost": {dead, app.addr}, "bothdown": {dead, dead},
	} {
		u := DefaultUpstream()
		u.Server, u.Keepalive = servers, 0
		r.cfg.Upstreams[name] = u
	}
	for i := range r.cfg.Servers {
		r.cfg.Servers[i].Listen = r.listens()
	}
	logs := map[string]*accesslog.Log{}
	for _, target := range r.cfg.LogTargets() {
		var err error
		logs[target.Path], err = accesslog.OpenLog(target, accesslog.Options{})
		must(t, err)
	}
	must(t, r.proxy.Configure(r.cfg, map[string]int{r.key: r.fd}, logs))
	return logSite{r.addr, secure != nil, app, dir, func() {
		r.stop()
		for _, l := range logs {
			must(t, l.Close())
			if lines, dropped := l.Stats(); dropped > 0 {
				t.Errorf("%d lines, %d dropped", lines, dropped)
			}
		}
	}}
}

func logPaddockServers(app, site string, logs accesslog.Settings) []Server {
	yes, ten, short := true, value.Size(10), duration(2*time.Second)
	pass := func(path, to string) Location { return Location{Path: path, ProxyPass: "http://" + to} }
	ret := func(path, text string) Location { return Location{Path: path, Return: text} }
	small, errs, internal := pass("/small", "app"), pass("/err/", "app"), Location{Path: "/internal/", Alias: site + "/static/", Internal: true}
	small.ClientMaxBodySize = &ten
	errs.ProxyInterceptErrors, errs.ErrorPage = &yes, value.Strings{"404 500 /static/a.txt", "503 = @named", "401 /again/ok"}
	gzip := SiteSettings{Gzip: &yes, GzipMinLength: &ten, GzipTypes: value.Strings{"text/plain"}}
	gz, gzApp := Location{Path: "/gz/", Alias: site + "/static/"}, pass("/gzapp", "app")
	gz.SiteSettings, gzApp.SiteSettings = gzip, gzip
	off := ret("/off", "200")
	off.AccessLog = accesslog.Settings{{Off: true}}
	settings := Settings{
		AccessLog: logs, ClientBodyTimeout: short, SendTimeout: short,
		ProxyConnectTimeout: short, ProxySendTimeout: short, ProxyReadTimeout: short,
	}
	first := Server{
		ServerName: value.Strings{"first.test"}, ClientHeaderTimeout: short, KeepaliveTimeout: short, Settings: settings,
		Location: []Location{
			pass("/", "app"), pass("/down", "down"), pass("/retry", "retry"), pass("/retrypost", "retrypost"), pass("/bothdown", "bothdown"),
			pass("/uri/", "app/rewritten/"), pass("/direct", app),
			{Path: "/static/"},
			{Path: "/alias/", Alias: site + "/static/"},
			ret("/r200", `200 "hello"`), ret("/r301", "301 http://x.test/"), ret("/r404", "404"), ret("/r444", "444"), ret("/r204", "204"),
			small, errs, pass("/again/", "app"), ret("@named", `200 "named"`), pass("/accel/", "app"), internal, gz, gzApp,
			{Path: "/try/", TryFiles: "/nothing /static/a.txt"},
			off,
		},
	}
	first.Root = site
	second := Server{ServerName: value.Strings{"second.test"}, ClientHeaderTimeout: short, KeepaliveTimeout: short, Settings: settings, Location: []Location{pass("/", "app")}}
	second.Root = site
	return []Server{first, second}
}

// logCase is what one client does on one connection: bytes, then what it does.
type logCase struct {
	name  string
	send  string
	then  action
	early bool         // it fails before an app is reached
	hangs string       // the client goes on when the app has the request of that name
	tls   *tls.Config  // what the client says over TLS; nil: the usual
	plain bool         // it does not speak TLS where that is spoken
	http2 func(*peer2) // what it says in HTTP/2; then it closes
}

type action int

const (
	untilClosed action = iota // reads until the server closes
	halfClose                 // says that it will send no more, reads until the server closes
	closeNow                  // closes
	resetNow                  // resets
	closeHead                 // closes when it has a head
	resetHead                 // resets when it has a head
	silence                   // sends nothing at all and closes
)

const caseTime = 8 * time.Second

// run returns what the client got.
func (c logCase) run(t *testing.T, s logSite, from string) (raw string) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", s.addr)
	if err != nil {
		t.Errorf("%s: %v", c.name, err)
		return ""
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(caseTime))
	tcp := conn.(*net.TCPConn)
	if s.secure && !c.plain {
		if conn, err = c.secured(conn); err != nil {
			t.Errorf("%s: %v", c.name, err)
			return ""
		}
		defer conn.Close()
	}
	if c.http2 != nil {
		p := newPeer2(t, conn, s)
		c.http2(p)
		return p.seen.String()
	}
	for i, part := range strings.Split(c.send, "<then>") {
		if i > 0 { // what comes now was caused by what went before
			raw += readAHead(conn)
		}
		io.WriteString(conn, part)
	}
	if c.hangs != "" {
		receive(t, s.app.hung[c.hangs], "the app has the request")
	}
	switch c.then {
	case closeNow, silence:
		return raw
	case resetNow:
		tcp.SetLinger(0)
		return raw
	case closeHead:
		return raw + readAHead(conn)
	case resetHead:
		raw += readAHead(conn)
		tcp.SetLinger(0)
		return raw
	case halfClose:
		conn.(interface{ CloseWrite() error }).CloseWrite()
	}
	rest, err := io.ReadAll(conn)
	if os.IsTimeout(err) {
		t.Errorf("%s: no end within %v", c.name, caseTime)
	}
	return raw + string(rest)
}

// secured makes the client's connection one of TLS.
func (c logCase) secured(conn net.Conn) (net.Conn, error) {
	client := &tls.Config{}
	if c.tls != nil {
		client = c.tls.Clone()
	}
	client.InsecureSkipVerify = true
	if client.CurvePreferences == nil {
		client.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256} // nginx's OpenSSL has no other that is as young as Go's
	}
	if c.http2 != nil {
		client.NextProtos = []string{"h2"}
	}
	secure := tls.Client(conn, client)
	return secure, secure.Handshake()
}

// newPeer2 begins HTTP/2.
func newPeer2(t *testing.T, conn net.Conn, s logSite) *peer2 {
	r := &rig{t: t}
	p := r.peer2On(conn)
	p.app = s.app
	return p
}

// readAHead reads up to the end of a head.
func readAHead(c net.Conn) string {
	var got []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(got, []byte("\r\n\r\n")) {
		if n, err := c.Read(one); n == 0 || err != nil {
			break
		}
		got = append(got, one[0])
	}
	return string(got)
}

func TestAccessLogLinesAreNginxs(t *testing.T) {
	cases := logCases()
	checkCases(t, cases)
	nginx, ours := logsOfBoth(t, cases, nil)
	compareLines(t, cases, nginx, ours)
	for _, format := range logFormats {
		checkThatChangesAreSeen(t, format, nginx["app: cookie"].logs[format][0])
	}
	theirFile, ourFile := combinedLogs(t, nginx, ours)
	checkGoaccess(t, theirFile, ourFile)
	checkFail2ban(t, theirFile, ourFile)
	checkGrok(t, theirFile, ourFile)
}

func TestSecureAccessLogLinesAreNginxs(t *testing.T) {
	cases := secureLogCases()
	certificate, _ := selfSigned(t, "first.test", "second.test")
	nginx, ours := logsOfBoth(t, cases, &certificate)
	compareLines(t, cases, nginx, ours)
}

// compareLines compares the lines of each case. Those of Paddock become nginx's in
// what the names of the two differ.
func compareLines(t *testing.T, cases []logCase, nginx, ours map[string]caseLogs) {
	lines := 0
	for _, c := range cases {
		a, b := nginx[c.name], ours[c.name]
		alike(b.raw, b.logs)
		lines += len(a.logs["every"])
		reason, deliberate := differences[c.name]
		var found []string
		for _, format := range logFormats {
			if n, m := len(a.logs[format]), len(b.logs[format]); n != m {
				found = append(found, fmt.Sprintf("%s: nginx has %d lines, paddock %d", format, n, m))
				continue
			}
			for i := range a.logs[format] {
				for _, name := range leftToChance(c) {
					delete(a.logs[format][i], name)
					delete(b.logs[format][i], name)
				}
				if d := difference(a.logs[format][i], b.logs[format][i]); d != "" {
					found = append(found, fmt.Sprintf("%s, line %d:\n    %s", format, i+1, d))
				}
			}
		}
		switch {
		case len(found) > 0 && !deliberate:
			t.Errorf("%s\n  %s", c.name, strings.Join(found, "\n  "))
		case len(found) == 0 && deliberate:
			t.Errorf("%s: nothing differs any more, but for: %s", c.name, reason)
		}
	}
	t.Logf("%d cases, %d lines in each of %d formats", len(cases), lines, len(logFormats))
}

// leftToChance are fields of a case that are not compared.
func leftToChance(c logCase) []string {
	names := chance[c.name]
	if c.http2 != nil {
		// Each packs the head of its answer in its own way, and the client may have gone.
		names = append(slices.Clone(names), "bytes_sent", "tcpinfo_rtt", "tcpinfo_rttvar", "tcpinfo_snd_cwnd", "tcpinfo_rcv_space")
	}
	return names
}

// checkThatChangesAreSeen holds the comparison itself: a change of any field that is
// not masked is a difference, and so is a masked one that is no time or number any more.
func checkThatChangesAreSeen(t *testing.T, format string, line record) {
	t.Helper()
	if d := difference(line, line); d != "" {
		t.Errorf("%s: a line differs from itself: %s", format, d)
	}
	seen := 0
	for name, text := range line {
		changes := []string{text + "x", "x" + text}
		if _, ok := masked[name]; !ok {
			changes = append(changes, text+"0", " "+text)
			if text != "" {
				changes = append(changes, "", text[1:], flipped(text))
			}
		}
		for _, changed := range changes {
			mutant := maps.Clone(line)
			mutant[name] = changed
			if difference(line, mutant) == "" {
				t.Errorf("%s: $%s %q for %q is not seen", format, name, changed, text)
			}
			seen++
		}
		mutant := maps.Clone(line)
		delete(mutant, name)
		if text != "" && difference(line, mutant) == "" {
			t.Errorf("%s: that $%s is missing is not seen", format, name)
		}
	}
	if seen < 4*len(line) {
		t.Errorf("%s: %d changes of %d fields", format, seen, len(line))
	}
}

// flipped changes the last byte.
func flipped(s string) string {
	b := []byte(s)
	b[len(b)-1] ^= 1
	return string(b)
}

func logsOfBoth(t *testing.T, cases []logCase, secure *tls.Certificate) (nginx, ours map[string]caseLogs) {
	if _, err := os.Stat("/usr/sbin/nginx"); err != nil {
		t.Fatal("nginx is not installed; `make test` installs nginx-light")
	}
	dead, site := deadPort(t), logFolder(t)
	var both sync.WaitGroup
	first, second := startLogNginx(t, logApp(t), dead, site, secure), startLogPaddock(t, logApp(t), dead, site, secure)
	both.Go(func() { nginx = runCases(t, first, cases) })
	both.Go(func() { ours = runCases(t, second, cases) })
	both.Wait()
	return nginx, ours
}

// checkCases holds the numbers that the cases are to have.
func checkCases(t *testing.T, cases []logCase) {
	t.Helper()
	seen, early := map[string]bool{}, 0
	for _, c := range cases {
		if seen[c.name] {
			t.Errorf("two cases are named %q", c.name)
		}
		seen[c.name] = true
		if c.early {
			early++
		}
	}
	if len(cases) < 150 || early < 50 {
		t.Errorf("%d cases, %d of which never reach an app; want 150 and 50", len(cases), early)
	}
	for name := range differences {
		if !seen[name] && !strings.HasPrefix(name, "h2") && !strings.HasPrefix(name, "TLS") {
			t.Errorf("a difference is listed for the case %q, which is none", name)
		}
	}
}
