package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const examplePath = "../../config.example.toml"

// exampleKey is one key of config.example.toml, on or off.
type exampleKey struct {
	line    int    // from 1
	section string // "app.web", "server[1]", "server[0].location[0]", "" at the top
	name    string
	value   string
}

func (k exampleKey) path() string { return strings.TrimPrefix(k.section+"."+k.name, ".") }

var (
	exampleHeader = regexp.MustCompile(`^\s*\[+([a-z0-9_.]+)\]+$`)
	exampleLine   = regexp.MustCompile(`^\s*#?([a-z0-9_]+) = (.*)$`)
)

func exampleLines(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")
}

// exampleKeys finds the keys by the form of the lines alone, so that it can be held
// against what the code under test says of them.
func exampleKeys(lines []string) []exampleKey {
	var keys []exampleKey
	section, servers, locations := "", 0, 0
	for i, line := range lines {
		if m := exampleHeader.FindStringSubmatch(line); m != nil {
			switch section = m[1]; section {
			case "server":
				section = fmt.Sprintf("server[%d]", servers)
				servers, locations = servers+1, 0
			case "tls.authority":
				section = "tls.authority[0]"
			case "server.location":
				section = fmt.Sprintf("server[%d].location[%d]", servers-1, locations)
				locations++
			}
		} else if m := exampleLine.FindStringSubmatch(line); m != nil {
			keys = append(keys, exampleKey{line: i + 1, section: section, name: m[1], value: m[2]})
		}
	}
	return keys
}

// loadExample loads the example with one line replaced.
func loadExample(t *testing.T, h *host, lines []string, line int, text string) []string {
	t.Helper()
	changed := slices.Clone(lines)
	if line > 0 {
		changed[line-1] = text
	}
	_, problems := loadFiles(t, h, map[string]string{"main.toml": strings.Join(changed, "\n")})
	return problems
}

func TestExampleLoadsAsItIs(t *testing.T) {
	for _, uid := range []int{0, 1000} {
		if got := loadExample(t, fakeHost(t, uid), exampleLines(t), 0, ""); got != nil {
			t.Errorf("uid %d:\n%s", uid, strings.Join(got, "\n"))
		}
	}
	if _, err := Load(examplePath); err != nil {
		t.Errorf("on this machine:\n%v", err)
	}
}

func TestExampleLoadsWithEveryKeyOn(t *testing.T) {
	lines := exampleLines(t)
	for _, key := range exampleKeys(lines) {
		lines[key.line-1] = key.name + " = " + key.value
	}
	h := fakeHost(t, 0)
	if got := loadExample(t, h, lines, 0, ""); got != nil {
		t.Error(strings.Join(got, "\n"))
	}
}

// Each key of the example in turn gets a value of the wrong type, and a stranger as
// its neighbour. The one problem that comes out has the line and the key.
func TestEveryKeyOfTheExampleIsGuarded(t *testing.T) {
	lines := exampleLines(t)
	keys := exampleKeys(lines)
	if len(keys) < 80 {
		t.Fatalf("only %d keys were found in the example", len(keys))
	}
	h := fakeHost(t, 0)
	for _, key := range keys {
		at := fmt.Sprintf("main.toml:%d: %s: ", key.line, key.path())
		got := loadExample(t, h, lines, key.line, key.name+" = 1979-05-27")
		// What could not be read may be missed elsewhere; the key itself must be named, once.
		if n := countPrefix(got, at); n != 1 {
			t.Errorf("%s = a date: named %d times, expected %s… in\n%s", key.path(), n, at, strings.Join(got, "\n"))
		}
		if strings.HasPrefix(key.section, "log_format") || key.section == "limit_req_zone" {
			continue // every name is a format's, or a zone's
		}
		got = loadExample(t, h, lines, key.line, lines[key.line-1]+"\nnot_a_key = 1")
		want := fmt.Sprintf("main.toml:%d: %s: unknown key", key.line+1, strings.TrimPrefix(key.section+".not_a_key", "."))
		if len(got) != 1 || !strings.HasPrefix(got[0], want) {
			t.Errorf("a stranger after %s: got %q, want %s…", key.path(), got, want)
		}
	}
}

