package proxy

import (
	"context"
	"strings"
	"testing"
)

func TestAppThatIsDownUnderDevShowsItsLastLines(t *testing.T) {
	r := newRig(t, nil)
	must(t, r.proxy.SetApp(AppState{Name: "web", State: "fatal", Generation: 1, Socket: socketName(1), Output: "Traceback\n  <module> & more"}))
	status, body := r.get("/")
	if status != 503 || !strings.Contains(body, "<pre>Traceback\n  &lt;module&gt; &amp; more</pre>") {
		t.Errorf("%d %s", status, body)
	}
	r.state("fatal", 1, 0) // what the supervisor sends without `paddock dev`
	if status, body := r.get("/"); status != 503 || strings.Contains(body, "Traceback") || strings.Contains(body, "<pre>") {
		t.Errorf("without output: %d %s", status, body)
	}
}

func TestProbeUnderDevTakesAnyAnswer(t *testing.T) {
	r := newRig(t, func(c *Config) {
		a := c.Apps["web"]
		a.Dev = true
		c.Apps["web"] = a
	})
	r.backend(7, answers("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"))
	must(t, r.proxy.Probe(context.Background(), "web", 7, socketName(7)))
	if err := r.proxy.Probe(context.Background(), "web", 8, socketName(8)); err == nil {
		t.Error("an app that does not answer is no good answer")
	}
}
