package control

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
)

// The bounds of the socket. A client is a command on the same machine, so all of
// them are far above what one needs.
const (
	maxBody        = 1 << 20
	maxHeader      = 64 << 10
	maxConnections = 64
	readTimeout    = 10 * time.Second // for a whole request
	writeTimeout   = 10 * time.Second // for an answer, once there is one
	idleTimeout    = time.Minute
	closeTimeout   = 2 * time.Second // for answers under way when the server closes
)

// Server answers on the control socket.
type Server struct {
	path  string
	id    [2]uint64 // of our socket file
	calls Calls
	log   *zap.Logger
	uid   int // who may call, beside root
	http  *http.Server
	limit int

	ctx     context.Context // of the calls
	cancel  context.CancelFunc
	running sync.WaitGroup // Serve and the calls
}

// New opens the socket and serves calls on it until Close. It fails with [*InUse]
// when another process answers there; a socket nobody answers on is replaced.
func New(path string, calls Calls, logger *zap.Logger) (*Server, error) {
	s := newServer(path, calls, logger)
	if err := s.start(); err != nil {
		s.cancel()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return s, nil
}

func newServer(path string, calls Calls, logger *zap.Logger) *Server {
	if logger == nil {
		logger = zap.NewNop()
	}
	s := &Server{path: path, calls: calls, log: logger, uid: os.Geteuid(), limit: maxConnections}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:        s.routes(),
		MaxHeaderBytes: maxHeader,
		ReadTimeout:    readTimeout,
		IdleTimeout:    idleTimeout, // no WriteTimeout: it would count the call's own time; see reply
		ErrorLog:       log.New(logWriter{s.log}, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, c)
		},
	}
	return s
}

func (s *Server) start() error {
	listener, err := bind(s.path)
	if err != nil {
		return err
	}
	s.id = inode(s.path)
	limited := newLimitListener(listener, s.limit)
	s.running.Go(func() {
		if err := s.http.Serve(limited); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("control socket ended", zap.Error(err))
		}
	})
	return nil
}

// Close takes no more calls, cancels those that run, waits for them and their
// answers, and removes the socket if it is still ours.
func (s *Server) Close() error {
	if inode(s.path) == s.id {
		_ = os.Remove(s.path)
	}
	s.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil { // somebody does not read its answer
		err = s.http.Close()
	}
	s.running.Wait()
	return err
}

// peerKey is where ConnContext leaves the connection, the only way net/http has
// from a request to it.
type peerKey struct{}

// logWriter takes what net/http has to say.
type logWriter struct{ log *zap.Logger }

func (w logWriter) Write(line []byte) (int, error) {
	w.log.Debug("control socket", zap.ByteString("message", line))
	return len(line), nil
}
