package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"

	"golang.org/x/sys/unix"
)

// maxAnswer bounds what the client reads: a status of thousands of programs.
const maxAnswer = 16 << 20

// NotRunning is the error of a socket that is not there or that nobody answers on.
type NotRunning struct {
	Socket string
}

// Error says what to do.
func (e *NotRunning) Error() string {
	return fmt.Sprintf("paddock is not running: no answer on %s; start it with `paddock run -c FILE` or `systemctl start paddock`", e.Socket)
}

// Client calls a running keeper. Every method waits as long as its context, and
// fails with [*NotRunning], with [*Error] for an answer that says no, or with the
// context's or the connection's error.
type Client struct {
	socket string
	http   *http.Client
}

// Dial returns a client of the socket at that path. Nothing is opened before the
// first call, and nothing stays open after one.
func Dial(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Status returns the state of everything.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var out Status
	err := c.call(ctx, http.MethodGet, "/v1/status", nil, &out)
	return out, err
}

// Version returns what runs.
func (c *Client) Version(ctx context.Context) (Version, error) {
	var out Version
	err := c.call(ctx, http.MethodGet, "/v1/version", nil, &out)
	return out, err
}

// Reload reads the configuration again; it returns when that serves, or why it is refused.
func (c *Client) Reload(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/v1/reload", struct{}{}, nil)
}

// Deploy starts a new generation of an app; it returns when that serves, or why it does not.
func (c *Client) Deploy(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodPost, "/v1/deploy", DeployRequest{Name: name}, nil)
}

// Reopen opens the log files again.
func (c *Client) Reopen(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/v1/reopen", struct{}{}, nil)
}

func (c *Client) call(ctx context.Context, method, path string, body, out any) error {
	request, err := newRequest(ctx, method, path, body)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.explain(ctx, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return c.explain(ctx, err)
	}
	if len(text) > maxAnswer {
		return fmt.Errorf("%s: the answer is larger than %d bytes", c.socket, maxAnswer)
	}
	return c.read(response.StatusCode, text, out)
}

func newRequest(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(text)
	}
	return http.NewRequestWithContext(ctx, method, "http://paddock"+path, reader)
}

func (c *Client) read(status int, text []byte, out any) error {
	if status != http.StatusOK {
		var refusal errorBody
		if json.Unmarshal(text, &refusal) != nil || refusal.Error == "" {
			refusal.Error = fmt.Sprintf("%s answers with status %d", c.socket, status)
		}
		return &Error{Status: status, Text: refusal.Error}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s: the answer cannot be read: %w", c.socket, err)
	}
	return nil
}

// explain turns errors of the connection into what a person can act on.
func (c *Client) explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", c.socket, ctx.Err())
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ECONNREFUSED):
		return &NotRunning{Socket: c.socket}
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: permission denied; run the command as root or as the user that paddock runs as", c.socket)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return fmt.Errorf("%s: paddock ended before it answered; see its log", c.socket)
	}
	var request *url.Error // names a URL that nobody has typed
	if errors.As(err, &request) {
		err = request.Err
	}
	return fmt.Errorf("%s: %w", c.socket, err)
}
