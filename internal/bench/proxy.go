package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	startTimeout = 10 * time.Second
	stopTimeout  = 10 * time.Second
	// fullLog is the size at which an access log is emptied between two rounds.
	fullLog = 200 << 20
)

// proxy is one that is measured.
type proxy struct {
	name, dir, conf string
	plain, tls      string // addresses
	args            []string
	cmd             *exec.Cmd
	said            bytes.Buffer // what it wrote to its standard error
}

func (p *proxy) url(tls bool, path string) string {
	if tls {
		return "https://" + p.tls + path
	}
	return "http://" + p.plain + path
}

func (p *proxy) log() string { return filepath.Join(p.dir, "access.log") }

// start runs the proxy and waits until it serves the app on both addresses.
func (p *proxy) start(ctx context.Context) error {
	p.said.Reset()
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Stderr = &p.said
	p.cmd.WaitDelay = stopTimeout
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := p.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			p.stop()
			return fmt.Errorf("start %s: %w\n%s", p.name, err, &p.said)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// answers says whether the app's 200 bytes come through, in plain HTTP and over TLS.
func (p *proxy) answers(ctx context.Context) error {
	t := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} // our own certificate
	for _, over := range []bool{false, true} {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url(over, "/s"), nil)
		if err != nil {
			return err
		}
		a, err := t.RoundTrip(r)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(a.Body)
		a.Body.Close()
		if err != nil || a.StatusCode != http.StatusOK || len(b) != smallAnswer {
			return fmt.Errorf("%s: %s with %d bytes: %w", r.URL, a.Status, len(b), err)
		}
	}
	return nil
}

// stop ends the proxy and waits for it.
func (p *proxy) stop() {
	if p.cmd == nil {
		return
	}
	kill := time.AfterFunc(stopTimeout, func() { p.cmd.Process.Kill() })
	defer kill.Stop()
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Wait()
	p.cmd = nil
}

// trim empties a log that has grown large: both append to it.
func (p *proxy) trim() error {
	i, err := os.Stat(p.log())
	if err != nil {
		return fmt.Errorf("access log of %s: %w", p.name, err)
	}
	if i.Size() < fullLog {
		return nil
	}
	return os.Truncate(p.log(), 0)
}
