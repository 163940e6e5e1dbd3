package metrics

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"paddock/accesslog"
	"paddock/proxy"
)

var update = flag.Bool("update", false, "write the list of series into docs/metrics.md")

// sample is a proxy and a keeper with one of everything.
func sample() Source {
	times := proxy.Histogram{Buckets: map[float64]uint64{0.5: 1, 60: 2}, Count: 3, Sum: 100.5}
	m := proxy.Metrics{
		Accepted: 9, Reading: 1,
		Sites: map[string]proxy.SiteMetrics{"a.test": {
			Requests: []proxy.RequestCount{{Method: "GET", Status: 200, Count: 5}, {Method: "OTHER", Status: 0, Count: 1}},
			Duration: times, RequestBytes: 10, ResponseBytes: 20, InFlight: 2, Aborts: 1,
			Refused: map[accesslog.Refusal]uint64{accesslog.RefusedQueueFull: 4},
		}},
		Upstreams: map[string]proxy.UpstreamMetrics{"web": {
			UpstreamStats: proxy.UpstreamStats{App: true, State: "ready", Generation: 3, InFlight: 1, Queued: 2, Limit: 4, QueueSize: 1000},
			Tries:         map[int]uint64{200: 5}, Failed: map[accesslog.Failure]uint64{accesslog.FailedEOF: 1}, Connect: times, Header: times, Wait: times,
		}},
	}
	m.Connections, m.Stats.Requests = 7, 11
	m.Logs = map[string]proxy.LogStats{"/log/access.log": {Lines: 6, Dropped: 1}}
	k := Keeper{ReloadOK: true, ReloadTime: time.Unix(1000, 0), ReloadsOK: 2, ReloadsFailed: 1, Generations: map[string]int{"web": 3}}
	k.Processes = []Process{
		{
			Kind: "app", Name: "web", State: "BACKOFF", Started: time.Unix(500, 0), Backoff: 4 * time.Second, Restarts: map[string]uint64{RestartExit: 3},
			Exits: map[string]uint64{"1": 2, "SIGKILL": 1}, Processes: 3, RSS: 1 << 20, CPU: 1500 * time.Millisecond, OpenFiles: 30,
		},
		{Kind: "keeper", Name: "keeper", Started: time.Unix(400, 0), Processes: 1, RSS: 1 << 20, OpenFiles: 9},
	}
	d := Deploys{Results: map[string]uint64{DeploySucceeded: 2}}
	d.Seconds.Observe(700 * time.Millisecond)
	d.Seconds.Observe(time.Hour)
	k.Deploys = map[string]Deploys{"web": d}
	return Source{
		Version: "1.2.3", Proxy: func() proxy.Metrics { return m },
		Keeper: func(context.Context) (Keeper, error) { return k, nil },
		Certificates: func() []Certificate {
			return []Certificate{
				{Name: "a.test", Mode: "auto", NotBefore: time.Unix(100, 0), NotAfter: time.Unix(900, 0), RenewAt: time.Unix(600, 0), Obtained: 2, Failed: 1, Failing: true},
				{Name: "b.test", Mode: "file", NotBefore: time.Unix(100, 0), NotAfter: time.Unix(900, 0)},
			}
		},
	}
}

// serve serves a source on a loopback port and returns its URL.
func serve(t *testing.T, from Source) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(l, from, nil)
	t.Cleanup(s.Close)
	return "http://" + l.Addr().String()
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func TestFiguresBecomeSeries(t *testing.T) {
	status, text := get(t, serve(t, sample())+"/metrics")
	if status != 200 {
		t.Fatalf("%d: %s", status, text)
	}
	for _, want := range []string{
		`paddock_http_requests_total{code="200",method="GET",site="a.test"} 5`,
		`paddock_http_requests_total{code="other",method="OTHER",site="a.test"} 1`,
		`paddock_http_request_duration_seconds_bucket{site="a.test",le="0.5"} 1`,
		`paddock_http_request_duration_seconds_bucket{site="a.test",le="+Inf"} 3`,
		`paddock_http_request_duration_seconds_sum{site="a.test"} 100.5`,
		`paddock_http_rejected_total{reason="queue_full",site="a.test"} 4`,
		`paddock_http_connections{state="reading"} 1`,
		`paddock_http_connections{state="waiting"} 4`,
		`paddock_http_connections{state="writing"} 2`,
		`paddock_upstream_errors_total{reason="eof",upstream="web"} 1`,
		`paddock_upstream_up{upstream="web"} 1`,
		`paddock_queue_length{upstream="web"} 2`,
		`paddock_process_up{kind="app",name="web"} 0`,
		`paddock_process_state{kind="app",name="web",state="BACKOFF"} 1`,
		`paddock_process_state{kind="app",name="web",state="RUNNING"} 0`,
		`paddock_process_backoff_seconds{kind="app",name="web"} 4`,
		`paddock_process_restarts_total{kind="app",name="web",reason="exit"} 3`,
		`paddock_process_exits_total{code="SIGKILL",kind="app",name="web"} 1`,
		`paddock_process_cpu_seconds_total{kind="app",name="web"} 1.5`,
		`paddock_process_start_time_seconds{kind="keeper",name="keeper"} 400`,
		`paddock_deploys_total{app="web",result="failure"} 0`,
		`paddock_deploy_duration_seconds_bucket{app="web",le="1"} 1`,
		`paddock_deploy_duration_seconds_bucket{app="web",le="300"} 1`,
		`paddock_deploy_duration_seconds_count{app="web"} 2`,
		`paddock_log_dropped_lines_total{log="/log/access.log"} 1`,
		`paddock_config_reloads_total{result="failure"} 1`,
		`paddock_config_last_reload_success_timestamp_seconds 1000`,
		`paddock_keeper_up 1`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
	for _, f := range families {
		if !strings.Contains(text, "\n# TYPE "+f.name+" "+f.kind+"\n") && !strings.HasPrefix(text, "# TYPE "+f.name+" ") {
			t.Errorf("no series of %s, a %s", f.name, f.kind)
		}
	}
	promtool(t, text, "check", "metrics")
}

func TestKeeperThatDoesNotAnswerIsToldAndTheRestIsServed(t *testing.T) {
	for name, ask := range map[string]func(context.Context) (Keeper, error){
		"gone": func(context.Context) (Keeper, error) { return Keeper{}, errors.New("gone") },
		"slow": func(ctx context.Context) (Keeper, error) { <-ctx.Done(); return Keeper{}, ctx.Err() },
	} {
		from := sample()
		from.Keeper = ask
		begun := time.Now()
		status, text := get(t, serve(t, from)+"/metrics")
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("%s: after %v", name, took)
		}
		if status != 200 || !strings.Contains(text, "\npaddock_keeper_up 0\n") || !strings.Contains(text, "paddock_http_requests_total{") {
			t.Errorf("%s: %d %s", name, status, text)
		}
		if strings.Contains(text, "paddock_process_") || strings.Contains(text, "paddock_config_") {
			t.Errorf("%s: figures of a keeper that did not answer", name)
		}
	}
}

