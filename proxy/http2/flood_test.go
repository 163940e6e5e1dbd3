package http2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"paddock/proxy/http1"
)

// The floods of faults D1 to D5: each is ended with ENHANCE_YOUR_CALM, long before
// its end.
func TestFloodIsEndedWithEnhanceYourCalm(t *testing.T) {
	one := []xhttp2.Setting{{ID: xhttp2.SettingInitialWindowSize, Val: 1}}
	for name, flood := range map[string]func(p *peer, i int) error{
		"reset by the client": func(p *peer, i int) error {
			id := uint32(2*i + 1)
			if err := p.open(id, p.get("/"), true); err != nil {
				return err
			}
			return p.WriteRSTStream(id, xhttp2.ErrCodeCancel)
		},
		"reset by us": func(p *peer, i int) error { // CVE-2025-8671
			id := uint32(2*i + 1)
			if err := p.open(id, p.post("/"), false); err != nil {
				return err
			}
			return p.WriteRawFrame(xhttp2.FrameWindowUpdate, 0, id, make([]byte, 4))
		},
		"malformed requests": func(p *peer, i int) error {
			return p.open(uint32(2*i+1), p.get("/", "Upper", "1"), true)
		},
		"refused streams": func(p *peer, i int) error {
			return p.open(uint32(2*i+1), p.post("/wait"), false)
		},
		"SETTINGS":               func(p *peer, _ int) error { return p.WriteSettings() },
		"SETTINGS acks":          func(p *peer, _ int) error { return p.WriteSettingsAck() },
		"initial window":         func(p *peer, i int) error { one[0].Val = uint32(i % 2); return p.WriteSettings(one...) },
		"PING":                   func(p *peer, _ int) error { return p.WritePing(false, [8]byte{}) },
		"PING acks":              func(p *peer, _ int) error { return p.WritePing(true, [8]byte{}) },
		"PRIORITY":               func(p *peer, _ int) error { return p.WritePriority(1, xhttp2.PriorityParam{StreamDep: 3}) },
		"GOAWAY":                 func(p *peer, _ int) error { return p.WriteGoAway(0, 0, nil) },
		"unknown frames":         func(p *peer, _ int) error { return p.WriteRawFrame(0x42, 0, 1, nil) },
		"WINDOW_UPDATE":          func(p *peer, _ int) error { return p.WriteWindowUpdate(0, 1) },
		"WINDOW_UPDATE, stream":  openFirst(func(p *peer) error { return p.WriteWindowUpdate(1, 1) }),
		"empty DATA":             openFirst(func(p *peer) error { return p.WriteData(1, false, nil) }),
		"padding":                openFirst(func(p *peer) error { return p.WriteDataPadded(1, false, nil, make([]byte, 8)) }),
		"empty CONTINUATION":     unended(nil),
		"CONTINUATION":           unended(bytes.Repeat([]byte{0x82}, 16000)),
		"RST_STREAM of the dead": openFirst(func(p *peer) error { return p.WriteRSTStream(1, 8) }),
	} {
		t.Run(name, func(t *testing.T) {
			var handled, atOnce, most atomic.Int64
			p := dial(t, Config{}, func(s *Stream) {
				handled.Add(1)
				most.Store(max(most.Load(), atOnce.Add(1)))
				defer atOnce.Add(-1)
				if bytes.HasPrefix(s.Head, []byte("POST")) {
					io.Copy(io.Discard, reader{s})
				}
				s.Send([]byte("HTTP/1.1 204 No Content\r\n\r\n"), nil, true, testTimeout)
			})
			go func() {
				for i := range 100_000 {
					if flood(p, i) != nil {
						return
					}
				}
			}()
			if code := p.goAway(); code != EnhanceYourCalm {
				t.Errorf("GOAWAY with %d", code)
			}
			err := p.ended()
			var e *connError
			if !errors.As(err, &e) || e.code != EnhanceYourCalm {
				t.Errorf("the connection ended with %v", err)
			}
			if n := handled.Load(); n >= 1000 {
				t.Errorf("%d requests were handled", n)
			}
			if n := most.Load(); n > DefaultMaxStreams {
				t.Errorf("%d requests were handled at once", n)
			}
		})
	}
}

