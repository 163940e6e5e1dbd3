package worker

import (
	"context"
	gotls "crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"

	"go.uber.org/zap"

	"paddock/internal/link"
	"paddock/proxy"
	"paddock/tls"
)

// Stats is what the proxy answers when the keeper asks how it is.
type Stats struct {
	Goroutines int         `json:"goroutines"`
	Proxy      proxy.Stats `json:"proxy"`
}

func (w *Worker) stats() Stats {
	s := Stats{Goroutines: runtime.NumGoroutine()}
	if w.proxy != nil {
		s.Proxy = w.proxy.Stats()
	}
	return s
}

// configure makes a configuration serve, or refuses it and changes nothing.
func (w *Worker) configure(m link.Message, files []*os.File) (link.Ready, error) {
	var c link.Configure
	if err := m.Decode(&c); err != nil {
		return link.Ready{}, err
	}
	all := w.gather.Take(c.Serial, files)
	f, err := c.Split(all)
	if err != nil {
		link.CloseAll(all)
		return link.Ready{}, err
	}
	// The logs keep their files; everything else is copied by whoever needs it.
	defer link.CloseAll(f.Listeners)
	defer link.CloseAll([]*os.File{f.Config, f.AppDir, f.TempDir})
	cfg, setup, err := readConfig(f.Config)
	if err == nil && w.proxy == nil {
		err = w.create(f)
	}
	var plan *tls.Plan
	if err == nil {
		plan, err = w.secure(&cfg, setup)
	}
	listeners, socketErr := sockets(c.Listeners, f.Listeners)
	if err = errors.Join(err, socketErr); err != nil {
		link.CloseAll(f.Logs)
		return link.Ready{}, err
	}
	point, err := w.prepareMetrics(c, f.Listeners)
	if err != nil {
		link.CloseAll(f.Logs)
		return link.Ready{}, err
	}
	next, err := w.logs.prepare(cfg.LogTargets(), paths(c.Logs), f.Logs)
	if err != nil {
		point.rollback()
		return link.Ready{}, err
	}
	if err := w.proxy.Configure(cfg, listeners, next.byPath()); err != nil {
		point.rollback()
		return link.Ready{}, errors.Join(err, w.logs.rollback(next))
	}
	w.tls.Commit(plan)
	w.commitMetrics(point)
	if err := w.logs.commit(next); err != nil { // too late to refuse: the configuration serves
		w.log.Error("access lines were lost with a log that is no longer configured", zap.Error(err))
	}
	return link.Ready{Serial: c.Serial, Pid: os.Getpid()}, nil
}

// create makes the proxy, which keeps the two folders as long as it lives.
func (w *Worker) create(f link.ConfigureFiles) error {
	if f.AppDir == nil || f.TempDir == nil {
		return errors.New("the first configuration came without its folders")
	}
	app, err := link.TakeFD(f.AppDir)
	if err != nil {
		return err
	}
	temp, err := link.TakeFD(f.TempDir)
	if err != nil {
		return err
	}
	w.tls = tls.New(tls.Options{Logger: w.log.Named("tls")})
	w.proxy, err = proxy.New(proxy.Options{
		Logger: w.log, Poller: w.poller, AppDirFD: app, TempDirFD: temp,
		Challenges: proxy.Challenges{HTTP: w.tls.HTTPChallenge, TLS: w.tls.TLSChallenge},
	})
	return err
}

func readConfig(f *os.File) (cfg proxy.Config, setup tls.Setup, err error) {
	data, err := link.ReadMemfd(f, configLimit)
	if err != nil {
		return cfg, setup, err
	}
	var p link.Payload
	err = json.Unmarshal(data, &p)
	if err == nil {
		err = errors.Join(json.Unmarshal(p.Proxy, &cfg), json.Unmarshal(p.TLS, &setup))
	}
	if err != nil {
		return cfg, setup, fmt.Errorf("configuration from the keeper: %w", err)
	}
	return cfg, setup, nil
}

// secure prepares certificates and hands the proxy what each server speaks TLS with.
func (w *Worker) secure(cfg *proxy.Config, setup tls.Setup) (*tls.Plan, error) {
	plan, err := w.tls.Prepare(setup)
	if err != nil {
		return nil, err
	}
	cfg.Secure = make([]proxy.Secure, len(plan.Servers))
	for i, s := range plan.Servers {
		if s == nil {
			continue
		}
		cfg.Secure[i].Config = s.Config
		if s.Verifies() {
			cfg.Secure[i].Verify = func(state *gotls.ConnectionState) proxy.Verdict { return proxy.Verdict(s.Verify(state)) }
		}
	}
	return plan, nil
}

func (w *Worker) reopen(m link.Message, files []*os.File) error {
	var l link.Logs
	if err := m.Decode(&l); err != nil {
		return err
	}
	all := w.gather.Take(l.Serial, files)
	if len(all) != len(l.Logs) {
		link.CloseAll(all)
		return fmt.Errorf("logs with %d descriptors; expected %d", len(all), len(l.Logs))
	}
	w.logs.reopen(paths(l.Logs), all)
	return nil
}

// errNotConfigured answers what came before the first configuration.
var errNotConfigured = errors.New("the proxy has no configuration yet")

func (w *Worker) setApp(m link.Message) error {
	var s proxy.AppState
	if err := m.Decode(&s); err != nil {
		return err
	}
	if w.proxy == nil {
		return errNotConfigured
	}
	return w.proxy.SetApp(s)
}

func (w *Worker) probe(ctx context.Context, m link.Message) error {
	var p link.Probe
	if err := m.Decode(&p); err != nil {
		return err
	}
	if w.proxy == nil {
		return errNotConfigured
	}
	return w.proxy.Probe(ctx, p.App, p.Generation, p.Socket)
}

func (w *Worker) drain(ctx context.Context, m link.Message) error {
	var d link.Drain
	if err := m.Decode(&d); err != nil {
		return err
	}
	if w.proxy == nil {
		return errNotConfigured
	}
	return w.proxy.Drain(ctx, d.App, d.Generation)
}

// sockets pairs the names of listening sockets with their descriptors, which are
// good as long as the files are open. File.Fd would make the sockets blocking, for
// the process that accepts on them too.
func sockets(names []string, files []*os.File) (map[string]int, error) {
	out := make(map[string]int, len(names))
	for i, name := range names {
		raw, err := files[i].SyscallConn()
		if err == nil {
			err = raw.Control(func(fd uintptr) { out[name] = int(fd) })
		}
		if err != nil {
			return nil, fmt.Errorf("listening socket %s: %w", name, err)
		}
	}
	return out, nil
}

func paths(files []link.LogFile) []string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = f.Path
	}
	return out
}
