package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"paddock/accesslog"
	"paddock/internal/value"
)

// balanceCase is one upstream with the place that passes to it, in the words that both
// nginx and Paddock read. A server is the name of a socket of balanceServers, or an
// address, with its parameters.
type balanceCase struct {
	name     string
	servers  []string
	method   string // "least_conn", "ip_hash" or "hash …"
	next     string // proxy_next_upstream; "": the default
	tries    int
	requests []string // "METHOD target", each sent so often as times says
	times    int
}

var balanceCases = []balanceCase{
	{"equal", []string{"ok1", "ok2", "ok3"}, "", "", 0, []string{"GET /"}, 9},
	{"weights", []string{"ok1 weight=5", "ok2", "ok3"}, "", "", 0, []string{"GET /"}, 21},
	{"primes", []string{"ok1 weight=7", "ok2 weight=3", "ok3 weight=2", "ok4 weight=11"}, "", "", 0, []string{"GET /"}, 50},
	{"down", []string{"ok1", "ok2 down", "ok3 weight=2"}, "", "", 0, []string{"GET /"}, 9},
	{"all-down", []string{"ok1 down", "ok2 down"}, "", "", 0, []string{"GET /"}, 2},
	{"one-down", []string{"ok1 down"}, "", "", 0, []string{"GET /"}, 2},
	{"dead", []string{"ok1", "none1", "ok2"}, "", "", 0, []string{"GET /", "POST /"}, 9},
	{"dead-weighs", []string{"ok1 weight=2", "none1 weight=5", "ok2"}, "", "", 0, []string{"GET /"}, 30},
	{"dead-more-fails", []string{"ok1 weight=3", "none1 weight=6 max_fails=3", "ok2"}, "", "", 0, []string{"GET /"}, 40},
	{"dead-never-out", []string{"ok1", "none1 max_fails=0"}, "", "", 0, []string{"GET /"}, 12},
	{"all-dead", []string{"none1", "none2"}, "", "", 0, []string{"GET /"}, 5},
	{"three-dead", []string{"none1", "none2", "none3 max_fails=2"}, "", "", 0, []string{"GET /"}, 6},
	{"single-dead", []string{"none1"}, "", "", 0, []string{"GET /"}, 3},
	{"backup", []string{"none1", "ok1 backup", "ok2 backup"}, "", "", 0, []string{"GET /"}, 8},
	{"backup-idle", []string{"ok1", "ok2", "ok3 backup"}, "", "", 0, []string{"GET /"}, 6},
	{"backup-dead", []string{"none1", "none2 backup"}, "", "", 0, []string{"GET /"}, 4},
	{"least", []string{"ok1 weight=3", "ok2", "ok3 weight=2"}, "least_conn", "", 0, []string{"GET /"}, 20},
	{"least-dead", []string{"ok1", "none1", "ok2 weight=2"}, "least_conn", "", 0, []string{"GET /"}, 15},
	{"least-backup", []string{"none1", "ok1 backup", "ok2 backup"}, "least_conn", "", 0, []string{"GET /"}, 6},
	{"ip", []string{"ok1", "ok2 weight=2", "ok3", "ok4"}, "ip_hash", "", 0, addresses, 2},
	{"ip-dead", []string{"ok1", "none1 weight=2", "ok3 down", "ok4"}, "ip_hash", "", 0, addresses, 2},
	{"hash", []string{"ok1", "ok2 weight=3", "ok3"}, "hash $arg_k", "", 0, hashed, 2},
	{"hash-dead", []string{"ok1", "none1 weight=3", "ok3 down", "ok4"}, "hash $arg_k", "", 0, hashed, 2},
	{"ring", []string{"ok1", "ok2 weight=3", "ok3", "ok4"}, "hash $arg_k consistent", "", 0, hashed, 2},
	{"ring-dead", []string{"ok1", "none1 weight=3", "ok3 down", "ok4"}, "hash $arg_k consistent", "", 0, hashed, 2},
	{"ring-no-key", []string{"ok1", "ok2"}, "hash $arg_none consistent", "", 0, []string{"GET /"}, 4},
	{"closes", []string{"close1", "ok1"}, "", "", 0, []string{"GET /"}, 4},
	{"closes-post", []string{"close1 max_fails=0", "ok1"}, "", "", 0, []string{"POST /"}, 4},
	{"closes-post-anyway", []string{"close1 max_fails=0", "ok1"}, "", "error non_idempotent", 0, []string{"POST /"}, 4},
	{"half-head", []string{"half1", "ok1"}, "", "", 0, []string{"GET /"}, 4},
	{"half-body", []string{"short1", "ok1"}, "", "", 0, []string{"GET /"}, 4},
	{"silent", []string{"silent1", "ok1"}, "", "", 0, []string{"GET /"}, 4},
	{"silent-not-timeout", []string{"silent1 max_fails=0", "ok1"}, "", "error", 0, []string{"GET /"}, 3},
	{"all-silent", []string{"silent1", "silent2"}, "", "", 0, []string{"GET /"}, 2},
	{"malformed", []string{"bad1 max_fails=0", "ok1"}, "", "", 0, []string{"GET /"}, 4},
	{"malformed-next", []string{"bad1 max_fails=0", "ok1"}, "", "invalid_header", 0, []string{"GET /"}, 4},
	{"off", []string{"none1 max_fails=0", "ok1"}, "", "off", 0, []string{"GET /"}, 4},
	{"off-ejects", []string{"none1", "ok1"}, "", "off", 0, []string{"GET /"}, 4},
	{"tries", []string{"none1 max_fails=0", "none2 max_fails=0", "ok1"}, "", "", 2, []string{"GET /"}, 6},
	{"status", []string{"s500", "s404", "ok1"}, "", "", 0, []string{"GET /"}, 6},
	{"status-next", []string{"s500", "s503", "ok1"}, "", "http_500 http_503", 0, []string{"GET /", "POST /"}, 6},
	{"status-kept", []string{"s404", "s403", "ok1"}, "", "http_404 http_403", 0, []string{"GET /"}, 9},
	{"status-all", []string{"s502", "s504", "s429"}, "", "http_502 http_504 http_429", 0, []string{"GET /"}, 6},
	{"status-last", []string{"s500", "s503"}, "", "http_500 http_503", 0, []string{"GET /"}, 5},
}

