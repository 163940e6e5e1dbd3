package proxy

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"paddock/accesslog"
)

// openLogs opens more logs, and reads one when it is asked for.
func (r *rig) openLogs(names ...string) (logs map[string]*accesslog.Log, read func(name string) string) {
	dir := plainTempDir(r.t)
	logs = map[string]*accesslog.Log{}
	for _, name := range names {
		f, err := os.Create(filepath.Join(dir, name))
		must(r.t, err)
		logs[name] = accesslog.NewLog(f, accesslog.Options{})
	}
	return logs, func(name string) string {
		must(r.t, logs[name].Close())
		text, err := os.ReadFile(filepath.Join(dir, name))
		must(r.t, err)
		return strings.TrimSuffix(string(text), "\n")
	}
}

func TestAPlaceWritesToEachOfItsLogsAndInheritsNone(t *testing.T) {
	r := newRig(t, nil)
	logs, read := r.openLogs("server", "also", "place", "some")
	logs[r.logPath] = r.log
	s := &r.cfg.Servers[0]
	s.App = ""
	r.cfg.Formats["uri"] = accesslog.FormatSetting{Format: "$uri"}
	s.AccessLog = accesslog.Settings{{Path: "server", Format: "uri"}, {Path: "also", Format: "uri"}}
	s.Location = []Location{
		{Path: "/", Return: "200"},
		{Path: "/place", Return: "200", Settings: Settings{AccessLog: accesslog.Settings{{Path: "place", Format: "uri"}}}},
		{Path: "/off", Return: "200", Settings: Settings{AccessLog: accesslog.Settings{{Off: true}}}},
		{Path: "/if", Return: "200", Settings: Settings{AccessLog: accesslog.Settings{{Path: "some", Format: "uri", If: "$arg_log"}}}},
		{Path: "/default", Return: "200", Settings: Settings{AccessLog: accesslog.Settings{{Format: "uri"}}}},
	}
	must(t, r.proxy.Configure(r.cfg, map[string]int{r.key: r.fd}, maps.Clone(logs)))
	for _, target := range []string{"/a", "/place", "/off", "/if", "/if?log=0", "/if?log=", "/if?log=1", "/default"} {
		r.get(target)
	}
	if got := r.lines(); len(got) != 1 || got[0] != "/default" {
		t.Errorf("the default log has %q", got)
	}
	for name, want := range map[string]string{"server": "/a", "also": "/a", "place": "/place", "some": "/if"} {
		if got := read(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestVariablesOfTheSocketTheFileAndTheBody(t *testing.T) {
	dir := plainTempDir(t)
	r := newRig(t, func(c *Config) {
		c.Formats["test"] = accesslog.FormatSetting{Format: "$uri|$request_body|$document_root|$request_filename|$tcpinfo_rtt"}
		s := &c.Servers[0]
		s.App, s.Root = "", dir+"/"
		s.Location = []Location{
			{Path: "/", ProxyPass: "http://web"},
			{Path: "/files/"},
			{Path: "/alias/", Alias: dir + "/x/"},
		}
		s.Location[1].Root = "/srv/other"
	})
	r.backend(1, answers(ok("x")))
	r.ready(1, 0)
	for _, request := range []string{
		"POST /small HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\na=b",
		"POST /chunked HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na=\r\n1\r\nb\r\n0\r\n\r\n",
		"POST /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 20480\r\n\r\n" + strings.Repeat("x", 20480),
		"POST /empty HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		"POST /files/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\na=b",
		"GET /alias/y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
	} {
		r.raw(request)
	}
	want := map[string]string{
		"/small": "a=b|DIR|DIR/small", "/chunked": "a=b|DIR|DIR/chunked", "/large": "-|DIR|DIR/large", "/empty": "|DIR|DIR/empty",
		"/files/x": "-|/srv/other|/srv/other/files/x", "/alias/y": "-|DIR/x/|DIR/x/y",
	}
	for _, line := range r.lines() {
		uri, rest, _ := strings.Cut(strings.ReplaceAll(line, dir, "DIR"), "|")
		i := strings.LastIndexByte(rest, '|')
		if rest[:i] != want[uri] || strings.Trim(rest[i+1:], "0123456789") != "" || rest[i+1:] == "" {
			t.Errorf("%s: got %q, want %q and a time", uri, rest, want[uri])
		}
		delete(want, uri)
	}
	if len(want) > 0 {
		t.Errorf("not logged: %v", want)
	}
}
