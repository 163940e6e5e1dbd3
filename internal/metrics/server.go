package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// Bounds of the server. A scrape is one small request every few seconds.
const (
	headerTimeout  = 5 * time.Second
	answerTimeout  = 30 * time.Second
	idleTimeout    = 2 * time.Minute // longer than a scrape interval, so that connections are kept
	maxHeader      = 8 << 10
	maxConnections = 32
	maxScrapes     = 4
	closeTimeout   = time.Second // for scrapes under way at the end
)

// Server serves /metrics and /stub_status on one listener.
type Server struct {
	http    http.Server
	serving sync.WaitGroup
}

// Serve begins to serve on l, which is the server's from here on. log may be nil.
func Serve(l net.Listener, from Source, log *zap.Logger) *Server {
	if log == nil {
		log = zap.NewNop()
	}
	s := &Server{http: http.Server{
		Handler: handler(from, log), ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: answerTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ErrorLog: zap.NewStdLog(log),
	}}
	limited := &limitListener{Listener: l, slots: make(chan struct{}, maxConnections), closed: make(chan struct{})}
	s.serving.Go(func() {
		if err := s.http.Serve(limited); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are no longer served", zap.Error(err))
		}
	})
	return s
}

// Close stops serving and waits until it has; scrapes under way get a few seconds.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	s.serving.Wait()
}

// handler routes by path; everything that is no GET or HEAD is refused.
func handler(from Source, log *zap.Logger) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&collector{from})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: zap.NewStdLog(log), MaxRequestsInFlight: maxScrapes, EnableOpenMetrics: true, CoalesceGather: true,
	}))
	mux.HandleFunc("GET /stub_status", func(w http.ResponseWriter, _ *http.Request) { stubStatus(w, from) })
	return http.MaxBytesHandler(mux, 0)
}

// stubStatus answers as nginx does, so that what reads nginx's page reads ours.
// Source: ngx_http_stub_status_module.
func stubStatus(w http.ResponseWriter, from Source) {
	m := from.Proxy()
	writing := writing(m)
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprintf(w, "Active connections: %d \nserver accepts handled requests\n %d %d %d \nReading: %d Writing: %d Waiting: %d \n",
		m.Connections, m.Accepted, m.Accepted, m.Stats.Requests, m.Reading, writing, max(m.Connections-m.Reading-writing, 0))
}

// limitListener accepts no more than a number of connections at once; the others
// wait in the kernel.
type limitListener struct {
	net.Listener
	slots  chan struct{}
	once   sync.Once
	closed chan struct{}
}

// Accept implements net.Listener.
func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: c, free: sync.OnceFunc(func() { <-l.slots })}, nil
}

// Close implements net.Listener.
func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	free func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	defer c.free()
	return c.Conn.Close()
}