func countPrefix(lines []string, prefix string) int {
	return len(lines) - len(slices.DeleteFunc(slices.Clone(lines), func(s string) bool { return strings.HasPrefix(s, prefix) }))
}

// outOfRange is a value of the right type that no key of that name takes. A key
// that is in neither list takes every value of its type.
var outOfRange = map[string][]string{
	"include": {`["gone.toml"]`},
	"user":    {`"stranger"`}, "pid_file": {`"/nowhere/pid"`}, "level": {`"loud"`}, "format": {`"xml"`},
	"command": {`""`, `"a 'b"`}, "directory": {`"/nowhere"`}, "venv": {`"/nowhere"`}, "env_file": {`"/nowhere"`},
	"umask": {`"999"`, `"1777"`}, "autorestart": {`"sometimes"`}, "exitcodes": {`[256]`, `[-1]`},
	"startsecs": {`-1`, `"x"`}, "startretries": {`-2`}, "stopsignal": {`"TREM"`, `99`}, "stopwaitsecs": {`-1`},
	"killasgroup": {`false`}, "environment": {`{ "A=B" = "x" }`, `{ "" = "x" }`},
	"stdout_logfile": {`"/nowhere/log"`, `"syslog"`}, "stderr_logfile": {`"/nowhere/log"`, `"syslog"`},
	"stdout_logfile_maxbytes": {`"50m"`, `-1`}, "stderr_logfile_maxbytes": {`"50m"`, `-1`},
	"stdout_logfile_backups": {`-1`, `1001`}, "stderr_logfile_backups": {`-1`, `1001`},
	"workers": {`-1`, `1001`}, "health": {`"health"`, `""`}, "health_timeout": {`"-1s"`, `"soon"`},
	"max_conns": {`-1`}, "queue_size": {`-1`}, "queue_timeout": {`"-1s"`}, "keepalive": {`-1`},
	"server": {`"no port"`}, "json": {`{ escape = "xml", format = "" }`}, "short": {`"$no_such_variable"`},
	"listen": {`"0"`, `"80 tls"`, `["80", "x"]`}, "server_name": {`"~("`}, "app": {`"nobody"`},
	"perclient": {`"$binary_remote_addr"`, `"$gone rate=1r/s"`, `"$host rate=1"`, `"$host rate=1r/s size=1"`}, "limit_req": {`"zone=gone"`, `"burst=1"`, `["zone=perclient burst=0"]`},
	"limit_req_status": {`200`, `600`}, "limit_req_log_level": {`"loud"`}, "auth_basic": {`"a\u0001"`}, "auth_basic_user_file": {`"/nowhere/users"`},
	"access_log": {`""`, `{ format = "gone" }`}, "client_max_body_size": {`"1MB"`, `-1`}, "client_body_buffer_size": {`"1x"`, `0`},
	"client_header_timeout": {`"-1"`, `0`}, "client_body_timeout": {`0`}, "client_body_min_rate": {`"1kb/s"`, `-1`}, "send_timeout": {`0`}, "keepalive_timeout": {`"-1"`},
	"worker_connections": {`-1`}, "least_conn": {`"yes"`}, "ip_hash": {`"yes"`}, "hash": {`"$gone"`, `"a b"`, `"a consistent x"`, `" "`}, "keepalive_time": {`0`, `"-1"`},
	"proxy_next_upstream": {`"sometimes"`, `[]`}, "proxy_next_upstream_tries": {`-1`}, "proxy_next_upstream_timeout": {`"-1"`}, "proxy_ignore_client_abort": {`"yes"`},
	"keepalive_requests": {`0`}, "http2_max_concurrent_streams": {`0`}, "http2_body_preread_size": {`"1k"`, `"2m"`}, "proxy_connect_timeout": {`0`}, "proxy_send_timeout": {`0`}, "proxy_read_timeout": {`0`},
	"set_real_ip_from": {`"example.com"`, `["10.0.0.0/33"]`, `"fe80::1%eth0"`}, "real_ip_header": {`""`, `"X Y"`},
	"path": {`"static/"`, `"~ ("`}, "proxy_pass": {`"http://gone"`, `"legacy"`}, "return": {`"1000"`, `"301"`},
	"root": {`"$host"`}, "alias": {`"static"`, `"/$host/"`}, "index": {`[]`, `"a b"`}, "try_files": {`"$uri"`, `"$uri =900"`, `"$uri @gone"`},
	"default_type": {`"html"`}, "expires": {`"soon"`, `"@25h"`, `"1ms"`}, "add_header": {`{ "a b" = "x" }`, `{ a = "$gone" }`, `{ Connection = "x" }`},
	"error_page": {`"404"`, `"200 /x"`, `"404 @gone"`, `"404 =1000 /x"`}, "proxy_set_header": {`{ "a b" = "x" }`, `{ Connection = "" }`, `{ a = "$gone" }`},
	"proxy_hide_header": {`"a b"`}, "gzip_types": {`"html"`}, "gzip_min_length": {`"1x"`, `-1`}, "gzip_comp_level": {`0`, `10`},
	"tls": {`"on"`}, "email": {`"nobody"`}, "challenges": {`"http"`, `["dns-02"]`},
	"manual_auth_hook": {`""`, `"a 'b"`}, "manual_cleanup_hook": {`""`}, "test_directory": {`"http://ca.example"`, `"ca"`},
	"trusted_roots": {`"/nowhere"`}, "eab_hmac_key_file": {`"/nowhere"`},
	"hsts": {`"soon"`, `"1d always"`}, "ssl_certificate": {`"/nowhere/gone.pem"`}, "ssl_certificate_key": {`"/nowhere/lost.pem"`},
	"ssl_protocols": {`"TLSv1.1"`, `["TLSv1.2", "SSLv3"]`}, "ssl_ciphers": {`"AES128-SHA"`, `"!aNULL"`}, "ssl_client_certificate": {`"/nowhere"`},
	"ssl_verify_client": {`"yes"`, `"on"`}, "ssl_session_timeout": {`0`, `"x"`},
	"max_temp_size": {`-1`, `"4GB"`}, "client_header_buffer_size": {`0`, `"2m"`}, "large_client_header_buffers": {`"8k"`, `8`, `"1000 8k"`},
	"proxy_request_buffering": {`"off"`}, "proxy_buffering": {`"off"`}, "proxy_buffer_size": {`"512"`, `"64k"`}, "proxy_buffers": {`"0 8k"`, `"65536 1g"`},
	"proxy_max_temp_file_size": {`-1`, `"1GB"`}, "lingering_close": {`"yes"`, `true`}, "lingering_time": {`0`}, "lingering_timeout": {`0`},
	"gzip_proxied": {`"some"`}, "gzip_http_version": {`"2"`},
}

