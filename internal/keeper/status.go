package keeper

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"paddock/internal/config"
	"paddock/internal/control"
	"paddock/internal/link"
	"paddock/internal/value"
	"paddock/proxy"
	"paddock/supervisor"
)

// proxyTimeout is how long the proxy's own figures are waited for.
const proxyTimeout = time.Second

// proxyStats is what the proxy answers; its JSON is worker.Stats.
type proxyStats struct {
	Goroutines int         `json:"goroutines"`
	Proxy      proxy.Stats `json:"proxy"`
}

func (k *Keeper) proxyStats(ctx context.Context) (proxyStats, error) {
	ctx, cancel := context.WithTimeout(ctx, proxyTimeout)
	defer cancel()
	var s proxyStats
	err := k.front.call(ctx, link.TypeStats, nil, &s)
	return s, err
}

// Status is all that runs, at this moment. Without an answer of the proxy its
// figures are zero.
func (k *Keeper) Status(ctx context.Context) (control.Status, error) {
	stats, _ := k.proxyStats(ctx)
	k.mu.Lock()
	c, manager := k.shown, k.manager
	s := control.Status{
		Pid: os.Getpid(), Version: k.opts.Version, Started: k.started, Config: c.File, LastReload: k.reload,
		Goroutines: runtime.NumGoroutine(), Listen: listens(c),
	}
	k.mu.Unlock()
	for _, w := range c.Warnings() {
		s.Warnings = append(s.Warnings, w.String())
	}
	s.Proxy = k.proxyStatus(stats)
	for path, l := range stats.Proxy.Logs {
		s.Logs = append(s.Logs, control.Log{Path: path, Lines: l.Lines, Dropped: l.Dropped})
	}
	if manager == nil {
		return s, nil // still starting
	}
	all := manager.Status()
	usage := k.usageOf(append(all, k.proxyStatusLine()))
	s.Proxy.RSS = usage[supervisor.Owner{Kind: supervisor.KindProxy, Name: proxyName}].RSS
	for _, p := range all {
		if p.Kind == supervisor.KindApp {
			s.Apps = append(s.Apps, appStatus(p, stats.Proxy.Upstreams[p.Name], usage[owner(p)]))
		} else {
			s.Programs = append(s.Programs, programStatus(p, usage[owner(p)]))
		}
	}
	return s, nil
}

func programStatus(p supervisor.Status, u supervisor.Usage) control.Program {
	return control.Program{
		Name: p.Name, State: p.StateName, Pid: p.PID, Uptime: seconds(p.Uptime), LastError: p.SpawnErr, Dropped: p.Dropped,
		Logs: outputs(p), Processes: u.Processes, RSS: u.RSS,
	}
}

func (k *Keeper) proxyStatus(stats proxyStats) control.Proxy {
	k.mu.Lock()
	proxy := k.proxy
	k.mu.Unlock()
	if proxy == nil { // still starting
		return control.Proxy{State: supervisor.Stopped.String()}
	}
	p := proxy.process.Snapshot()
	return control.Proxy{
		Pid: p.PID, State: p.State.String(), Uptime: seconds(p.Uptime()), Restarts: max(0, int(proxy.starts.Load())-1),
		Goroutines: stats.Goroutines, Connections: stats.Proxy.Connections, Requests: stats.Proxy.Requests,
	}
}

func appStatus(p supervisor.Status, u proxy.UpstreamStats, took supervisor.Usage) control.App {
	a := control.App{
		Name: p.Name, State: p.StateName, Generation: p.Generation, Deploying: p.Deploying, Pid: p.PID, Uptime: seconds(p.Uptime),
		InFlight: u.InFlight, Queued: u.Queued, Limit: p.Limit, Socket: p.Socket, LastError: p.SpawnErr, Dropped: p.Dropped,
		Logs: outputs(p), Workers: took.Workers, Processes: took.Processes, RSS: took.RSS,
	}
	if a.LastError == "" {
		a.LastError = p.LastErr
	}
	return a
}

