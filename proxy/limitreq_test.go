package proxy

import (
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"paddock/accesslog"
)

func TestZoneLeaksAtItsRate(t *testing.T) {
	z, err := parseLimitZone("one", "$binary_remote_addr rate=2r/s size=1k")
	must(t, err)
	now := time.Now()
	for _, step := range []struct {
		after  time.Duration
		key    string
		excess int64
		ok     bool
	}{
		{0, "a", 0, true},
		{0, "a", 1000, true},                      // one more at once: of a burst of 2
		{0, "a", 2000, true},                      //
		{0, "a", 3000, false},                     // too many, and not counted
		{500 * time.Millisecond, "a", 2000, true}, // one has run out
		{0, "b", 0, true},
		{10 * time.Second, "a", 0, true},
		{-time.Hour, "a", 1000, true}, // a clock that was set back
	} {
		now = now.Add(step.after)
		if excess, ok := z.allow([]byte(step.key), 2000, now, true); excess != step.excess || ok != step.ok {
			t.Errorf("after %v %s has %d, %v; want %d, %v", step.after, step.key, excess, ok, step.excess, step.ok)
		}
	}
	for i := range 100 {
		z.allow(fmt.Appendf(nil, "key %d", i), 0, now, true)
	}
	if len(z.keys) != 4 || z.order.Len() != 4 || z.keys["key 99"] == nil {
		t.Errorf("a zone of 1 KiB holds %d keys", len(z.keys))
	}
	for i := range 100 { // long ones take more of it
		z.allow(fmt.Appendf(nil, "%0*d", 300, i), 0, now, true)
	}
	if len(z.keys) != 2 || z.used != 2*keyCost(300) {
		t.Errorf("a zone of 1 KiB holds %d keys of 300 bytes, %d bytes by its count", len(z.keys), z.used)
	}
	z.allow(make([]byte, maxLimitKey), 0, now, true)
	if len(z.keys) != 1 || z.used != keyCost(maxLimitKey) {
		t.Errorf("a zone of 1 KiB holds %d keys, %d bytes", len(z.keys), z.used)
	}
}

func TestLimitsAreInheritedAsAListAndRefusedWhenTheyAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"": "expected", "$host": "no rate", "$host rate=1": `"10r/s"`, "$gone rate=1r/s": "unknown variable", "$host rate=1r/s size=x": "size", "$host rate=1r/s x=y": "unknown parameter", "$host rate=0r/s": `"10r/s"`,
	} {
		if _, err := parseLimitZone("z", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	if n, err := parseRate("90r/m"); n != 1500 || err != nil {
		t.Errorf("90r/m is %d, %v", n, err)
	}
}

func TestDelayedRequestsComeInAtTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &exchange{conn: &conn{watched: true, proxy: &Proxy{logger: zap.NewNop()}}, place: &location{}}
		z, err := parseLimitZone("one", "$host rate=10r/s")
		must(t, err)
		x.Host = []byte("a")
		x.Conn = &accesslog.Conn{}
		x.place.limit = limitRules{limits: []reqLimit{{zone: z, burst: 5000, free: 2000}}, status: 503}
		start := time.Now()
		for range 6 {
			x.Limited = 0
			if err := x.limit(); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 300*time.Millisecond {
			t.Errorf("3 of 6 are delayed by %v altogether, want 300 ms", took)
		}
		x.conn.gone.Store(true)
		x.Limited = 0
		if err := x.limit(); err != errClientGone {
			t.Errorf("a client that left: %v", err)
		}
	})
}