func openFirst(then func(p *peer) error) func(*peer, int) error {
	return func(p *peer, i int) error {
		if i == 0 {
			return p.open(1, p.post("/wait"), false)
		}
		return then(p)
	}
}

// unended is a head that goes on and on.
func unended(part []byte) func(*peer, int) error {
	return func(p *peer, i int) error {
		if i == 0 {
			return p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.get("/")})
		}
		return p.WriteContinuation(1, false, part)
	}
}

// reader reads a body.
type reader struct{ *Stream }

func (r reader) Read(p []byte) (int, error) {
	r.SetReadDeadline(time.Now().Add(testTimeout))
	return r.Stream.Read(p)
}

// A client that leaves its answers unread costs so much memory and no more, also
// with answers that no window holds back.
func TestUnreadAnswersAreBounded(t *testing.T) {
	head := []byte("HTTP/1.1 204 No Content\r\nX-Long: " + strings.Repeat("x", 4000) + "\r\n\r\n")
	p := dial(t, Config{MaxRequests: 1 << 20}, func(s *Stream) { s.Send(head, nil, true, testTimeout) })
	block := p.get("/")
	for i := 0; p.open(uint32(2*i+1), block, true) == nil; i++ {
		if i == 100_000 {
			t.Fatal("the connection goes on")
		}
	}
	if err := p.ended(); err == nil {
		t.Error("the connection ended well")
	}
}

// D6: what counts is what the fields are when they are decoded.
func TestBombOfReferencesIsRefused(t *testing.T) {
	heads := make(chan *Stream, 2)
	p := dial(t, Config{}, func(s *Stream) {
		heads <- s
		s.Send([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), nil, true, testTimeout)
	})
	must(t, p.open(1, p.get("/a", "x-large", strings.Repeat("v", 3900)), true))
	p.answer(1)
	if s := <-heads; s.Err != nil {
		t.Fatalf("the entry itself is refused: %v", s.Err)
	}
	bomb := append(p.get("/b"), bytes.Repeat(p.block("x-large", strings.Repeat("v", 3900)), 3000)...)
	must(t, p.open(3, bomb, true))
	p.answer(3)
	s := <-heads
	var refused *http1.Error
	if !errors.As(s.Err, &refused) || refused.Rule != http1.RuleHeadTooLarge {
		t.Errorf("got %v", s.Err)
	}
	if want := "GET /b HTTP/1.1\r\nhost: a.test\r\n\r\n"; string(s.Head) != want {
		t.Errorf("head %q, want %q", s.Head, want)
	}
}

// D7: who opens no window loses the stream when send_timeout is over, and no other.
func TestZeroWindowReadersTimeOutAlone(t *testing.T) {
	var timedOut sync.WaitGroup
	p := dial(t, Config{}, func(s *Stream) {
		if bytes.HasPrefix(s.Head, []byte("GET /small")) {
			s.Send([]byte("HTTP/1.1 204 No Content\r\n\r\n"), nil, true, testTimeout)
			return
		}
		defer timedOut.Done()
		sent, err := s.Send([]byte("HTTP/1.1 200 OK\r\n\r\n"), make([]byte, 1<<20), true, 300*time.Millisecond)
		if !errors.Is(err, os.ErrDeadlineExceeded) || sent.Body != 0 {
			t.Errorf("sent %+v, %v", sent, err)
		}
	})
	must(t, p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 0}))
	const n = 100
	timedOut.Add(n)
	for i := range uint32(n) {
		must(t, p.open(2*i+1, p.get("/large"), true))
	}
	must(t, p.open(2*n+1, p.get("/small"), true))
	fields, _ := p.answer(2*n + 1)
	if fields[0][1] != "204" {
		t.Errorf("the other stream got %v", fields)
	}
	if code := p.reset(1); code != InternalError {
		t.Errorf("reset with %d", code)
	}
	timedOut.Wait()
	p.nc.Close()
	p.ended()
}

