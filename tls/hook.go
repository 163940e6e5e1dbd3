package tls

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// hookTime bounds a hook: it may wait until all of a zone's servers have the record.
const hookTime = 10 * time.Minute

// hookEndTime is what the cleanup has when the process ends, or the name goes.
const hookEndTime = 10 * time.Second

// maxHookOutput is what is kept of a hook's output.
const maxHookOutput = 4 << 10

// hook proves names by DNS records that programs make, called as certbot calls those
// of --manual-auth-hook and --manual-cleanup-hook.
type hook struct {
	auth, cleanup []string
	endTime       time.Duration // how long cleanup may go on when the order was told to end

	mu      sync.Mutex        // guards printed
	printed map[string]string // by validation: what auth printed
}

// Present implements acmez.Solver.
func (h *hook) Present(ctx context.Context, c acme.Challenge) error {
	out, err := h.run(ctx, h.auth, c, "")
	if err != nil {
		return fmt.Errorf("manual_auth_hook: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.printed[c.DNS01KeyAuthorization()] = out
	return nil
}

// CleanUp implements acmez.Solver.
func (h *hook) CleanUp(ctx context.Context, c acme.Challenge) error {
	h.mu.Lock()
	out := h.printed[c.DNS01KeyAuthorization()]
	delete(h.printed, c.DNS01KeyAuthorization())
	h.mu.Unlock()
	if len(h.cleanup) == 0 {
		return nil
	}
	// An order that is told to end has a record to take away all the same.
	end := h.endTime
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(end, cancel) })()
	if _, err := h.run(longer, h.cleanup, c, out); err != nil {
		return fmt.Errorf("manual_cleanup_hook: %w", err)
	}
	return nil
}

// run runs a hook with certbot's environment and returns what it printed.
func (h *hook) run(ctx context.Context, command []string, c acme.Challenge, printed string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, hookTime)
	defer cancel()
	domain := strings.TrimPrefix(c.Identifier.Value, "*.")
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	// Told to end, it ends with all that it has started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Env = append(os.Environ(),
		"CERTBOT_DOMAIN="+domain,
		"CERTBOT_VALIDATION="+c.DNS01KeyAuthorization(),
		"CERTBOT_TOKEN="+c.Token,
		"CERTBOT_REMAINING_CHALLENGES=0",
		"CERTBOT_ALL_DOMAINS="+domain,
		"CERTBOT_AUTH_OUTPUT="+printed)
	var out, errs limited
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", command[0], err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// limited keeps the begin of what is written to it.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	l.Buffer.Write(p[:min(len(p), max(0, maxHookOutput-l.Len()))])
	return len(p), nil
}