var (
	addresses = []string{"GET /?a=10.0.0.1", "GET /?a=10.0.0.2", "GET /?a=10.0.1.1", "GET /?a=192.168.7.9", "GET /?a=8.8.8.8", "GET /?a=2001:db8::1", "GET /?a=2001:db8::2"}
	hashed    = []string{"GET /?k=a", "GET /?k=b", "GET /?k=c", "GET /?k=some-longer-key", "GET /?k=1", "GET /?k=2", "GET /?k=3", "GET /?k=zz"}
)

// balanceServers listens on a socket for each kind of server that the cases name.
func balanceServers(t *testing.T) string {
	dir, err := os.MkdirTemp("", "b")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	silent := func(c net.Conn, _ request) bool { io.Copy(io.Discard, c); return false }
	kinds := map[string]func(net.Conn, request) bool{
		"close1": func(net.Conn, request) bool { return false },
		"half1":  answers("HTTP/1.1 200 OK\r\nContent-Le"), "bad1": answers("HTTP/1.1 200 OK\r\nA\x00: b\r\n\r\n"),
		"short1":  answers("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"),
		"silent1": silent, "silent2": silent,
	}
	for i := 1; i <= 4; i++ {
		kinds[fmt.Sprint("ok", i)] = answers(ok(fmt.Sprint("ok", i)))
	}
	for _, status := range []int{500, 502, 503, 504, 403, 404, 429} {
		kinds[fmt.Sprint("s", status)] = answers(fmt.Sprintf("HTTP/1.1 %d Told so\r\nContent-Length: 3\r\n\r\nno\n", status))
	}
	for name, handle := range kinds {
		path := filepath.Join(dir, name)
		ln, err := net.Listen("unix", path)
		must(t, err)
		must(t, os.Chmod(path, 0o777))
		serveBackend(t, ln, handle)
	}
	return dir
}