// Whoever asks must not get out of a limit by a long path: only what no head holds by
// default is not limited, as in nginx.
func TestALongKeyIsLimited(t *testing.T) {
	z, err := parseLimitZone("one", "$binary_remote_addr$request_uri rate=1r/m")
	must(t, err)
	x := &exchange{conn: &conn{watched: true, proxy: &Proxy{logger: zap.NewNop()}}, place: &location{}}
	x.Conn = &accesslog.Conn{RemoteAddr: "192.0.2.1"}
	x.Target = []byte("/?" + strings.Repeat("x", maxHeadLine))
	x.place.limit = limitRules{limits: []reqLimit{{zone: z}}, status: 503}
	if first := x.limit(); first != nil {
		t.Errorf("the first: %v", first)
	}
	x.Limited = 0
	if err := x.limit(); err == nil {
		t.Error("the second is let in")
	}
}

// A client that its own limit refuses must not use up what all clients share.
func TestWhatOneLimitRefusesIsNotCountedInAnother(t *testing.T) {
	shared, err := parseLimitZone("shared", "$server_name rate=1r/m")
	must(t, err)
	own, err := parseLimitZone("own", "$host rate=1r/m")
	must(t, err)
	x := &exchange{conn: &conn{watched: true, proxy: &Proxy{logger: zap.NewNop()}}, place: &location{}}
	x.ServerName, x.Conn = "s", &accesslog.Conn{}
	x.place.limit = limitRules{limits: []reqLimit{{zone: shared, burst: 1000, free: noDelay}, {zone: own, free: noDelay}}, status: 503}
	for _, step := range []struct {
		host string
		in   bool
	}{{"a", true}, {"a", false}, {"a", false}, {"b", true}, {"c", false}} {
		x.Host, x.Limited = []byte(step.host), 0
		if err := x.limit(); (err == nil) != step.in {
			t.Errorf("%s: got %v, want it in: %v", step.host, err, step.in)
		}
	}
	if len(own.keys) != 2 {
		t.Errorf("%d keys, want those of a and b: c was refused by what all share", len(own.keys))
	}
}

const guardedNginx = `
daemon off; master_process off; pid nginx.pid; worker_processes 1;
events {}
http {
  server_tokens off; access_log access.log combined; error_log error.log info;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m;
  server { listen %[1]s; server_name a.test; root %[2]s;
    location /private/ { auth_basic "the realm"; auth_basic_user_file %[2]s/users; }
    location /open/ { }
    location /limited/ { limit_req zone=one burst=2 nodelay; limit_req_status 429; }
    location /dry/ { limit_req zone=one burst=1 nodelay; limit_req_dry_run on; }
  }
}
`

// guardedUsers have "secret" for a password, each in another form.
func guardedUsers(t *testing.T) string {
	var b strings.Builder
	fmt.Fprintln(&b, "# a comment")
	for user, args := range map[string][]string{"apr": {"-apr1"}, "md5": {"-1"}, "sha256": {"-5"}, "sha512": {"-6"}} {
		out, err := exec.Command("openssl", append(append([]string{"passwd"}, args...), "secret")...).Output()
		must(t, err)
		fmt.Fprintf(&b, "%s:%s", user, out)
	}
	b.WriteString("sha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nplain:{PLAIN}secret:a comment\n")
	return b.String()
}

func guardedRequests() (out []string) {
	get := func(path string, fields ...string) {
		out = append(out, "GET "+path+" HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n"+strings.Join(append(fields, ""), "\r\n")+"\r\n")
	}
	basic := func(pair string) string {
		return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
	}
	get("/open/a.txt")
	get("/private/a.txt")
	get("/private/a.txt", "Authorization: Bearer x")
	get("/private/a.txt", "Authorization: Basic !!")
	for _, user := range []string{"apr", "md5", "sha256", "sha512", "sha", "plain"} {
		get("/private/a.txt", basic(user+":secret"))
		get("/private/a.txt", basic(user+":wrong"), "Referer: http://b.test/")
	}
	get("/private/none", basic("apr:secret"))
	get("/private/a.txt", basic("nobody:secret"))
	get("/private/a.txt", basic("apr:"))
	for range 5 {
		get("/limited/a.txt")
	}
	get("/dry/a.txt")
	return out
}

// What follows client: is compared too, but for the ports and the names of the servers.
var errorLine = regexp.MustCompile(`^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(\w+)\] \d+#\d+: \*\d+ (.*)$`)

