package http2

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const testTimeout = 10 * time.Second

// peer is a client that writes the frames that a test wants.
type peer struct {
	*xhttp2.Framer
	t    *testing.T
	nc   net.Conn
	enc  *hpack.Encoder
	buf  bytes.Buffer
	done chan error // of Serve
	conn *Conn
}

// dial serves one connection on loopback with handle and returns its client, whose
// preface and SETTINGS have been sent.
func dial(t *testing.T, cfg Config, handle func(*Stream)) *peer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	nc, err := net.Dial("tcp", ln.Addr().String())
	must(t, err)
	server, err := ln.Accept()
	must(t, err)
	p := peerOn(t, nc, server, cfg, handle)
	must(t, nc.SetDeadline(time.Now().Add(testTimeout)))
	return p
}

func peerOn(t *testing.T, nc, server net.Conn, cfg Config, handle func(*Stream)) *peer {
	t.Helper()
	p := &peer{t: t, nc: nc, done: make(chan error, 1), conn: NewConn(server, cfg, apart(handle))}
	go func() { p.done <- serve(p.conn) }()
	t.Cleanup(func() { nc.Close() })
	p.Framer = xhttp2.NewFramer(nc, nc)
	p.enc = hpack.NewEncoder(&p.buf)
	_, err := io.WriteString(nc, Preface)
	must(t, err)
	must(t, p.WriteSettings())
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// block encodes "name", "value", …
func (p *peer) block(fields ...string) []byte {
	p.buf.Reset()
	for i := 0; i < len(fields); i += 2 {
		must(p.t, p.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	return bytes.Clone(p.buf.Bytes())
}

// get is a request for path with more fields.
func (p *peer) get(path string, fields ...string) []byte {
	return p.block(append([]string{":method", "GET", ":scheme", "http", ":path", path, ":authority", "a.test"}, fields...)...)
}

func (p *peer) post(path string, fields ...string) []byte {
	return p.block(append([]string{":method", "POST", ":scheme", "http", ":path", path, ":authority", "a.test"}, fields...)...)
}

func (p *peer) open(id uint32, block []byte, end bool) error {
	return p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true, EndStream: end})
}

// next reads frames until one that want takes; the error of the connection's end
// fails the test.
func (p *peer) next(what string, want func(xhttp2.Frame) bool) xhttp2.Frame {
	p.t.Helper()
	for {
		f, err := p.ReadFrame()
		if err != nil {
			p.t.Fatalf("%s: %v", what, err)
		}
		if want(f) {
			return f
		}
	}
}

// goAway reads until GOAWAY and returns its code.
func (p *peer) goAway() Code {
	p.t.Helper()
	f := p.next("GOAWAY", func(f xhttp2.Frame) bool { return f.Header().Type == xhttp2.FrameGoAway })
	return Code(f.(*xhttp2.GoAwayFrame).ErrCode)
}

// reset reads until RST_STREAM of the stream and returns its code.
func (p *peer) reset(id uint32) Code {
	p.t.Helper()
	f := p.next("RST_STREAM", func(f xhttp2.Frame) bool {
		return f.Header().Type == xhttp2.FrameRSTStream && f.Header().StreamID == id
	})
	return Code(f.(*xhttp2.RSTStreamFrame).ErrCode)
}

// answer reads the answer of a stream: its fields, and the body.
func (p *peer) answer(id uint32) (fields [][2]string, body string) {
	p.t.Helper()
	dec := hpack.NewDecoder(4096, func(f hpack.HeaderField) { fields = append(fields, [2]string{f.Name, f.Value}) })
	for {
		f := p.next("answer", func(f xhttp2.Frame) bool { return f.Header().StreamID == id })
		switch f := f.(type) {
		case *xhttp2.HeadersFrame:
			_, err := dec.Write(f.HeaderBlockFragment())
			must(p.t, err)
			if f.StreamEnded() {
				return fields, body
			}
		case *xhttp2.ContinuationFrame:
			_, err := dec.Write(f.HeaderBlockFragment())
			must(p.t, err)
		case *xhttp2.DataFrame:
			body += string(f.Data())
			if f.StreamEnded() {
				return fields, body
			}
		case *xhttp2.RSTStreamFrame:
			p.t.Fatalf("stream %d was reset: %v", id, f.ErrCode)
		}
	}
}

// ended waits for Serve to return.
func (p *peer) ended() error {
	p.t.Helper()
	select {
	case err := <-p.done:
		return err
	case <-time.After(testTimeout):
		p.t.Fatal("the connection is not over")
		return nil
	}
}

// over waits for our end of the connection, answers with the client's, and expects
// that neither side did anything wrong.
func (p *peer) over() {
	p.t.Helper()
	for {
		if _, err := p.ReadFrame(); err == io.EOF {
			break
		} else if err != nil {
			p.t.Fatal(err)
		}
	}
	p.nc.Close()
	if err := p.ended(); err != nil {
		p.t.Errorf("ended with %v", err)
	}
}

// serve serves a connection to its end.
func serve(c *Conn) error {
	err := c.Serve(nil)
	for err == ErrIdle {
		err = c.Resume()
	}
	return err
}

// apart runs a handler on a goroutine of its own.
func apart(handle func(*Stream)) func(*Stream) {
	return func(s *Stream) {
		go func() {
			defer s.Close()
			handle(s)
		}()
	}
}

// echo answers with the request's head and body.
func echo(s *Stream) {
	if _, malformed := s.Err.(*Malformed); malformed {
		return
	}
	body := append([]byte{}, s.Head...)
	buf := make([]byte, 4096)
	for s.HasBody {
		s.SetReadDeadline(time.Now().Add(testTimeout))
		n, err := s.Read(buf)
		body = append(body, buf[:n]...)
		if err == io.EOF {
			break
		} else if err != nil {
			return
		}
	}
	s.Send([]byte("HTTP/1.1 200 OK\r\nServer: test\r\nX-Odd: v\r\nConnection: keep-alive\r\n\r\n"), body, true, testTimeout)
}

type (
	frameOf      = xhttp2.Frame
	headersFrame = *xhttp2.HeadersFrame
)

// script is a client that says what it says and leaves.
type script struct{ in []byte }

func (s *script) Read(p []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.in)
	s.in = s.in[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error)      { return len(p), nil }
func (s *script) Close() error                     { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
