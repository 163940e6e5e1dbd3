package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	idleConns = 9000
	// opening is how many connections are opened before the first of them is served.
	opening = 50
	// settle is how long the proxies may take to give back what they do not need.
	settle = 8 * time.Second
	// warmIdle is how often both addresses are asked before: what the first requests take is no connection's.
	warmIdle = 10
)

// idleMemory measures what an idle connection, on which one request was served, costs in
// resident memory: each proxy freshly started.
func idleMemory(ctx context.Context, l *lab, out io.Writer) error {
	fmt.Fprintf(out, "Resident memory of each of %d idle keep-alive connections:\n\n", idleConns)
	fmt.Fprint(out, "| connections | nginx, KB | Paddock, KB | goal |\n|---|---|---|---|\n")
	for _, kind := range []struct {
		name, goal string
		tls        bool
	}{{"plain", "≤ 1", false}, {"TLS", "≤ 12", true}} {
		var each [2]float64
		for i, p := range []*proxy{l.nginx, l.house} {
			var err error
			if each[i], err = idleAt(ctx, p, kind.tls); err != nil {
				return fmt.Errorf("idle connections at %s: %w", p.name, err)
			}
		}
		fmt.Fprintf(out, "| %s | %.2f | %.2f | %s |\n", kind.name, each[0], each[1], kind.goal)
	}
	fmt.Fprintln(out)
	return nil
}

// idleAt is how many KB of a proxy one idle connection takes.
func idleAt(ctx context.Context, p *proxy, over bool) (kb float64, err error) {
	if err := p.start(ctx); err != nil {
		return 0, err
	}
	defer p.stop()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range warmIdle {
		if err := p.answers(ctx); err != nil {
			return 0, err
		}
	}
	before := resident(p.cmd.Process.Pid)
	for len(conns) < idleConns {
		more, err := openIdle(ctx, p, over)
		conns = append(conns, more...)
		if err != nil {
			return 0, fmt.Errorf("number %d: %w", len(conns), err)
		}
	}
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(settle):
	}
	after := resident(p.cmd.Process.Pid)
	for i := 0; i < len(conns); i += 100 { // that they were not closed meanwhile
		if err := askIdle(conns[i], p.plain); err != nil {
			return 0, fmt.Errorf("number %d is idle no more: %w", i, err)
		}
	}
	return float64(after-before) / idleConns / 1024, nil
}

// openIdle opens some connections and has a request served on each.
func openIdle(ctx context.Context, p *proxy, over bool) (out []net.Conn, err error) {
	for range opening {
		c, err := dialIdle(ctx, p, over)
		if err != nil {
			return out, err
		}
		out = append(out, c)
	}
	for _, c := range out {
		err = errors.Join(err, askIdle(c, p.plain))
	}
	return out, err
}

func dialIdle(ctx context.Context, p *proxy, over bool) (net.Conn, error) {
	d := &net.Dialer{Timeout: exchangeTimeout}
	if !over {
		return d.DialContext(ctx, "tcp", p.plain)
	}
	t := tls.Dialer{NetDialer: d, Config: &tls.Config{InsecureSkipVerify: true}} // our own certificate
	return t.DialContext(ctx, "tcp", p.tls)
}

// askIdle sends a request and takes its answer.
func askIdle(c net.Conn, host string) error {
	if err := c.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return err
	}
	if _, err := c.Write(request(host, "/s", "")); err != nil {
		return err
	}
	b := make([]byte, 4096)
	for n := 0; ; {
		more, err := c.Read(b[n:])
		n += more
		if head, body, whole := bytes.Cut(b[:n], []byte("\r\n\r\n")); whole && len(body) >= smallAnswer {
			if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
				return fmt.Errorf("answer %q", head)
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}
