package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"
)

// firstByteRequests is how often each proxy is asked.
const firstByteRequests = 100

// exchangeTimeout bounds one answer.
const exchangeTimeout = 10 * time.Second

// firstBytes measures how long the first byte of a body is under way, when the app gives a
// first part at once and the rest after a while.
func firstBytes(ctx context.Context, l *lab, out io.Writer) error {
	fmt.Fprintf(out, "First byte of a 1 MiB body whose rest comes after %v, %d requests each, one after the other:\n\n", later, firstByteRequests)
	fmt.Fprint(out, "| first part | nginx, p50 | p99 | Paddock, p50 | p99 |\n|---|---|---|---|---|\n")
	for _, part := range []struct{ name, path string }{{"1 KiB", "/1k"}, {"64 KiB", "/64k"}} {
		var took [2][]time.Duration
		for range firstByteRequests {
			for i, p := range []*proxy{l.nginx, l.house} {
				d, err := firstByte(ctx, p.plain, part.path)
				if err != nil {
					return fmt.Errorf("first byte at %s: %w", p.name, err)
				}
				took[i] = append(took[i], d)
			}
		}
		fmt.Fprintf(out, "| %s", part.name)
		for _, t := range took {
			slices.Sort(t)
			fmt.Fprintf(out, " | %.2f ms | %.2f ms", milliseconds(percentile(t, 50)), milliseconds(percentile(t, 99)))
		}
		fmt.Fprint(out, " |\n")
	}
	fmt.Fprintln(out)
	return nil
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// firstByte asks once, on a connection of its own, and takes the whole answer.
func firstByte(ctx context.Context, address, path string) (time.Duration, error) {
	c, err := (&net.Dialer{Timeout: exchangeTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return 0, err
	}
	asked := time.Now()
	if _, err := c.Write(request(address, path, "Connection: close\r\n")); err != nil {
		return 0, err
	}
	var head []byte
	b := make([]byte, 64<<10)
	for at := -1; at < 0 || at+4 >= len(head); at = bytes.Index(head, []byte("\r\n\r\n")) {
		n, err := c.Read(b)
		if err != nil {
			return 0, err
		}
		head = append(head, b[:n]...)
	}
	took := time.Since(asked)
	rest, err := io.Copy(io.Discard, c)
	if err == nil && len(head)+int(rest) < largeAnswer {
		err = errors.New("the answer is cut")
	}
	return took, err
}

// request is a browser's.
func request(host, path, extra string) []byte {
	b := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n", path, host)
	for _, f := range fields() {
		b = append(append(b, f...), "\r\n"...)
	}
	return append(append(b, extra...), "\r\n"...)
}
