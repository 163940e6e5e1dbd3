package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paddock/accesslog"
	"paddock/internal/value"
)

const nginxConfig = `
daemon off; pid nginx.pid; error_log error.log; worker_processes 1;
events {}
http {
  access_log off;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  set_real_ip_from 127.0.0.1; set_real_ip_from 10.0.0.0/8; set_real_ip_from fd00::/8;
  real_ip_header X-Forwarded-For;
  server { listen 127.0.0.1:%s; real_ip_recursive %s; return 200 "$remote_addr|$remote_port|$proxy_add_x_forwarded_for|$realip_remote_addr"; }
}
`

// startNginx returns the address of an nginx that answers with what it makes of
// X-Forwarded-For.
func startNginx(t *testing.T, recursive string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := ln.Addr().String()
	ln.Close()
	dir := t.TempDir()
	_, port, _ := net.SplitHostPort(addr)
	must(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), fmt.Appendf(nil, nginxConfig, port, recursive), 0o600))
	cmd := exec.Command("/usr/sbin/nginx", "-p", dir, "-e", "error.log", "-c", "nginx.conf")
	must(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() })
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(testTimeout); ; {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return addr
		}
		select {
		case <-tick.C:
		case <-end:
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Fatalf("nginx did not start: %s", log)
		}
	}
}

// forwardedLists are values of X-Forwarded-For; "\n" separates two fields.
// Left out is what we read and nginx 1.22 does not ("[2001:db8::1]" without a port, a comma in
// front), and lists that end in commas, which we drop from what the app gets.
var forwardedLists = []string{
	"192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:443", "192.0.2.1, 10.0.0.1",
	"192.0.2.1,10.0.0.1", "6.6.6.6, 192.0.2.1, 10.0.0.1, fd00::1", "10.0.0.2 10.0.0.1", "192.0.2.1, unknown, 10.0.0.1",
	"192.0.2.1, x", "x", "[::1", "[]", ":", "192.0.2.1:", "192.0.2.1:65536", "192.0.2", "192.0.2.1.5", "a, 10.0.0.1, 10.0.0.2",
	"192.0.2.1\n10.0.0.1", "6.6.6.6\n192.0.2.1, 10.0.0.2\n10.0.0.1", "192.0.2.1\nunknown", "192.0.2.1\nunknown, 10.0.0.1", "127.0.0.1",
}

func TestClientIsTheOneThatNginxFinds(t *testing.T) {
	if _, err := exec.LookPath("/usr/sbin/nginx"); err != nil {
		t.Fatal("nginx is not installed; `make test` installs nginx-light")
	}
	for _, recursive := range []bool{false, true} {
		nginx := startNginx(t, map[bool]string{false: "off", true: "on"}[recursive])
		r := newRig(t, func(c *Config) {
			c.Formats["test"] = accesslog.FormatSetting{Format: "$realip_remote_port $remote_addr|$remote_port|$proxy_add_x_forwarded_for|$realip_remote_addr"}
			s := &c.Servers[0]
			s.SetRealIPFrom, s.RealIPHeader, s.RealIPRecursive = value.Strings{"127.0.0.1", "10.0.0.0/8", "fd00::/8"}, new("X-Forwarded-For"), &recursive
		})
		r.backend(1, answers(ok("x")))
		r.ready(1, 0)
		var want, ports []string
		of := map[string]int{} // by the client's port: lines stand in the order in which requests end
		for _, list := range forwardedLists {
			fields := "X-Forwarded-For: " + strings.ReplaceAll(list, "\n", "\r\nX-Forwarded-For: ")
			request := "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + fields + "\r\n\r\n"
			body, port := askFrom(t, nginx, request)
			want = append(want, body)
			_, port2 := askFrom(t, r.addr, request)
			ports = append(ports, port+" "+port2)
			of[port2] = len(ports) - 1
		}
		for _, line := range r.lines() {
			from, line, _ := strings.Cut(line, " ")
			i := of[from]
			theirs, ours, _ := strings.Cut(ports[i], " ")
			if got := strings.Replace(line, "|"+ours+"|", "|PORT|", 1); got != strings.Replace(want[i], "|"+theirs+"|", "|PORT|", 1) {
				t.Errorf("%q, recursive %v: %s, nginx %s", forwardedLists[i], recursive, line, want[i])
			}
		}
	}
}

// askFrom returns the answer's body and the port that was asked from.
func askFrom(t *testing.T, addr, request string) (body, port string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(testTimeout)))
	io.WriteString(c, request)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	raw, err := io.ReadAll(res.Body)
	must(t, err)
	_, port, _ = net.SplitHostPort(c.LocalAddr().String())
	return string(raw), port
}
