package faults

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	uvicornApp = `
[app.web]
command = "gunicorn --worker-class uvicorn.workers.UvicornWorker --workers 1 asgi:app"
health_timeout = "30s"
environment = { FORWARDED_ALLOW_IPS = "*" }

[[server]]
listen = "ADDR"
app = "web"
`
	geventApp = `
[app.web]
command = "gunicorn --worker-class gevent --workers 1 events:app"
health_timeout = "30s"

[[server]]
listen = "ADDR"
app = "web"
`
)

// readyWith is ready with an app of testdata beside the usual one.
func readyWith(t *testing.T, file, config string) *daemon {
	t.Helper()
	d := folder(t)
	code, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	d.write(file, string(code))
	d.configure(config)
	d.run()
	d.waitLog(`web entered RUNNING state`)
	return d
}

func TestWebSocketEchoesMessagesOfEverySize(t *testing.T) {
	d := readyWith(t, "asgi.py", uvicornApp)
	w := openSocket(t, d.addr, "")
	sent := 0
	for _, n := range []int{1, 2, 125, 126, 127, 1000, 65535, 65536, 1 << 18, 1<<20 - 1, 1 << 20} {
		for _, fill := range []byte{0, 'x', 0xff} {
			w.echo(frameBinary, bytes.Repeat([]byte{fill}, n))
			sent++
		}
	}
	for i := range 500 {
		w.echo(frameText, fmt.Appendf(nil, "message %d", i))
		sent++
	}
	w.close()
	d.untilLogged(`"GET /ws HTTP/1.1" 101 `, 1)
	t.Logf("%d messages sent, %d came back, 0 failed", sent, sent)
}

func TestManyWebSocketsAtOnceKeepTheirMessagesApart(t *testing.T) {
	const n = 50
	d := readyWith(t, "asgi.py", uvicornApp)
	var all []*webSocket
	for range n {
		all = append(all, openSocket(t, d.addr, ""))
	}
	for round := range 5 {
		for i, w := range all {
			w.send(frameText, fmt.Appendf(nil, "%d of %d", round, i))
		}
		for i, w := range all {
			if _, got := w.receive(); string(got) != fmt.Sprintf("%d of %d", round, i) {
				t.Fatalf("socket %d got %q", i, got)
			}
		}
	}
	d.untilInFlight(n)
	for _, w := range all {
		w.close()
	}
	d.untilInFlight(0)
	d.untilLogged(`"GET /ws HTTP/1.1" 101 `, n)
}

func TestIdleWebSocketOutlives20Reloads(t *testing.T) {
	d := readyWith(t, "asgi.py", uvicornApp)
	w := openSocket(t, d.addr, "")
	w.echo(frameText, []byte("before"))
	for i := range 20 {
		d.configure(uvicornApp + fmt.Sprintf("keepalive_requests = %d\n", 100+i))
		d.log.forget()
		d.signal(syscall.SIGHUP)
		d.waitLog(`reloaded`)
	}
	w.echo(frameText, []byte("after"))
	w.close()
}

func TestWebSocketStaysWithItsGenerationInADeploy(t *testing.T) {
	d := readyWith(t, "asgi.py", uvicornApp)
	w := openSocket(t, d.addr, "")
	d.edit("asgi.py", `VERSION = "one"`, `VERSION = "two"`)
	deployed := make(chan string, 1)
	go func() {
		out, code := d.command("deploy", "web")
		deployed <- fmt.Sprintf("exit %d: %s", code, out)
	}()
	d.until("the new generation serves", func() bool { return d.get("/version") == "two" })
	if got := w.ask("who"); !strings.Contains(got, `"version": "one"`) {
		t.Errorf("the WebSocket of before the deploy is answered %s", got)
	}
	w.close() // the old generation has nothing left
	select {
	case got := <-deployed:
		if !strings.HasPrefix(got, "exit 0:") {
			t.Errorf("deploy: %s", got)
		}
	case <-time.After(patience):
		t.Error("the deploy did not end")
	}
	next := openSocket(t, d.addr, "")
	if got := next.ask("who"); !strings.Contains(got, `"version": "two"`) {
		t.Errorf("a WebSocket of after the deploy is answered %s", got)
	}
	next.close()
}

func TestWebSocketOfADeadWorkerEnds(t *testing.T) {
	d := readyWith(t, "asgi.py", uvicornApp)
	w := openSocket(t, d.addr, "")
	w.echo(frameText, []byte("x"))
	pid := 0
	fmt.Sscan(d.get("/pid"), &pid)
	kill(t, pid)
	w.limit()
	if rest, err := io.ReadAll(w.br); len(rest) > 0 || err != nil {
		t.Logf("the client read %q, %v", rest, err)
	}
	d.until("a new worker serves", func() bool {
		a, err := get(d.addr, "/version", patience)
		return err == nil && a.status == 200
	})
	openSocket(t, d.addr, "").close()
	d.untilInFlight(0)
}

