package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"
)

// handler is one call: it reads its arguments from the body and returns what is to
// be done, so that nothing starts before the request is known to be good.
type handler func(body []byte) (run func(context.Context) (any, error), err error)

// routes is the whole interface.
func (s *Server) routes() http.Handler {
	c, mux := s.calls, http.NewServeMux()
	if c.Status != nil {
		s.handle(mux, http.MethodGet, "/v1/status", noBody(func(ctx context.Context) (any, error) { return c.Status(ctx) }))
	}
	if c.Version != nil {
		s.handle(mux, http.MethodGet, "/v1/version", noBody(func(ctx context.Context) (any, error) { return c.Version(ctx) }))
	}
	if c.Reload != nil {
		s.handle(mux, http.MethodPost, "/v1/reload", noBody(noResult(c.Reload)))
	}
	if c.Reopen != nil {
		s.handle(mux, http.MethodPost, "/v1/reopen", noBody(noResult(c.Reopen)))
	}
	if c.Deploy != nil {
		s.handle(mux, http.MethodPost, "/v1/deploy", s.deploy)
	}
	if c.Process != nil {
		s.handle(mux, http.MethodPost, "/v1/process", s.process)
	}
	if c.Certificates != nil {
		s.handle(mux, http.MethodGet, "/v1/certificates", noBody(func(ctx context.Context) (any, error) { return c.Certificates(ctx) }))
	}
	if c.Renew != nil {
		s.handle(mux, http.MethodPost, "/v1/renew", s.renew)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, &Error{http.StatusNotFound, fmt.Sprintf("unknown call %s", r.URL.Path)})
	})
	return s.guard(mux)
}

func (s *Server) deploy(body []byte) (func(context.Context) (any, error), error) {
	var request DeployRequest
	if err := decode(body, &request); err != nil {
		return nil, err
	}
	if request.Name == "" {
		return nil, errors.New(`expected {"name": "…"} with the name of an app`)
	}
	return noResult(func(ctx context.Context) error { return s.calls.Deploy(ctx, request.Name) }), nil
}

// guard lets only those through who may control the keeper.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, ok := r.Context().Value(peerKey{}).(*peerConn)
		if !ok || !conn.allowed(s.uid) {
			s.fail(w, &Error{http.StatusForbidden, fmt.Sprintf("this user may not control paddock; run the command as root or as uid %d", s.uid)})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) handle(mux *http.ServeMux, method, path string, h handler) {
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			w.Header().Set("Allow", method)
			s.fail(w, &Error{http.StatusMethodNotAllowed, fmt.Sprintf("%s needs the method %s", path, method)})
			return
		}
		s.serve(w, r, h)
	})
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, h handler) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		s.fail(w, unreadable(err))
		return
	}
	run, err := h(body)
	if err != nil {
		s.fail(w, &Error{http.StatusBadRequest, err.Error()})
		return
	}
	// The time for the request is over; net/http would take its end for a client that left.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	result, err := s.wait(r.Context(), run)
	if err != nil {
		s.fail(w, err)
		return
	}
	s.reply(w, http.StatusOK, result)
}

// wait runs the call and waits for it as long as the client does. A client that
// leaves does not stop the call: half a deploy helps nobody.
func (s *Server) wait(client context.Context, run func(context.Context) (any, error)) (any, error) {
	type outcome struct {
		result any
		err    error
	}
	done := make(chan outcome, 1)
	s.running.Go(func() {
		result, err := run(s.ctx)
		done <- outcome{result, err}
	})
	select {
	case o := <-done:
		return o.result, o.err
	case <-client.Done():
		return nil, client.Err()
	}
}

func (s *Server) fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var typed *Error
	if errors.As(err, &typed) && typed.Status >= 400 && typed.Status < 600 {
		status = typed.Status
	}
	s.reply(w, status, errorBody{err.Error()})
}

func (s *Server) reply(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		s.log.Error("control socket: answer", zap.Error(err))
		status, text = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a client that left needs no answer
}

type errorBody struct {
	Error string `json:"error"`
}

func noBody(run func(context.Context) (any, error)) handler {
	return func(body []byte) (func(context.Context) (any, error), error) {
		if len(body) == 0 {
			return run, nil
		}
		return run, decode(body, &struct{}{})
	}
}

func noResult(run func(context.Context) error) func(context.Context) (any, error) {
	return func(ctx context.Context) (any, error) { return struct{}{}, run(ctx) }
}
