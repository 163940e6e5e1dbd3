package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"paddock/internal/config"
	"paddock/internal/link"
	"paddock/internal/value"
	"paddock/supervisor"
)

const (
	// configureTimeout bounds a step of the proxy that only computes.
	configureTimeout = 10 * time.Second
	// killMargin is what the proxy gets beyond its own limit before it is killed.
	killMargin = 2 * time.Second
)

// proxyName is the proxy's name in logs and in the record.
const proxyName = "proxy"

// setup is one configuration as the proxy gets it, with the descriptors that go with it.
type setup struct {
	serial  int
	config  *os.File // sealed memfd
	metrics string   // key of the socket that metrics are served on; "": none
	sockets []socket
	logs    *accessLogs
}

// socket is an open listening socket by the key of its address.
type socket struct {
	name string
	file *os.File
}

// newSetup seals a configuration.
func newSetup(serial int, c *config.Config, sockets []socket, logs *accessLogs) (*setup, error) {
	data, err := payload(c)
	if err != nil {
		return nil, fmt.Errorf("configuration for the proxy: %w", err)
	}
	f, err := link.SealedMemfd("paddock-config", data)
	if err != nil {
		return nil, err
	}
	out := &setup{serial: serial, config: f, sockets: sockets, logs: logs}
	if c.Metrics.Listen.On() {
		out.metrics = c.Metrics.Listen.Key()
	}
	return out, nil
}

// payload is what the proxy reads of a configuration.
func payload(c *config.Config) ([]byte, error) {
	served, err := json.Marshal(c.ProxyConfig())
	if err != nil {
		return nil, err
	}
	secured, err := json.Marshal(c.TLSSetup())
	if err != nil {
		return nil, err
	}
	return json.Marshal(link.Payload{Proxy: served, TLS: secured})
}

func (s *setup) close() { s.config.Close() }

// proxyProcess is the process that touches clients: started, configured, and started
// again with the same sockets whenever it dies.
type proxyProcess struct {
	log     *zap.Logger
	front   *front
	build   string
	stats   func(*link.Conn, link.Message, *sync.WaitGroup) // answers the proxy's questions
	folders *folders
	process *supervisor.Process
	end     *os.File       // our copy of the process's end of the link; belongs to the process's goroutine
	links   sync.WaitGroup // the goroutines of the links
	starts  atomic.Int64
	conn    atomic.Pointer[link.Conn] // of the process that was started last

	mu      sync.Mutex // held while a configuration is handed over
	setup   *setup
	serving chan struct{} // closed when a proxy has taken its first configuration
	once    sync.Once
}

// spec is the proxy's process. It ignores every signal but KILL: the end of its link
// tells it to stop. Its log goes to stderr; nil: to the keeper's standard error.
func (p *proxyProcess) spec(o Options, c *config.Config, stderr *supervisor.Sink) supervisor.Spec {
	prog := supervisor.DefaultProgram()
	args := []string{"/proc/self/exe", "proxy", "--drain", o.drain().String(), "--log-level", c.Log.Level, "--log-format", c.Log.Format}
	if o.Terminal != nil {
		args = append(args, "--console")
	}
	prog.Command = value.Command{Text: "paddock proxy", Args: args}
	prog.Directory = "/"
	prog.User = c.Paddock.User
	prog.Startsecs = 0
	prog.Autorestart = supervisor.RestartAlways
	prog.Stopwaitsecs = value.Seconds((o.drain() + killMargin) / time.Second)
	prog.StdoutLogfile, prog.StderrLogfile = supervisor.LogNone, supervisor.LogNone
	return supervisor.Spec{Program: prog, Name: proxyName, Kind: supervisor.KindProxy, Inherit: true, Stderr: stderr, ExtraFiles: p.connect}
}

// connect makes the link of a process that is about to be spawned.
func (p *proxyProcess) connect() ([]*os.File, error) {
	conn, end, err := link.Pair()
	if err != nil {
		return nil, err
	}
	if old := p.conn.Swap(conn); old != nil {
		old.Close() // of a process that has died
	}
	p.end = end
	p.links.Go(func() { p.serve(conn) })
	return []*os.File{end}, nil
}