// errorLines are the lines of an error log that are about a user or a limit.
func errorLines(t *testing.T, text string) (out []string) {
	for line := range strings.Lines(text) {
		m := errorLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m != nil && (strings.HasPrefix(m[2], "user ") || strings.HasPrefix(m[2], "limiting ")) {
			out = append(out, "["+m[1]+"] "+excess.ReplaceAllString(m[2], "excess: N"))
		}
	}
	return out
}

var excess = regexp.MustCompile(`excess: \d+\.\d{3}`)

func TestPasswordsAndLimitsAnswerAndLogAsNginx(t *testing.T) {
	dir := plainTempDir(t)
	must(t, os.Chmod(dir, 0o755))
	users := guardedUsers(t)
	must(t, os.WriteFile(filepath.Join(dir, "users"), []byte(users), 0o644))
	for _, place := range []string{"private", "open", "limited", "dry"} {
		must(t, os.Mkdir(filepath.Join(dir, place), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, place, "a.txt"), []byte("text\n"), 0o644))
		must(t, os.Chtimes(filepath.Join(dir, place, "a.txt"), siteTime, siteTime))
	}
	addr, nginxDir, stop := startGuardedNginx(t, dir)
	core := &nginxCore{LevelEnabler: zap.InfoLevel}
	r := newRig(t, func(c *Config) {
		c.ReqZones = map[string]string{"one": "$binary_remote_addr rate=1r/m size=1m"}
		c.UserFiles = map[string]string{dir + "/users": users}
		s := &c.Servers[0]
		s.App, s.Root, s.ServerName = "", dir, names("a.test")
		yes, status := true, 429
		s.Location = []Location{{Path: "/private/"}, {Path: "/open/"}, {Path: "/limited/"}, {Path: "/dry/"}}
		s.Location[0].AuthBasic, s.Location[0].AuthBasicUserFile = "the realm", dir+"/users"
		s.Location[2].LimitReq, s.Location[2].LimitReqStatus = names("zone=one burst=2 nodelay"), &status
		s.Location[3].LimitReq, s.Location[3].LimitReqDryRun = names("zone=one burst=1 nodelay"), &yes
		c.Formats["test"] = accesslog.FormatSetting{Format: "$status $limit_req_status $remote_user"}
	})
	r.proxy.logger = zap.New(core)
	for _, request := range guardedRequests() {
		want, got := comparable(t, ask(t, "tcp", addr, request), "GET"), comparable(t, ask(t, "tcp", r.addr, request), "GET")
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", request, got, want)
		}
	}
	stop()
	theirs, err := os.ReadFile(filepath.Join(nginxDir, "error.log"))
	must(t, err)
	ours := core.text()
	want, got := errorLines(t, string(theirs)), errorLines(t, ours)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the error log has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	file := filepath.Join(plainTempDir(t), "error.log")
	must(t, os.WriteFile(file, []byte(ours), 0o600))
	needs(t, "fail2ban-regex", "fail2ban")
	for filter, n := range map[string]string{"nginx-http-auth": " 8 matched", "nginx-limit-req": " 2 matched"} {
		if got := fail2banMatches(t, file, filter); !strings.Contains(got, n) {
			t.Errorf("%s: %s; want%s", filter, got, n)
		}
	}
	counts := map[string]int{}
	for _, line := range r.lines() {
		counts[line]++
	}
	if counts["429 REJECTED -"] != 2 || counts["200 PASSED -"] != 3 || counts["200 REJECTED_DRY_RUN -"] != 1 || counts["200 - apr"] != 1 || counts["401 - apr"] != 2 {
		t.Errorf("logged %v", counts)
	}
}

// nginxCore writes lines as [log] format = "nginx" does; internal/keeper has that.
type nginxCore struct {
	zapcore.LevelEnabler
	mu    sync.Mutex
	lines strings.Builder
}

