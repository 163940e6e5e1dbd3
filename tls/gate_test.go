package tls

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

func TestRetryAfterClosesTheGate(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		status int
		after  string
		want   time.Duration
	}{
		{200, "60", 0},
		{429, "60", time.Minute},
		{503, "3600", time.Hour},
		{429, start.Add(2 * time.Hour).Format(http.TimeFormat), 2 * time.Hour},
		{429, "", 0},
		{429, "soon", 0},
		{429, "-5", 0},
		{503, "99999999", maxGate},
		{429, "99999999999999999999", 0},
		{500, "60", 0},
	} {
		now, sent := start, 0
		g := &gate{now: func() time.Time { return now }, next: answers(func(*http.Request) (*http.Response, error) {
			sent++
			return &http.Response{StatusCode: c.status, Header: http.Header{"Retry-After": {c.after}}, Body: io.NopCloser(strings.NewReader(""))}, nil
		})}
		ask := func() error {
			r, err := http.NewRequest(http.MethodGet, "https://ca.test/dir", nil)
			must(t, err)
			res, err := g.RoundTrip(r)
			if err == nil {
				res.Body.Close()
			}
			return err
		}
		must(t, ask())
		if c.want == 0 {
			if err := ask(); err != nil {
				t.Errorf("%d %q: %v", c.status, c.after, err)
			}
			continue
		}
		now = start.Add(c.want - time.Second)
		if err := ask(); err == nil || sent != 1 {
			t.Errorf("%d %q: asked %d times before it was time", c.status, c.after, sent)
		}
		now = start.Add(c.want)
		if err := ask(); err != nil || sent != 2 {
			t.Errorf("%d %q: %v when it is time", c.status, c.after, err)
		}
	}
}

// An authority that never ends its answer fills no memory.
func TestAnswersOfAnAuthorityAreBounded(t *testing.T) {
	g := &gate{now: time.Now, next: answers(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(io.LimitReader(endless{}, 4*maxAnswer))}, nil
	})}
	r, err := http.NewRequest(http.MethodGet, "https://ca.test/dir", nil)
	must(t, err)
	res, err := g.RoundTrip(r)
	must(t, err)
	defer res.Body.Close()
	if n, err := io.Copy(io.Discard, res.Body); err == nil || n > maxAnswer {
		t.Errorf("%d bytes were read, %v", n, err)
	}
}

// endless is a stream of zeros.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