// outputs are the paths of what a process writes.
func outputs(p supervisor.Status) []string {
	return slices.DeleteFunc([]string{p.Stdout, p.Stderr}, func(path string) bool { return path == "" })
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

func listens(c *config.Config) []string {
	var all []string
	for _, l := range addresses(c) {
		all = append(all, l.Key())
	}
	return all
}

// event logs a transition, in Supervisor's words.
func (k *Keeper) event(e supervisor.Event) {
	if e.Kind == supervisor.KindProxy {
		k.proxy.event(e)
	}
	k.ledger.event(e)
	if k.opts.Session.tells(e) {
		return
	}
	fields := []zap.Field{zap.Int("pid", e.PID)}
	if e.Generation > 0 {
		fields = append(fields, zap.Int("generation", e.Generation))
	}
	if e.PID == 0 {
		fields = fields[1:]
	}
	switch e.To {
	case supervisor.Starting:
		k.log.Debug(e.Name+" is starting", fields...)
	case supervisor.Running:
		k.log.Info(e.Name+" entered RUNNING state", fields...)
	case supervisor.Backoff:
		fields = append(fields, zap.String("error", e.Err), zap.Duration("next try in", e.Delay))
		k.log.Warn(e.Name+" entered BACKOFF state", append(fields, ending(e)...)...)
	case supervisor.Stopping:
		k.log.Info("waiting for "+e.Name+" to stop", fields...)
	case supervisor.Stopped:
		k.log.Info("stopped: "+e.Name, append(fields, ending(e)...)...)
	case supervisor.Exited:
		if e.Expected {
			k.log.Info("exited: "+e.Name+" (expected)", append(fields, ending(e)...)...)
		} else {
			k.log.Warn("exited: "+e.Name+" (not expected)", append(fields, ending(e)...)...)
		}
	case supervisor.Fatal:
		k.log.Error("gave up: "+e.Name+" entered FATAL state", append(fields, zap.String("error", e.Err))...)
	default:
		k.log.Error(e.Name+" entered UNKNOWN state", append(fields, zap.String("error", e.Err))...)
	}
}

func ending(e supervisor.Event) []zap.Field {
	if e.Exit == nil {
		return nil
	}
	return []zap.Field{zap.Stringer("exit", e.Exit)}
}

// summary says in a few lines what serves where.
func (k *Keeper) summary() {
	w := k.opts.Out
	fmt.Fprintf(w, "paddock %s is serving: keeper pid %d, proxy pid %d\n", k.opts.Version, os.Getpid(), k.proxy.process.Snapshot().PID)
	for _, s := range k.config.Servers {
		for _, l := range s.Listen {
			fmt.Fprintf(w, "  %-28s %s\n", address(l), target(s.Served))
		}
	}
	for _, s := range k.manager.Status() {
		fmt.Fprintf(w, "  %-28s %s\n", string(s.Kind)+" "+s.Name, describe(s, k.config))
	}
	if l := k.config.Metrics.Listen; l.On() {
		fmt.Fprintf(w, "  %-28s %s\n", address(l.Listen), "metrics")
	}
	for _, log := range k.logs.targets {
		fmt.Fprintf(w, "  %-28s %s\n", "access log", log.Path)
	}
	for _, s := range k.manager.Status() {
		if logs := strings.TrimSpace(s.Stdout + " " + s.Stderr); logs != "" {
			fmt.Fprintf(w, "  %-28s %s\n", "logs of "+s.Name, logs)
		}
	}
}

// address prints a listen address as one types it into a browser.
func address(l value.Listen) string {
	scheme := "http://"
	if l.SSL {
		scheme = "https://"
	}
	switch {
	case l.Unix != "":
		return "unix:" + l.Unix
	case l.Addr.Addr().IsUnspecified():
		return fmt.Sprintf("%slocalhost:%d", scheme, l.Addr.Port())
	}
	return scheme + l.Addr.String()
}

func target(s proxy.Server) string {
	if s.App != "" {
		return "app " + s.App
	}
	if s.Return != "" {
		return "return " + s.Return
	}
	return fmt.Sprintf("%d locations", len(s.Location))
}

// describe tells what an app or program runs.
func describe(s supervisor.Status, c *config.Config) string {
	text, workers := c.Programs[s.Name].Command.Text, ""
	if s.Kind == supervisor.KindApp {
		text = c.Apps[s.Name].Command.Text
		if s.Workers > 0 {
			workers = fmt.Sprintf(", %d workers", s.Workers)
		}
		workers += fmt.Sprintf(", %d requests at once", s.Limit)
	}
	if s.PID == 0 {
		return fmt.Sprintf("%s, %s", text, strings.ToLower(s.StateName))
	}
	return fmt.Sprintf("%s, pid %d%s", text, s.PID, workers)
}
