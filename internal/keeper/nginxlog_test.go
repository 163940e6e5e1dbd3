package keeper

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

func TestLogInNginxsForm(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLog(&out, "info", "nginx")
	if err != nil {
		t.Fatal(err)
	}
	log.Error(`user "bob": password mismatch`, zap.Uint64("connection", 3), zap.String("client", "192.0.2.1"), zap.String("server", "a.test"),
		zap.ByteString("request", []byte("GET / HTTP/1.1")), zap.ByteString("host", []byte("a.test")))
	log.Named("proxy").With(zap.String("app", "web")).Warn("two\nlines", zap.Duration("after", time.Second), zap.String("host", "a\", x: \"b"), zap.Error(errors.New("no\x1b")))
	log.Debug("not shown")
	pid := strconv.Itoa(os.Getpid())
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	for i, want := range []string{
		`\[error\] PID#PID: \*3 user "bob": password mismatch, client: 192\.0\.2\.1, server: a\.test, request: "GET / HTTP/1\.1", host: "a\.test"`,
		`\[warn\] PID#PID: two\\x0Alines, after: 1s, host: "a\\x22, x: \\x22b", error: no\\x1B, app: web`,
	} {
		want = `^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ` + strings.ReplaceAll(want, "PID", pid) + `$`
		if len(lines) != 2 || !regexp.MustCompile(want).MatchString(lines[i]) {
			t.Errorf("got  %q\nwant %s", lines, want)
		}
	}
}
