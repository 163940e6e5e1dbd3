package main

import "time"

// The two configurations of nginx: its best for all workloads, and its best for bodies
// that are larger than its default client_body_buffer_size.
const (
	nginxBest     = "nginx"
	nginxBestBody = "nginx-body128k"
)

// load is a workload: what is asked, against which nginx, and the highest ratio of CPU
// time for a request that is good enough (0: none is set).
type load struct {
	name      string
	against   string
	goal      float64
	generator generator
}

// generator is a program that sends requests.
type generator interface {
	command(l *lab, p *proxy, secs int) []string
	read(l *lab, out string) (result, error)
}

// result is what a generator says.
type result struct {
	requests, errors int
	elapsed          time.Duration
	p99              time.Duration // 0: not known
}

// loads are all workloads, in the order in which they are printed.
func loads() []load {
	return []load{
		{"get", nginxBest, 0.75, wrk{path: "/s", conns: 64}},
		{"get1k", nginxBest, 0.75, wrk{path: "/s", conns: 1000}},
		{"rate2000", nginxBest, 0.75, h2load{conns: 64, streams: 1, rate: 2000}},
		{"conn", nginxBest, 0.75, wrk{path: "/s", conns: 64, closing: true}},
		{"upclose", nginxBest, 0.90, wrk{path: "/x", conns: 64}},
		{"post", nginxBestBody, 0.85, wrk{path: "/s", conns: 64, post: true}},
		{"r16k", nginxBest, 0.75, wrk{path: "/m", conns: 64}},
		{"chunk", nginxBest, 0.75, wrk{path: "/c", conns: 64}},
		{"r1m", nginxBest, 0.55, wrk{path: "/l", conns: 16}},
		{"tls", nginxBest, 0.70, wrk{path: "/s", conns: 64, tls: true}},
		{"tls1m", nginxBest, 0.70, wrk{path: "/l", conns: 16, tls: true}},
		{"tlsconn", nginxBest, 0.75, wrk{path: "/s", conns: 64, tls: true, closing: true}},
		{"h2", nginxBest, 0, h2load{conns: 16, streams: 10}},
	}
}

// fields are what a browser sends.
func fields() []string {
	return []string{
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
		"Accept-Language: en-US,en;q=0.5",
		"Accept-Encoding: gzip, deflate, br, zstd",
		"Referer: https://example.org/some/previous/page?q=1",
		"Cookie: sessionid=7yq2l3m0v9w8x6z5c4b3n2m1k0j9h8g7; csrftoken=AbCdEfGhIjKlMnOpQrStUvWxYz012345",
	}
}