// D5: one SETTINGS is no more work for many streams that wait than it has to be, and
// none that do not wait is touched.
func TestWindowOfAllStreamsIsOneNumber(t *testing.T) {
	p := dial(t, Config{}, echo)
	must(t, p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 5}))
	must(t, p.open(1, p.get("/0123456789"), true))
	p.next("DATA", func(f xhttp2.Frame) bool { d, ok := f.(*xhttp2.DataFrame); return ok && len(d.Data()) == 5 })
	must(t, p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 3})) // now at -2
	must(t, p.WriteWindowUpdate(1, 2))                                                    // and at 0
	must(t, p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 4}))
	f := p.next("DATA", func(f xhttp2.Frame) bool { return f.Header().Type == xhttp2.FrameData })
	if n := f.Header().Length; n != 1 {
		t.Errorf("%d bytes in a window of 1", n)
	}
}

func TestWindowsThatOverflowAreRefused(t *testing.T) {
	for name, send := range map[string]func(p *peer) error{
		"connection": func(p *peer) error { return p.WriteWindowUpdate(0, maxWindow) },
		"all streams": func(p *peer) error {
			if err := p.WriteWindowUpdate(1, 1<<30); err != nil {
				return err
			}
			return p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: maxWindow})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := dial(t, Config{}, echo)
			must(t, p.open(1, p.post("/"), false))
			must(t, send(p))
			if code := p.goAway(); code != FlowControlError {
				t.Errorf("GOAWAY with %d", code)
			}
		})
	}
}

// What a client sends beyond its windows ends the connection or the stream.
func TestBodiesKeepToTheirWindows(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	p := dial(t, Config{}, func(s *Stream) { <-hold })
	must(t, p.open(1, p.post("/"), false))
	for range 5 {
		must(t, p.WriteData(1, false, make([]byte, maxFrame)))
	}
	if code := p.reset(1); code != FlowControlError {
		t.Errorf("reset with %d", code)
	}
}

// A reader that is always a little behind its client holds no more than the window: what
// it has read is gone.
func TestBodyThatIsReadSlowlyIsBoundedByItsWindow(t *testing.T) {
	c := NewConn(&script{}, Config{}, func(*Stream) {})
	s := c.newStream(&openHead{stream: 1}, nil)
	s.length = -1
	s.SetReadDeadline(time.Now().Add(testTimeout))
	c.writing = true // nobody writes: what would be sent is not looked at
	chunk, buf := make([]byte, maxFrame), make([]byte, maxFrame)
	var sent, read byte
	send := func() {
		for i := range chunk {
			chunk[i], sent = sent, sent+13
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if code, err := s.receive(chunk, len(chunk), false); err != nil {
			t.Fatalf("%d: %v", code, err)
		}
	}
	send()
	for range 1000 {
		send() // one frame is always left unread
		for got := 0; got < len(buf); {
			n, err := s.Read(buf[:len(buf)-got])
			must(t, err)
			for _, b := range buf[:n] {
				if b != read {
					t.Fatal("the body is not what was sent")
				}
				read += 13
			}
			got += n
		}
	}
	if n := cap(s.body); n > 4*DefaultBodyWindow {
		t.Errorf("%d bytes are held for a window of %d", n, DefaultBodyWindow)
	}
}

func TestFrameHeaderIsWhatIsSent(t *testing.T) {
	got := appendReset(nil, 7, Cancel)
	if len(got) != 13 || got[3] != byte(frameRSTStream) || binary.BigEndian.Uint32(got[5:]) != 7 || binary.BigEndian.Uint32(got[9:]) != 8 {
		t.Errorf("got %x", got)
	}
}