var anyOfItsType = []string{
	"run_dir", "state_dir", "log_dir", // made at the start
	"priority", "autostart", "stopasgroup", "redirect_stderr", "real_ip_recursive", "limit_req_dry_run",
	"profile", "eab_kid", "https_redirect", "http2", "ssl_session_tickets", "ssl_reject_handshake",
	"allow_hidden_files", "absolute_redirect", "proxy_intercept_errors", "gzip", "gzip_vary", "internal",
}

func TestKeyOutOfRangeIsReportedAtItsLine(t *testing.T) {
	lines := exampleLines(t)
	h := fakeHost(t, 0)
	for _, key := range exampleKeys(lines) {
		if key.section == "log" && key.name == "path" { // any path will do
			continue
		}
		values, known := outOfRange[key.name]
		if !known && !slices.Contains(anyOfItsType, key.name) {
			t.Errorf("%s: the test knows no value that is out of its range", key.path())
		}
		for _, v := range values {
			got := loadExample(t, h, lines, key.line, key.name+" = "+v)
			at := fmt.Sprintf("main.toml:%d: %s", key.line, key.path())
			if countPrefix(got, at) == 0 {
				t.Errorf("%s = %s: got %q, want %s…", key.path(), v, got, at)
			}
		}
	}
}

// What stands inside a value has a line and a path of its own.
func TestInsideOfInlineTablesIsGuarded(t *testing.T) {
	text := strings.Join(exampleLines(t), "\n")
	for _, c := range []struct{ old, broken, want string }{
		{`TZ = "UTC" }` + "\n\n", `TZ = 1 }` + "\n\n", `app.web.environment.TZ: expected a string in quotes, got a number`},
		{`{ escape = "json",`, `{ escaped = "json",`, `log_format.json.escaped: unknown key "escaped"; `},
		{`{ escape = "json",`, `{ escape = 1,`, `log_format.json.escape: escape: expected a string, got a number`},
		{`format = "short" }`, `fmt = "short" }`, `server[0].access_log.fmt: unknown key "fmt"; `},
		{`{ path = "access.log",`, `{ path = false,`, `server[0].access_log.path: path: expected a string, got true or false`},
		{`"[::1]:8080"]`, `"::1"]`, `server[0].listen[1]: "::1": `},
		{`"www.example.com"]`, `8]`, `server[0].server_name[1]: expected a string`},
		{`conf.d/*.toml"]`, `conf.d/*.toml", 8]`, `include[1]: expected a string`},
		{"\nexitcodes = [0]\nstartsecs", "\nexitcodes = [0, 'x']\nstartsecs", `program.celery.exitcodes[1]: expected a whole number, got a string`},
	} {
		before, after, found := strings.Cut(text, c.old)
		if !found {
			t.Errorf("%s is not in the example", c.old)
			continue
		}
		line := strings.Count(before+c.old[:len(c.old)-len(strings.TrimLeft(c.old, "\n"))], "\n") + 1
		_, got := loadFiles(t, fakeHost(t, 0), map[string]string{"main.toml": before + c.broken + after})
		want := fmt.Sprintf("main.toml:%d: %s", line, c.want)
		if countPrefix(got, want) != 1 {
			t.Errorf("%s: got\n%s\nwant %s", c.broken, strings.Join(got, "\n"), want)
		}
	}
}