func (c *nginxCore) With([]zapcore.Field) zapcore.Core { return c }
func (c *nginxCore) Sync() error                       { return nil }

func (c *nginxCore) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return to.AddCore(e, c)
}

func (c *nginxCore) Write(e zapcore.Entry, context []zapcore.Field) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	fields := zapcore.NewMapObjectEncoder()
	var b strings.Builder
	for _, f := range context {
		f.AddTo(fields)
		switch f.Key {
		case "connection":
		case "client", "server":
			fmt.Fprintf(&b, ", %s: %v", f.Key, fields.Fields[f.Key])
		default:
			fmt.Fprintf(&b, `, %s: "%v"`, f.Key, fields.Fields[f.Key])
		}
	}
	fmt.Fprintf(&c.lines, "%s [%s] 1#1: *%v %s%s\n", e.Time.Format("2006/01/02 15:04:05"), e.Level, fields.Fields["connection"], e.Message, b.String())
	return nil
}

func (c *nginxCore) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines.String()
}

func startGuardedNginx(t *testing.T, site string) (addr, dir string, stop func()) {
	t.Helper()
	return startConfiguredNginx(t, guardedNginx, site)
}

// startConfiguredNginx starts nginx with a configuration that wants its address and the
// folder of its files.
func startConfiguredNginx(t *testing.T, conf, site string) (addr, dir string, stop func()) {
	t.Helper()
	dir, addr = plainTempDir(t), deadPort(t)
	must(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), fmt.Appendf(nil, conf, addr, site), 0o600))
	cmd := exec.Command("/usr/sbin/nginx", "-p", dir, "-c", "nginx.conf", "-e", "error.log")
	must(t, cmd.Start())
	stop = func() { cmd.Process.Signal(syscall.SIGQUIT); cmd.Wait() }
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(testTimeout); ; {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return addr, dir, stop
		}
		select {
		case <-tick.C:
		case <-end:
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Fatalf("nginx did not start: %s", log)
		}
	}
}