// patience is short only where a server is silent: on a busy machine others may be slow.
func (c *balanceCase) patience() time.Duration {
	if strings.Contains(strings.Join(c.servers, " "), "silent") {
		return 300 * time.Millisecond
	}
	return testTimeout
}

func at(dir, server string) string {
	if strings.Contains(server, ":") {
		return server
	}
	return "unix:" + filepath.Join(dir, server)
}

const balanceLog = `$http_n|$request|$status|$upstream_addr|$upstream_status|$upstream_connect_time|$upstream_header_time|$upstream_response_time|$upstream_response_length`

// nginxBalance is nginx's configuration; own is the folder of its files, dir that of the servers.
func nginxBalance(own, dir string, cases []balanceCase) string {
	var b strings.Builder
	fmt.Fprintf(&b, "daemon off; master_process off; pid %[1]s/nginx.pid; error_log %[1]s/error.log; worker_processes 1;\n"+
		"events { worker_connections 512; }\nhttp {\n log_format t '%[2]s'; access_log %[1]s/nginx.log t; real_ip_header X-Real-IP;\n"+
		" proxy_connect_timeout 300ms; set_real_ip_from unix:;\n"+
		" client_body_temp_path %[1]s/cb; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\n", own, balanceLog)
	for _, c := range cases {
		fmt.Fprintf(&b, " upstream %s {\n", c.name)
		if c.method != "" {
			fmt.Fprintf(&b, "  %s;\n", c.method)
		}
		for _, s := range c.servers {
			fmt.Fprintf(&b, "  server %s;\n", at(dir, s))
		}
		b.WriteString(" }\n")
	}
	fmt.Fprintf(&b, " server {\n  listen unix:%s/nginx.sock;\n", own)
	for _, c := range cases {
		fmt.Fprintf(&b, "  location /%[1]s/ { proxy_pass http://%[1]s/; ", c.name)
		if c.next != "" {
			fmt.Fprintf(&b, "proxy_next_upstream %s; ", c.next)
		}
		fmt.Fprintf(&b, "proxy_next_upstream_tries %d; proxy_read_timeout %dms; }\n", c.tries, c.patience().Milliseconds())
	}
	b.WriteString(" }\n}\n")
	return b.String()
}

func paddockBalance(dir string, cases []balanceCase) (upstreams map[string]Upstream, locations []Location) {
	upstreams = map[string]Upstream{}
	for _, c := range cases {
		u := DefaultUpstream()
		u.Keepalive = 0 // as Debian's nginx has it
		for _, s := range c.servers {
			u.Server = append(u.Server, at(dir, s))
		}
		u.LeastConn, u.IPHash = c.method == "least_conn", c.method == "ip_hash"
		u.Hash, _ = strings.CutPrefix(c.method, "hash ")
		if !strings.HasPrefix(c.method, "hash ") {
			u.Hash = ""
		}
		upstreams[c.name] = u
		l := Location{Path: "/" + c.name + "/", ProxyPass: "http://" + c.name + "/"}
		if c.next != "" {
			l.ProxyNextUpstream = value.Strings{c.next}
		}
		l.ProxyNextUpstreamTries, l.ProxyReadTimeout = &c.tries, duration(c.patience())
		locations = append(locations, l)
	}
	return upstreams, locations
}

// sendAll sends a case's requests, one after the other, each on its own connection.
func (c *balanceCase) sendAll(t *testing.T, socket string) {
	n := 0
	for range c.times {
		for _, q := range c.requests {
			method, target, _ := strings.Cut(q, " ")
			client := "X-Real-IP: 127.0.0.1\r\n"
			if _, addr, found := strings.Cut(target, "?a="); found {
				client = "X-Real-IP: " + addr + "\r\n"
			}
			body := ""
			if method == "POST" {
				body = "Content-Length: 2\r\n"
			}
			n++
			text := fmt.Sprintf("%s /%s%s HTTP/1.1\r\nHost: a\r\nN: %03d\r\nConnection: close\r\n%s%s\r\n", method, c.name, target, n, client, body)
			if body != "" {
				text += "hi"
			}
			ask(t, "unix", socket, text)
		}
	}
}

var someTime = regexp.MustCompile(`\d+\.\d{3}`)