func TestStubStatusIsNginxs(t *testing.T) {
	status, text := get(t, serve(t, sample())+"/stub_status")
	want := "Active connections: 7 \nserver accepts handled requests\n 9 9 11 \nReading: 1 Writing: 2 Waiting: 4 \n"
	if status != 200 || text != want {
		t.Errorf("%d %q", status, text)
	}
}

func TestOnlyGetAndHeadOfTheTwoPathsAreAnswered(t *testing.T) {
	url := serve(t, sample())
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/metrics", 200},
		{"HEAD", "/metrics", 200},
		{"GET", "/stub_status", 200},
		{"POST", "/metrics", 405},
		{"DELETE", "/stub_status", 405},
		{"GET", "/", 404},
		{"GET", "/metrics/x", 404},
		{"GET", "/debug/pprof/", 404},
	} {
		req, _ := http.NewRequest(c.method, url+c.path, nil)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, res.StatusCode, c.want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestHugeHeadIsRefused(t *testing.T) {
	url := serve(t, sample())
	req, _ := http.NewRequest("GET", url+"/metrics", nil)
	req.Header.Set("X", strings.Repeat("x", 64<<10))
	res, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		defer res.Body.Close()
		if res.StatusCode != 431 {
			t.Errorf("%d", res.StatusCode)
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	url := serve(t, sample())
	addr := strings.TrimPrefix(url, "http://")
	var held []net.Conn
	for range maxConnections {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /stub_status HTTP/1.1\r\nHost: a\r\n\r\n")
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	late, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	fmt.Fprintf(late, "GET /stub_status HTTP/1.1\r\nHost: a\r\n\r\n")
	late.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, _ := late.Read(make([]byte, 1)); n > 0 {
		t.Errorf("connection %d was served", maxConnections+1)
	}
	held[0].Close()
	late.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := late.Read(make([]byte, 1)); n == 0 {
		t.Errorf("not served when another one had gone: %v", err)
	}
}

// promtool runs Prometheus' own tool, which must have nothing to say.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	cmd := exec.Command("promtool", args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil || args[0] == "check" && args[1] == "metrics" && len(out) > 0 {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

const docs = "../../docs"

// TestDocumentationListsEverySeries holds the table of docs/metrics.md against the
// code; go test ./internal/metrics -update writes it.
func TestDocumentationListsEverySeries(t *testing.T) {
	const begin, end = "<!-- series -->\n", "<!-- end -->\n"
	path := filepath.Join(docs, "metrics.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no marks for the list", path)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+table()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if old != table() {
		t.Errorf("%s is stale; run go test ./internal/metrics -update", path)
	}
}

func table() string {
	var b strings.Builder
	b.WriteString("| series | type | labels | meaning |\n|---|---|---|---|\n")
	for _, f := range families {
		labels := "–"
		if len(f.labels) > 0 {
			labels = "`" + strings.Join(f.labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, f.kind, labels, f.help)
	}
	return b.String()
}

var metricName = regexp.MustCompile(`paddock_[a-z_]+`)

func TestRulesAreValidAndNameOnlySeriesThatExist(t *testing.T) {
	promtool(t, "", "check", "rules", filepath.Join(docs, "paddock.rules.yml"))
	promtool(t, "", "test", "rules", filepath.Join("testdata", "rules_test.yml"))
	for _, file := range []string{"paddock.rules.yml", "metrics.md"} {
		text, err := os.ReadFile(filepath.Join(docs, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range metricName.FindAllString(string(text), -1) {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				name = strings.TrimSuffix(name, suffix)
			}
			if !slices.ContainsFunc(families, func(f *family) bool { return f.name == name }) {
				t.Errorf("%s names %s, which does not exist", file, name)
			}
		}
	}
}
