package proxy

import (
	"crypto/tls"
	"strings"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// secureLogCases are clients over TLS, and in HTTP/2.
func secureLogCases() (cases []logCase) {
	add := func(name, send string, client *tls.Config) {
		cases = append(cases, logCase{name: "TLS: " + name, send: send, tls: client})
	}
	usual := &tls.Config{ServerName: "first.test"}
	add("1.3", valid("GET /ok?q=1"), usual)
	add("1.2", valid("GET /ok"), &tls.Config{ServerName: "first.test", MaxVersion: tls.VersionTLS12})
	for _, id := range []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	} {
		add(tls.CipherSuiteName(id), valid("GET /r200"), &tls.Config{ServerName: "first.test", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{id}})
	}
	for _, curve := range []tls.CurveID{tls.CurveP256, tls.X25519, tls.CurveP384} {
		add("curve "+curve.String(), valid("GET /r200"), &tls.Config{ServerName: "first.test", CurvePreferences: []tls.CurveID{curve}})
	}
	add("no name", valid("GET /r200"), nil)
	add("ALPN", valid("GET /r200"), &tls.Config{ServerName: "first.test", NextProtos: []string{"http/1.1"}})
	add("another name", valid("GET /r200"), &tls.Config{ServerName: "second.test"})
	add("a name of nobody", valid("GET /ok"), &tls.Config{ServerName: "unknown.test"})
	add("malformed", "junk\r\n\r\n", usual)
	add("a file", valid("GET /static/page.html"), usual)
	add("a redirect", valid("GET /r301"), usual)
	add("several", strings.Replace(valid("GET /r200"), "Connection: close\r\n", "", 1)+valid("GET /ok"), usual)
	cases = append(
		cases,
		logCase{name: "TLS: plain HTTP", send: valid("GET /ok"), plain: true, then: halfClose},
		logCase{name: "TLS: plain HTTP, malformed", send: "junk\r\n\r\n", plain: true, then: halfClose},
		logCase{name: "TLS: no byte", plain: true, then: silence},
		logCase{name: "TLS: a handshake that is cut", send: "\x16\x03\x01\x02\x00\x01", plain: true, then: closeNow},
		logCase{name: "TLS: a handshake that is none", send: "\x16\x03\x01\x00\x05hello", plain: true},
	)

	h2 := func(name string, do func(*peer2)) {
		cases = append(cases, logCase{name: "h2: " + name, tls: usual, http2: do})
	}
	get := func(line string, fields ...string) func(*peer2) {
		return func(p *peer2) { p.read(p.open(true, line, fields...)) }
	}
	for _, line := range []string{
		"GET /ok?q=1&x=%22", "HEAD /ok", "GET /r200", "GET /r301", "GET /r404", "GET /r204", "GET /static/a.txt", "HEAD /static/a.txt", "GET /static/none", "GET /down",
		"GET /404", "GET /500", "GET /chunked", "GET /close", "GET /302", "GET /cookie", "GET /large", "GET /nohead", "GET /err/404", "GET /accel/accel", "GET /uri/ok",
		"GET /static/../r200", "GET //r200", "DELETE /ok", "OPTIONS /ok", "GET /gz/none",
	} {
		h2(line, get(line))
	}
	h2("fields", get("GET /r200?a=b", "user-agent: \"quoted\" sm\xc3\xb8r", "referer: http://x.test/", "x-test: 1", "cookie: a=one; b=2", "authorization: Basic Ym9iOnNlY3JldA=="))
	h2("fields to the app", get("GET /ok", "user-agent: curl/7.88", "x-test: y", "accept: */*"))
	h2("cookies in crumbs", get("GET /r200", "cookie: b=2", "cookie: a=one"))
	h2("a body", func(p *peer2) {
		id := p.open(false, "POST /ok", "content-type: text/plain")
		must(p.t, p.WriteData(id, false, []byte("a=b")))
		must(p.t, p.WriteData(id, true, []byte("&c=d")))
		p.read(id)
	})
	h2("a body with its length", func(p *peer2) {
		id := p.open(false, "POST /ok", "content-length: 3")
		must(p.t, p.WriteData(id, true, []byte("a=b")))
		p.read(id)
	})
	h2("several", func(p *peer2) {
		for _, path := range []string{"/r200", "/ok", "/static/a.txt"} {
			p.get(path)
		}
	})
	h2("a trailer", func(p *peer2) {
		id := p.open(false, "POST /ok")
		must(p.t, p.WriteData(id, false, []byte("abc")))
		p.buf.Reset()
		must(p.t, p.enc.WriteField(hpackField("x-trailer", "y")))
		must(p.t, p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: p.buf.Bytes(), EndHeaders: true, EndStream: true}))
		p.readAny(id)
	})
	h2("reset while the app works", func(p *peer2) {
		id := p.open(true, "GET /hang?tell=one")
		receive(p.t, p.app.hung["one"], "the app has the request")
		must(p.t, p.WriteRSTStream(id, xhttp2.ErrCodeCancel))
	})
	h2("gone while the app works", func(p *peer2) {
		p.open(true, "GET /hang?tell=two")
		receive(p.t, p.app.hung["two"], "the app has the request")
	})
	h2("too large", func(p *peer2) {
		p.read(p.open(false, "POST /small", "content-length: 11"))
	})
	h2("slow body", func(p *peer2) {
		id := p.open(false, "POST /ok", "content-length: 5")
		must(p.t, p.WriteData(id, false, []byte("ab")))
		p.readAny(id)
	})
	return cases
}

func hpackField(name, value string) hpack.HeaderField {
	return hpack.HeaderField{Name: name, Value: value}
}

// readAny reads until the stream or the connection ends.
func (p *peer2) readAny(id uint32) {
	for {
		f, err := p.ReadFrame()
		if err != nil || f.Header().StreamID == id && (f.Header().Type == xhttp2.FrameRSTStream || f.Header().Flags.Has(xhttp2.FlagDataEndStream)) {
			return
		}
	}
}