// Every key that a struct has stands in the example, and the example's sections
// have no key that is not a struct's.
func TestExampleHasEveryKey(t *testing.T) {
	have := map[string]bool{}
	index := regexp.MustCompile(`\[\d+\]`)
	for _, key := range exampleKeys(exampleLines(t)) {
		have[index.ReplaceAllString(key.path(), "")] = true
	}
	names := map[string]string{"app": "web", "program": "celery", "upstream": "legacy"}
	var want func(path string, t reflect.Type) []string
	want = func(path string, t reflect.Type) []string {
		var missing []string
		for key, index := range keysOf(t) {
			at := strings.TrimPrefix(path+"."+key, ".")
			inner := t.FieldByIndex(index).Type
			if name, named := names[at]; named {
				missing = append(missing, want(at+"."+name, inner.Elem())...)
				continue
			}
			if inner.Kind() == reflect.Slice {
				inner = inner.Elem()
			}
			switch {
			case at == "log_format", at == "limit_req_zone": // its keys are names
			case inner.Kind() == reflect.Struct && len(keysOf(inner)) > 0:
				missing = append(missing, want(at, inner)...)
			case !have[at]:
				missing = append(missing, at)
			}
		}
		return missing
	}
	if missing := want("", reflect.TypeFor[Config]()); len(missing) > 0 {
		slices.Sort(missing)
		t.Errorf("not in %s: %s", filepath.Base(examplePath), strings.Join(missing, ", "))
	}
}
