package proxy

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paddock/accesslog"
)

const hostileFormat = `$remote_user "$request" $status "$http_referer" "$http_user_agent" "$http_cookie" $uri $args`

const nginxLogging = `
daemon off; master_process off; pid %[1]s/nginx.pid; error_log %[1]s/error.log; worker_processes 1;
events { worker_connections 64; }
http {
  log_format t '%[2]s'; access_log %[1]s/access.log t;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server { listen unix:%[1]s/nginx.sock; location / { return 200 x; } }
}`

// C14: whatever a client says stands in one line, byte for byte as nginx writes it.
func TestHostileBytesAreLoggedAsNginxLogsThem(t *testing.T) {
	dir := ""
	nginx := runNginx(t, func(d string) string {
		dir = d
		return fmt.Sprintf(nginxLogging, d, hostileFormat)
	})
	r := newStrictRig(t, func(c *Config) {
		returning("200 x")(c)
		c.Formats["test"] = accesslog.FormatSetting{Format: hostileFormat}
	})
	var requests []string
	for c := range 256 {
		b := string([]byte{byte(c)})
		user := base64.StdEncoding.EncodeToString([]byte("u" + b + "u:secret"))
		target := fmt.Sprintf("/%%%02x", c)
		switch {
		case c == 0 || c == 0x7f || c < ' ' && c != '\t': // refused where they stand as they are, and NUL everywhere
			if c > 0 {
				requests = append(requests, "GET "+target+"?"+target+" HTTP/1.1\r\nHost: a\r\nAuthorization: Basic "+user+"\r\nConnection: close\r\n\r\n")
			}
			continue
		case c > ' ' && !strings.Contains("#\\?%./", b):
			target += b + "x?" + b
		}
		requests = append(requests, "GET "+target+" HTTP/1.1\r\nHost: a\r\nAuthorization: Basic "+user+"\r\nReferer: r"+b+"r\r\nUser-Agent: z"+b+b+"z\r\nCookie: a=\""+b+"\"; b=\\x"+b+"y\r\nConnection: close\r\n\r\n")
	}
	requests = append(requests, "GET / HTTP/1.1\r\nHost: a\r\nReferer:\r\nUser-Agent: \xc2\x85\xe2\x80\xa8\x85\r\nAuthorization: Basic !!!\r\nConnection: close\r\n\r\n", "\x16\x03\x01\x02\n\n", "get \"x\" \\ HTTP/1.1\r\nHost: a\r\n\r\n")
	for _, text := range requests {
		for _, socket := range []string{nginx, r.addr} {
			c, err := net.Dial("unix", socket)
			must(t, err)
			must(t, c.SetDeadline(time.Now().Add(testTimeout)))
			_, err = io.WriteString(c, text)
			must(t, err)
			io.Copy(io.Discard, c)
			c.Close()
		}
	}
	ours := r.lines()
	var theirs []string
	for end := time.Now().Add(testTimeout); len(theirs) < len(requests) && time.Now().Before(end); <-time.After(time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(dir, "access.log"))
		must(t, err)
		theirs = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}
	if len(ours) != len(requests) || len(theirs) != len(requests) {
		t.Fatalf("%d requests, %d lines, %d of nginx", len(requests), len(ours), len(theirs))
	}
	at := map[string]bool{}
	for _, line := range theirs {
		at[line] = true
	}
	for _, line := range ours {
		if !at[line] {
			t.Errorf("nginx does not write %s", line)
		}
	}
}
