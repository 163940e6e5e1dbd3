package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// h2load asks for 200 bytes: in HTTP/2 over TLS, or, with a rate, in plain HTTP/1.1 so many
// times a second.
type h2load struct {
	conns, streams, rate int
}

const h2loadLog = "h2load.log"

func (h h2load) command(l *lab, p *proxy, secs int) []string {
	out := []string{"h2load", "-t1", "-c" + strconv.Itoa(h.conns), "-m" + strconv.Itoa(h.streams), "-D", strconv.Itoa(secs)}
	for _, f := range fields() {
		out = append(out, "-H", f)
	}
	if h.rate > 0 {
		rate := strconv.FormatFloat(float64(h.rate)/float64(h.conns), 'f', -1, 64)
		out = append(out, "--h1", "--rps="+rate, "--log-file="+l.path(h2loadLog))
	}
	return append(out, p.url(h.rate == 0, "/s"))
}

// read takes the figures from h2load's report, and the p99 from its log, which is then removed.
func (h h2load) read(l *lab, out string) (result, error) {
	r, err := readH2load(out)
	if err != nil || h.rate == 0 {
		return r, err
	}
	log, err := os.ReadFile(l.path(h2loadLog))
	if errors.Is(err, fs.ErrNotExist) {
		return r, errors.New("h2load wrote no log")
	} else if err != nil {
		return r, err
	}
	r.p99, err = readH2loadLog(string(log))
	return r, errors.Join(err, os.Remove(l.path(h2loadLog)))
}

func readH2load(out string) (result, error) {
	n := regexp.MustCompile(`requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed`).FindStringSubmatch(out)
	t := regexp.MustCompile(`finished in ([\d.]+[a-z]+),`).FindStringSubmatch(out)
	if n == nil || t == nil {
		return result{}, fmt.Errorf("h2load reports no requests: %q", out)
	}
	var r result
	r.requests, _ = strconv.Atoi(n[1])
	r.errors, _ = strconv.Atoi(n[2])
	var err error
	if r.elapsed, err = time.ParseDuration(t[1]); err != nil {
		return result{}, fmt.Errorf("h2load's time: %w", err)
	}
	return r, nil
}

// readH2loadLog takes the p99 from lines of start, status and microseconds.
func readH2loadLog(log string) (time.Duration, error) {
	var took []time.Duration
	for line := range strings.Lines(log) {
		f := strings.Fields(line)
		if len(f) < 3 {
			return 0, fmt.Errorf("h2load's log: %q", line)
		}
		us, err := strconv.Atoi(f[2])
		if err != nil {
			return 0, fmt.Errorf("h2load's log: %w", err)
		}
		took = append(took, time.Duration(us)*time.Microsecond)
	}
	slices.Sort(took)
	return percentile(took, 99), nil
}