// event is told each transition by the process's goroutine. After a spawn the process
// has its own copy of its end: as long as ours were open, the link would outlive it.
func (p *proxyProcess) event(e supervisor.Event) {
	if e.To == supervisor.Starting {
		p.starts.Add(1)
	} else if p.end != nil {
		p.end.Close()
		p.end = nil
	}
}

// serve configures a new process and reads its link until that ends.
func (p *proxyProcess) serve(conn *link.Conn) {
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), configureTimeout)
	defer cancel()
	if err := conn.Hello(ctx, p.build); errors.Is(err, link.ErrClosed) {
		return // stopped, or replaced
	} else if err != nil {
		p.log.Error("the proxy did not say hello", zap.Error(err))
		return
	}
	p.links.Go(func() { p.introduce(ctx, conn) })
	err := conn.Serve(func(m link.Message, _ []*os.File) {
		if m.Type == link.TypeStats {
			p.stats(conn, m, &p.links)
			return
		}
		_ = conn.Refuse(m)
	})
	p.front.detach(conn)
	if !errors.Is(err, io.EOF) && !errors.Is(err, link.ErrClosed) {
		p.log.Error("the link to the proxy broke", zap.Error(err))
	}
}

// introduce gives a new process the running configuration and the apps.
func (p *proxyProcess) introduce(ctx context.Context, conn *link.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.hand(ctx, conn, p.setup); err != nil {
		p.log.Error("the proxy did not take its configuration", zap.Error(err))
		conn.Close() // it ends, and another one is tried
		return
	}
	p.front.attach(conn)
	p.once.Do(func() { close(p.serving) })
}

// hand sends a configuration and waits until it serves.
func (p *proxyProcess) hand(ctx context.Context, conn *link.Conn, s *setup) error {
	m := link.Configure{Serial: s.serial, Logs: s.logs.names(), AppDir: true, TempDir: true, Metrics: s.metrics}
	f := link.ConfigureFiles{Config: s.config, Logs: s.logs.files, AppDir: p.folders.app, TempDir: p.folders.temp}
	for _, l := range s.sockets {
		m.Listeners = append(m.Listeners, l.name)
		f.Listeners = append(f.Listeners, l.file)
	}
	_, err := conn.Configure(ctx, m, f)
	return err
}

// configure makes a new configuration serve, or fails and changes nothing. Without
// a process at the moment the next one gets it. One that dies of it, or takes too long
// to answer, is replaced by one with the old configuration.
func (p *proxyProcess) configure(s *setup) error {
	ctx, cancel := context.WithTimeout(context.Background(), configureTimeout)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if conn, _ := p.front.current(); conn != nil {
		err := p.hand(ctx, conn, s)
		var refused *link.Refused
		switch {
		case errors.As(err, &refused):
			return fmt.Errorf("the proxy refused the configuration: %w", err)
		case err != nil:
			conn.Close() // it may take the configuration yet: only a new process is certain
			return fmt.Errorf("the proxy did not take the configuration: %w", err)
		}
	}
	p.setup = s
	return nil
}

// running is the configuration that the proxy has, or the next process gets.
func (p *proxyProcess) running() *setup {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.setup
}

// reopen hands the running process new descriptors of its logs.
func (p *proxyProcess) reopen(logs *accessLogs) error {
	ctx, cancel := context.WithTimeout(context.Background(), configureTimeout)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setup.logs = logs
	conn, _ := p.front.current()
	if conn == nil {
		return nil // the next process gets them
	}
	return conn.Logs(ctx, link.Logs{Serial: p.setup.serial, Logs: logs.names()}, logs.files)
}

// stop lets the process finish what it holds, or not, and waits for its end.
func (p *proxyProcess) stop(ctx context.Context) {
	// First the process is told not to come back, so that this link is the last, then to go.
	_ = p.process.BeginStop()
	if conn := p.conn.Load(); conn != nil {
		conn.Close()
	}
	_ = p.process.Stop(ctx)
	_ = p.process.Close()
	p.links.Wait()
}
