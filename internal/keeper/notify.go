package keeper

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
)

// notifier tells systemd how the service is (sd_notify(3)). Without NOTIFY_SOCKET
// in the environment every call does nothing.
type notifier struct {
	log  *zap.Logger
	send func(state string) error
}

func newNotifier(log *zap.Logger) *notifier {
	return &notifier{log: log, send: func(state string) error {
		_, err := daemon.SdNotify(false, state)
		return err
	}}
}

// ready says that the service serves, after a start or a reload.
func (n *notifier) ready() { n.tell(daemon.SdNotifyReady) }

// status says what the service does, for `systemctl status`.
func (n *notifier) status(text string) { n.tell("STATUS=" + oneLine(text)) }

// reloading begins a reload, which ready ends. Type=notify-reload needs the time
// (systemd 253).
func (n *notifier) reloading() {
	n.tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// stopping says that the service ends.
func (n *notifier) stopping() { n.tell(daemon.SdNotifyStopping) }

// watchdog tells systemd twice in WatchdogSec that the service lives, as long as
// healthy says so; one that hangs is then restarted. It returns when ctx ends, or at once when no
// watchdog is set for this process.
func (n *notifier) watchdog(ctx context.Context, healthy func(context.Context) bool) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		n.log.Warn("watchdog", zap.Error(err))
	}
	if err == nil && interval > 0 {
		n.pet(ctx, interval/2, healthy)
	}
}

// pet asks healthy once in each period, which is also the time healthy has.
func (n *notifier) pet(ctx context.Context, period time.Duration, healthy func(context.Context) bool) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		if n.check(ctx, period, healthy) {
			n.tell(daemon.SdNotifyWatchdog)
		} else if ctx.Err() == nil {
			n.log.Error("the service is not healthy; systemd is not told that it lives")
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (n *notifier) check(ctx context.Context, limit time.Duration, healthy func(context.Context) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return healthy(ctx)
}

// tell sends one message. The service runs on when systemd cannot be told.
func (n *notifier) tell(state string) {
	if err := n.send(state); err != nil {
		n.log.Warn("systemd cannot be told", zap.String("state", state), zap.Error(err))
	}
}

// oneLine keeps a text from being read as more assignments.
func oneLine(text string) string {
	out := []byte(text)
	for i, b := range out {
		if b == '\n' || b == '\r' {
			out[i] = ' '
		}
	}
	return string(out)
}