// byCase splits a log by the first part of the path, in the order in which the requests
// were sent: a line may be written after the client has its answer. Times are all alike.
func byCase(text string) map[string][]string {
	out := map[string][]string{}
	for line := range strings.Lines(text) {
		line = someTime.ReplaceAllString(strings.TrimSuffix(line, "\n"), "T")
		_, rest, _ := strings.Cut(line, " /")
		name, _, _ := strings.Cut(rest, "/")
		out[name] = append(out[name], line)
	}
	for _, lines := range out {
		slices.Sort(lines)
	}
	return out
}

// balanceRig is a Paddock that has the cases, on a unix socket.
func balanceRig(t *testing.T, dir string, cases []balanceCase) *rig {
	return newRigOn(t, "unix", filepath.Join(dir, "paddock.sock"), "", func(c *Config) {
		c.Upstreams, c.Servers[0].Location = paddockBalance(dir, cases)
		c.Servers[0].App = ""
		c.Formats["test"] = accesslog.FormatSetting{Format: balanceLog}
		c.Servers[0].SetRealIPFrom = value.Strings{"unix:"}
		c.Servers[0].ProxyConnectTimeout = duration(300 * time.Millisecond)
	})
}

func readLog(t *testing.T, path string, lines int) string {
	for end := time.Now().Add(testTimeout); ; <-time.After(10 * time.Millisecond) {
		text, err := os.ReadFile(path)
		must(t, err)
		if bytes.Count(text, []byte("\n")) >= lines || time.Now().After(end) {
			return string(text)
		}
	}
}

func compareBalance(t *testing.T, dir string, cases []balanceCase) {
	t.Helper()
	nginx := runNginx(t, func(own string) string { return nginxBalance(own, dir, cases) })
	r := balanceRig(t, dir, cases)
	sent := 0
	for i := range cases {
		cases[i].sendAll(t, nginx)
		cases[i].sendAll(t, r.addr)
		sent += cases[i].times * len(cases[i].requests)
	}
	want, got := byCase(readLog(t, filepath.Join(filepath.Dir(nginx), "nginx.log"), sent)), byCase(strings.Join(r.lines(), "\n"))
	differ := 0
	for _, c := range cases {
		if strings.Join(want[c.name], "\n") == strings.Join(got[c.name], "\n") {
			continue
		}
		differ++
		for i := range max(len(want[c.name]), len(got[c.name])) {
			w, g := lineAt(want[c.name], i), lineAt(got[c.name], i)
			if w != g {
				t.Errorf("%s, request %d:\n  paddock %s\n  nginx   %s", c.name, i+1, g, w)
				break
			}
		}
	}
	t.Logf("%d requests to each, %d cases, %d differ", sent, len(cases), differ)
}

func lineAt(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "nothing"
}

func TestServersAreChosenAndLoggedAsNginxDoes(t *testing.T) {
	compareBalance(t, balanceServers(t), balanceCases)
}

// blackHole is a port whose listener has a full queue: nothing answers a connect.
func blackHole(t *testing.T) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	must(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, syscall.Listen(fd, 0))
	sa, err := syscall.Getsockname(fd)
	must(t, err)
	addr := fmt.Sprintf("127.0.0.1:%d", sa.(*syscall.SockaddrInet4).Port)
	for {
		c, err := net.DialTimeout("tcp", addr, 100*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { c.Close() })
	}
}

func TestTCPServersFailAsBehindNginx(t *testing.T) {
	dir := balanceServers(t)
	_, live := tcpBackend(t, answers(ok("tcp")))
	dead, hole := deadPort(t), blackHole(t)
	compareBalance(t, dir, []balanceCase{
		{"refused", []string{dead, live}, "", "", 0, []string{"GET /", "POST /"}, 3},
		{"hole", []string{hole, live}, "", "", 0, []string{"GET /", "POST /"}, 2},
		{"hole-alone", []string{hole}, "", "", 0, []string{"GET /"}, 1},
		{"hole-not-next", []string{hole + " max_fails=0", live}, "", "error", 0, []string{"GET /"}, 2},
		{"hole-and-dead", []string{hole, dead}, "", "", 0, []string{"GET /"}, 2},
	})
}