func TestFirstEventArrivesBeforeTheSecondIsMade(t *testing.T) {
	for name, c := range map[string][2]string{"gevent": {"events.py", geventApp}, "uvicorn": {"asgi.py", uvicornApp}} {
		t.Run(name, func(t *testing.T) {
			d := readyWith(t, c[0], c[1])
			conn, err := net.DialTimeout("tcp", d.addr, patience)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(patience))
			fmt.Fprintf(conn, "GET /events HTTP/1.1\r\nHost: a.test\r\nAccept: text/event-stream\r\n\r\n")
			br := bufio.NewReader(conn)
			head := readTo(t, br, "data: first\n")
			if !strings.HasPrefix(head, "HTTP/1.1 200 ") || strings.Contains(head, "X-Accel") || strings.Contains(head, "second") {
				t.Errorf("the first event came with %q", head)
			}
			begun := time.Now()
			if got := d.get("/next"); got == "" { // the app makes the second event because the first has come
				t.Error("no answer")
			}
			readTo(t, br, "data: second\n")
			t.Logf("the second event came %v after it was asked for", time.Since(begun))
		})
	}
}

// readTo reads lines to the one given.
func readTo(t *testing.T, br *bufio.Reader, last string) string {
	t.Helper()
	var all strings.Builder
	for {
		line, err := br.ReadString('\n')
		all.WriteString(line)
		if err != nil {
			t.Fatalf("after %q: %v", all.String(), err)
		}
		if line == last {
			return all.String()
		}
	}
}

// sight is what the ASGI app sees of a client.
type sight struct {
	Scheme, Client string
	Headers        map[string]string
}

func TestUvicornSeesClientAndSchemeBehindATrustedProxy(t *testing.T) {
	t.Parallel()
	const fields = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: www.example.com\r\n"
	cases := []struct {
		name, keys             string
		scheme, client, listed string
	}{
		{"trusted", "set_real_ip_from = \"127.0.0.0/8\"\nreal_ip_header = \"X-Forwarded-For\"\n", "https", "203.0.113.9", "203.0.113.9, 203.0.113.9"},
		{"not trusted", "set_real_ip_from = \"10.0.0.0/8\"\nreal_ip_header = \"X-Forwarded-For\"\n", "http", "127.0.0.1", "127.0.0.1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := readyWith(t, "asgi.py", uvicornApp+c.keys)
			a, err := send(d.addr, "GET /seen HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n"+fields+"\r\n", patience)
			if err != nil {
				t.Fatal(err)
			}
			w := openSocket(t, d.addr, fields)
			for what, text := range map[string]string{"http": string(a.body), "ws": w.ask("who")} {
				var s sight
				if err := json.Unmarshal([]byte(text), &s); err != nil {
					t.Fatalf("%s: %v: %s", what, err, text)
				}
				if s.Client != c.client || s.Headers["x-forwarded-for"] != c.listed || s.Headers["x-forwarded-proto"] != c.scheme {
					t.Errorf("%s: the app sees %s", what, text)
				}
			}
			w.close()
			var s sight
			json.Unmarshal(a.body, &s)
			if s.Scheme != c.scheme {
				t.Errorf("the app's scheme is %s, want %s", s.Scheme, c.scheme)
			}
			d.untilLogged(c.client+` - - [`, 2)
		})
	}
}

func TestUvicornSeesTheClientOfTheProxyProtocol(t *testing.T) {
	t.Parallel()
	config := strings.Replace(uvicornApp, `listen = "ADDR"`, `listen = "ADDR proxy_protocol"`, 1) +
		"set_real_ip_from = \"127.0.0.1\"\nreal_ip_header = \"proxy_protocol\"\n"
	d := readyWith(t, "asgi.py", config)
	a, err := send(d.addr, "PROXY TCP4 203.0.113.9 198.51.100.1 4711 443\r\nGET /seen HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", patience)
	if err != nil || !strings.Contains(string(a.body), `"client": "203.0.113.9"`) {
		t.Errorf("answered %s, %v", a.body, err)
	}
	if a, err := get(d.addr, "/seen", patience); err == nil {
		t.Errorf("a connection without a header was answered %d", a.status)
	}
	d.untilLogged(`203.0.113.9 - - [`, 1)
}

func TestWebSocketThroughGevent(t *testing.T) {
	t.Parallel()
	d := readyWith(t, "gsocket.py", `
[app.web]
command = "gunicorn --worker-class geventwebsocket.gunicorn.workers.GeventWebSocketWorker --workers 1 gsocket:app"
health_timeout = "30s"

[[server]]
listen = "ADDR"
app = "web"
`)
	w := openSocket(t, d.addr, "")
	sent := 0
	for _, n := range []int{1, 125, 126, 65535, 65536, 1 << 18} {
		w.echo(frameBinary, bytes.Repeat([]byte{0xfe}, n))
		sent++
	}
	for i := range 100 {
		w.echo(frameText, fmt.Appendf(nil, "message %d", i))
		sent++
	}
	w.c.Close() // geventwebsocket answers a close without its code
	d.untilLogged(`"GET /ws HTTP/1.1" 101 `, 1)
	t.Logf("%d messages sent, %d came back, 0 failed", sent, sent)
}