func TestAFileOfUsersThatIsNoneIsRefused(t *testing.T) {
	for _, text := range []string{
		"nobody\n", ":x\n", "a:plaintext\n", "a:\n", "a:{SHA}!\n",
		"a:$6$odd$salt$hash\n", "a:$6$rounds=x$salt$hash\n", "a:$5$rounds=1000$hash\n", "a:$6$\n", "a:$6$$hash\n", "a:$6$a$b$c$d\n",
	} {
		if _, err := newUsers("# users\n" + text); err == nil || !strings.Contains(err.Error(), "line 2: ") {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// What stands in the place of a hash is often the password itself.
func TestARefusedFileOfUsersShowsNoSecret(t *testing.T) {
	_, err := newUsers("bob:hunter2\nhunter2\neve:$6$hunter2\nann:{SHA}hunter2!\n")
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{"line 1: ", `"bob"`, "line 2: ", "line 3: ", `"eve"`, "line 4: ", `"ann"`, "bcrypt"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

// lets is match where nobody waits.
func (u *users) lets(user, password string) bool {
	right, err := u.match(user, password, func() bool { return false })
	return right && err == nil
}

// nginx takes the first line of a name.
func TestTheFirstLineOfAUserCounts(t *testing.T) {
	u, err := newUsers("a:{PLAIN}first\na:{PLAIN}second\n")
	must(t, err)
	if !u.lets("a", "first") || u.lets("a", "second") {
		t.Error("the second line counts")
	}
}

// The time of SHA-crypt grows with the square of the password: 24 KB are seconds.
func TestAPasswordThatIsTooLongIsNotHashed(t *testing.T) {
	long := strings.Repeat("x", maxPassword+1)
	u, err := newUsers("a:{PLAIN}" + long + "\nb:{PLAIN}" + long[1:] + "\n")
	must(t, err)
	if u.lets("a", long) || !u.lets("b", long[1:]) {
		t.Errorf("expected %d bytes to be the bound", maxPassword)
	}
}

func TestAPasswordThatWasRightIsRemembered(t *testing.T) {
	const bcrypt = "a:$2y$12$WApznUPhDubN0oeveSXHp.5gQaFMKJqLpP9XuV0hRkc5yDjSKyGbC\n" // of no password that is known here
	u, err := newUsers(bcrypt + "b:{PLAIN}secret\n")
	must(t, err)
	if u.lets("a", "secret") || !u.lets("b", "secret") || !u.lets("b", "secret") || u.lets("b", "other") || len(u.known) != 1 {
		t.Errorf("known %d", len(u.known))
	}
	for i := range maxKnown + 10 {
		u.known[[32]byte{byte(i), byte(i >> 8), 1}] = true
	}
	u2, _ := newUsers("c:{PLAIN}x\n")
	u.file = u2.file
	if !u.lets("c", "x") || len(u.known) != 1 {
		t.Errorf("%d are remembered, want a bound", len(u.known))
	}
}

func TestNobodyWritesTheEndOfAName(t *testing.T) {
	const evil = "x\": password mismatch, client: 192.0.2.1, server: a\n"
	if got := loggable(evil + "\xff"); strings.ContainsAny(got, "\"\n\\") || !utf8.ValidString(got) {
		t.Errorf("got %q", got)
	}
}

func FuzzUsersAndCredentials(f *testing.F) {
	f.Add("a:{PLAIN}x\n# c\nb:$apr1$x$y:z\n", "Basic YTp4")
	f.Add(":", "basic ")
	f.Fuzz(func(t *testing.T, file, field string) {
		user, password, ok := basicCredentials([]byte(field))
		if ok && (user == "" || strings.Contains(user, ":")) {
			t.Errorf("%q is the user %q", field, user)
		}
		if u, err := newUsers(file); err == nil && len(password) < 100 && !strings.Contains(file, "$") { // hashes are slow by intent
			u.lets(user, password)
		}
	})
}

// A datagram of nginx and one of ours, for the same request.
func TestSyslogDatagramsAreNginxs(t *testing.T) {
	dir := plainTempDir(t)
	must(t, os.Mkdir(filepath.Join(dir, "open"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "open", "a.txt"), []byte("text\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "users"), nil, 0o644))
	for _, params := range []string{"", ",facility=user,severity=notice,tag=web_1", ",nohostname"} {
		server, err := net.ListenPacket("udp", "127.0.0.1:0")
		must(t, err)
		defer server.Close()
		place := "syslog:server=" + server.LocalAddr().String() + params
		read := func() string {
			buf := make([]byte, 1000)
			server.SetReadDeadline(time.Now().Add(testTimeout))
			n, _, err := server.ReadFrom(buf)
			must(t, err)
			return syslogTime.ReplaceAllString(string(buf[:n]), "> TIME ")
		}
		request := "GET /open/a.txt?\xc3\xb8 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
		addr, _, _ := startConfiguredNginx(t, strings.Replace(guardedNginx, "access_log access.log combined;", "log_format line '\"$request\" $status'; access_log "+place+" line;", 1), dir)
		ask(t, "tcp", addr, request)
		want := read()
		r := newRig(t, nil)
		log, err := accesslog.OpenLog(accesslog.Target{Path: place}, accesslog.Options{})
		must(t, err)
		r.cfg.AccessLog = accesslog.Setting{Path: place, Format: "test"}
		r.cfg.Formats["test"] = accesslog.FormatSetting{Format: `"$request" $status`}
		r.cfg.Servers[0].App, r.cfg.Servers[0].Root = "", dir
		must(t, r.proxy.Configure(r.cfg, map[string]int{r.key: r.fd}, map[string]*accesslog.Log{place: log}))
		ask(t, "tcp", r.addr, request)
		if got := read(); got != want {
			t.Errorf("%s: got %q, want %q", params, got, want)
		}
		must(t, log.Close())
	}
}

var syslogTime = regexp.MustCompile(`> ?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d `)
