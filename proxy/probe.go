package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"paddock/proxy/http1"
	"paddock/proxy/netpoll"
)

const probeUserAgent = "paddock-probe"

// Probe asks one generation of an app for its health path, through the
// generation's own socket (a file name in the folder of app sockets), and waits
// for an answer as long as ctx. Any answer below 500 is nil.
func (p *Proxy) Probe(ctx context.Context, app string, generation int, socket string) error {
	plan, err := p.probePlan(app)
	if err != nil {
		return err
	}
	status, err := p.probe(ctx, plan, p.appSocket(socket))
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("probe generation %d of %s at %s: %w", generation, app, plan.health, err)
	}
	if status >= 500 && !plan.dev {
		return fmt.Errorf("probe generation %d of %s: GET %s answered %d; expected less than 500", generation, app, plan.health, status)
	}
	return nil
}

func (p *Proxy) probePlan(app string) (*groupPlan, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.upstreams[app]
	if u == nil || !u.app {
		return nil, fmt.Errorf("probe: unknown app %q", app)
	}
	return u.health.Load(), nil
}

func (p *Proxy) probe(ctx context.Context, plan *groupPlan, at address) (status int, err error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(defaultHealthTimeout)
	}
	c, err := p.poller.Dial(at.dial, deadline)
	if err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, c.Interrupt)
	defer stop()
	defer c.Close()
	defer caught(p.logger, "a probe panicked", &err) // what an app answered must not end the process
	c.SetDeadline(deadline)
	if _, err := c.Write(appendProbe(nil, plan)); err != nil {
		return 0, err
	}
	return readStatus(c)
}

func appendProbe(dst []byte, plan *groupPlan) []byte {
	dst = http1.AppendRequestLine(dst, "GET", plan.health)
	dst = http1.AppendField(dst, "Host", plan.host)
	dst = http1.AppendField(dst, "User-Agent", probeUserAgent)
	dst = http1.AppendField(dst, "Connection", "close")
	return http1.AppendEnd(dst)
}

// readStatus reads the final head and no more.
func readStatus(c net.Conn) (int, error) {
	var r http1.Response
	limits := answerLimits(maxAnswerHead)
	buf := make([]byte, maxAnswerHead)
	for end := 0; ; {
		n, err := c.Read(buf[end:])
		end += n
		if n == 0 && err != nil {
			return 0, err
		}
		for {
			used, err := r.Parse(buf[:end], &limits)
			if errors.Is(err, http1.ErrIncomplete) {
				break
			}
			if err != nil || r.Status >= 200 {
				return r.Status, err
			}
			end = copy(buf, buf[used:end])
		}
	}
}

var _ net.Conn = (*netpoll.Conn)(nil)

// Drain closes the idle connections of one generation and returns when none of
// its requests is in flight any more, or with an error when ctx ends first.
func (p *Proxy) Drain(ctx context.Context, app string, generation int) error {
	p.mu.Lock()
	u := p.upstreams[app]
	p.mu.Unlock()
	if u == nil {
		return nil
	}
	return u.drain(ctx, generation)
}
