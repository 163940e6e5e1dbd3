package main

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// wrk asks one path on each of its connections, again and again.
type wrk struct {
	path               string
	conns              int
	tls, closing, post bool
}

// postScript makes every request of wrk a POST of 16 KiB.
const postScript = `wrk.method = "POST"
wrk.body = string.rep("x", 16384)
wrk.headers["Content-Type"] = "application/octet-stream"
`

func (w wrk) command(l *lab, p *proxy, secs int) []string {
	out := []string{"wrk", "-t1", "-c" + strconv.Itoa(w.conns), fmt.Sprintf("-d%ds", secs), "--latency"}
	for _, f := range fields() {
		out = append(out, "-H", f)
	}
	if w.closing {
		out = append(out, "-H", "Connection: close")
	}
	if w.post {
		out = append(out, "-s", l.path("post.lua"))
	}
	return append(out, p.url(w.tls, w.path))
}

// read takes the figures from wrk's report.
func (wrk) read(_ *lab, out string) (result, error) {
	total := regexp.MustCompile(`(\d+) requests in ([\d.]+[a-z]+),`).FindStringSubmatch(out)
	if total == nil {
		return result{}, fmt.Errorf("wrk reports no requests: %q", out)
	}
	var r result
	r.requests, _ = strconv.Atoi(total[1])
	var err error
	if r.elapsed, err = time.ParseDuration(total[2]); err != nil {
		return result{}, fmt.Errorf("wrk's time: %w", err)
	}
	if p := regexp.MustCompile(`(?m)^\s+99%\s+([\d.]+[a-z]+)$`).FindStringSubmatch(out); p != nil {
		if r.p99, err = time.ParseDuration(p[1]); err != nil {
			return result{}, fmt.Errorf("wrk's p99: %w", err)
		}
	}
	for _, e := range regexp.MustCompile(`(?:connect|read|write|timeout|responses:) (\d+)`).FindAllStringSubmatch(out, -1) {
		n, _ := strconv.Atoi(e[1])
		r.errors += n
	}
	return r, nil
}
