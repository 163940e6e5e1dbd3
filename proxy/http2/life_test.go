package http2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	xhttp2 "golang.org/x/net/http2"
)

// pipe is a connection in a bubble, whose clock is the test's.
func pipe(t *testing.T, cfg Config, handle func(*Stream)) (client net.Conn, done chan error, c *Conn) {
	t.Helper()
	client, server := net.Pipe()
	c = NewConn(server, cfg, apart(handle))
	done = make(chan error, 1)
	go func() { done <- serve(c) }()
	t.Cleanup(func() { client.Close() })
	return client, done, c
}

func TestSilentClientsAreClosed(t *testing.T) {
	settings := string(appendFrameHeader([]byte(Preface), 0, frameSettings, 0, 0))
	head := settings + string(append(appendFrameHeader(nil, 1, frameHeaders, flagEndStream, 1), 0x82))
	for name, c := range map[string]struct {
		sends string
		after time.Duration
	}{
		"no byte":            {"", 2 * time.Second},
		"half a preface":     {Preface[:10], 2 * time.Second},
		"no SETTINGS":        {Preface, 2 * time.Second},
		"idle":               {settings, 9 * time.Second},
		"half a frame":       {head[:len(settings)+5], 9 * time.Second},
		"a head without end": {head, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				client, done, _ := pipe(t, Config{HeaderTimeout: 2 * time.Second, IdleTimeout: 9 * time.Second}, echo)
				go io.Copy(io.Discard, client)
				_, err := io.WriteString(client, c.sends)
				must(t, err)
				if err := <-done; err != nil {
					t.Errorf("ended with %v", err)
				}
				if got := time.Since(begun); got != c.after {
					t.Errorf("closed after %v, want %v", got, c.after)
				}
			})
		})
	}
}

// panics is a transport that does.
type panics struct{ script }

func (p *panics) Read([]byte) (int, error) { panic("as the test wants it") }

func TestPanicEndsOneConnection(t *testing.T) {
	err := NewConn(&panics{}, Config{}, apart(echo)).Serve(nil)
	var e *Panic
	if !errors.As(err, &e) || IsFlood(err) {
		t.Errorf("ended with %v", err)
	}
}

// panicsAtWrite is a transport that does, and whose client says nothing.
type panicsAtWrite struct{ net.Conn }

func (p *panicsAtWrite) Write([]byte) (int, error) { panic("as the test wants it") }

func TestPanicOfTheWriterEndsOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		err := NewConn(&panicsAtWrite{server}, Config{}, apart(echo)).Serve(nil)
		var e *Panic
		if !errors.As(err, &e) || !strings.Contains(string(e.Stack), "writeAll") {
			t.Errorf("ended with %v", err)
		}
	})
}

// panicsAtDeadline is a transport that does, once.
type panicsAtDeadline struct {
	net.Conn
	panicked bool
}

func (p *panicsAtDeadline) SetReadDeadline(t time.Time) error {
	if !p.panicked {
		p.panicked = true
		panic("as the test wants it")
	}
	return p.Conn.SetReadDeadline(t)
}

func TestPanicOfTheWriterLeavesNothingLocked(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	c := NewConn(&panicsAtDeadline{Conn: server}, Config{}, apart(echo))
	c.phase, c.taken, c.mark = draining, 1, 1 // the last bytes have gone, and the reader is told so
	err := guard(c.writeOut)
	var e *Panic
	if !errors.As(err, &e) || !strings.Contains(string(e.Stack), "nextOut") {
		t.Fatalf("ended with %v", err)
	}
	if !c.mu.TryLock() {
		t.Fatal("it is still locked")
	}
	c.mu.Unlock()
	if c.broken(err); c.failed != err {
		t.Errorf("it failed with %v", c.failed)
	}
}

// Idle is a connection without a stream, whatever else it sends.
func TestPingsDoNotKeepAnIdleConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, done, _ := pipe(t, Config{IdleTimeout: 10 * time.Second}, echo)
		go io.Copy(io.Discard, client)
		_, err := client.Write(appendFrameHeader([]byte(Preface), 0, frameSettings, 0, 0))
		must(t, err)
		for range 9 {
			time.Sleep(time.Second) // of the bubble's clock
			_, err := client.Write(appendPing(nil, 0, [8]byte{}))
			must(t, err)
		}
		begun := time.Now()
		<-done
		if left := time.Since(begun); left > time.Second {
			t.Errorf("it lived on for %v", left)
		}
	})
}

func TestClientThatTakesNothingIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		client, done, _ := pipe(t, Config{WriteTimeout: 3 * time.Second}, echo)
		_, err := client.Write(appendFrameHeader([]byte(Preface), 0, frameSettings, 0, 0))
		must(t, err)
		if err := <-done; err != ErrClosed {
			t.Errorf("ended with %v", err)
		}
		if got := time.Since(begun); got != 3*time.Second {
			t.Errorf("closed after %v", got)
		}
	})
}

// slowly is a client that takes 1 KiB a second, of the bubble's clock.
type slowly struct{ net.Conn }

func (c slowly) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return c.Conn.Read(p[:min(len(p), 1<<10)])
}

// What is on its way to a slow client takes longer than the time that a stream may wait:
// only a client that takes nothing, or opens no window for what it has, is cut.
func TestSlowReaderThatGoesOnReadingIsNotCut(t *testing.T) {
	for name, c := range map[string]struct {
		window  uint32
		streams int
		ends    bool
	}{
		"the stream's window": {firstWindow, 1, false}, "the connection's window": {firstWindow, 3, false},
		"room": {8 << 20, 1, false}, "room for several": {8 << 20, 5, false}, "told to end": {8 << 20, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const size = 400 << 10
				client, done, conn := pipe(t, Config{WriteTimeout: 20 * time.Second}, func(s *Stream) {
					if sent, err := s.Send([]byte("HTTP/1.1 200 OK\r\n\r\n"), make([]byte, size), true, 20*time.Second); err != nil || sent.Body != size {
						t.Errorf("stream %d: sent %+v, %v", s.id, sent, err)
					}
				})
				f := xhttp2.NewFramer(client, slowly{client})
				asked := make(chan struct{})
				go func() {
					defer close(asked)
					io.WriteString(client, Preface)
					f.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: c.window})
					if c.window > firstWindow {
						f.WriteWindowUpdate(0, c.window)
					}
					for i := range uint32(c.streams) {
						block := []byte{0x82, 0x86, 0x84, 0x41, 1, 'a'} // GET, http, /, and the authority
						f.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: block, EndHeaders: true, EndStream: true})
					}
				}()
				got, ended := 0, 0
				for ended < c.streams {
					frame, err := f.ReadFrame()
					if err != nil {
						t.Fatalf("after %d bytes: %v; the connection: %v", got, err, <-done)
					}
					switch frame := frame.(type) {
					case *xhttp2.DataFrame:
						<-asked
						n := len(frame.Data())
						if got += n; c.ends {
							conn.Shutdown()
						}
						if frame.StreamEnded() {
							ended++
							continue
						}
						must(t, f.WriteWindowUpdate(0, uint32(n)))
						must(t, f.WriteWindowUpdate(frame.StreamID, uint32(n)))
					case *xhttp2.RSTStreamFrame:
						t.Fatalf("after %d bytes: %v", got, frame)
					}
				}
				if got != c.streams*size {
					t.Errorf("got %d bytes, want %d", got, c.streams*size)
				}
				client.Close()
			})
		})
	}
}

// The timeout of a stream is that of its place: the writer's is of the default server.
func TestStreamThatGetsNoWindowEndsInItsOwnTime(t *testing.T) {
	const own, writers = 5 * time.Second, 60 * time.Second
	synctest.Test(t, func(t *testing.T) {
		var taken, over time.Time
		client, _, _ := pipe(t, Config{WriteTimeout: writers}, func(s *Stream) {
			if _, err := s.Send([]byte("HTTP/1.1 200 OK\r\n\r\n"), make([]byte, 400<<10), true, own); err != os.ErrDeadlineExceeded {
				t.Errorf("sent: %v", err)
			}
			over = time.Now()
		})
		f := xhttp2.NewFramer(client, slowly{client})
		go func() {
			io.WriteString(client, Preface)
			f.WriteSettings()
			block := []byte{0x82, 0x86, 0x84, 0x41, 1, 'a'} // GET, http, /, and the authority
			f.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true, EndStream: true})
		}()
		begun := time.Now()
		for reset := false; !reset; {
			frame, err := f.ReadFrame()
			must(t, err)
			switch frame.(type) {
			case *xhttp2.DataFrame:
				taken = time.Now() // and no window is given for it
			case *xhttp2.RSTStreamFrame:
				reset = true
			}
		}
		if late := over.Sub(taken); taken.Sub(begun) < writers || late <= 0 || late > 2*own {
			t.Errorf("it was over %v after the last bytes were taken, want %v at most", late, 2*own)
		}
	})
}

func TestShutdownServesWhatIsOnItsWay(t *testing.T) {
	begun, hold := make(chan struct{}, 2), make(chan struct{})
	p := dial(t, Config{}, func(s *Stream) {
		begun <- struct{}{}
		<-hold
		echo(s)
	})
	must(t, p.open(1, p.get("/1"), true))
	<-begun
	p.conn.Shutdown()
	f := p.next("GOAWAY", func(f xhttp2.Frame) bool { return f.Header().Type == xhttp2.FrameGoAway })
	if last := f.(*xhttp2.GoAwayFrame).LastStreamID; last != maxStreamID {
		t.Errorf("the first GOAWAY says %d", last)
	}
	ping := p.next("PING", func(f xhttp2.Frame) bool { return f.Header().Type == xhttp2.FramePing }).(*xhttp2.PingFrame)
	must(t, p.open(3, p.get("/3"), true)) // it crossed the GOAWAY
	must(t, p.WritePing(true, ping.Data))
	<-begun
	f = p.next("GOAWAY", func(f xhttp2.Frame) bool { return f.Header().Type == xhttp2.FrameGoAway })
	if last := f.(*xhttp2.GoAwayFrame).LastStreamID; last != 3 {
		t.Errorf("the second GOAWAY says %d", last)
	}
	must(t, p.open(5, p.get("/5"), true)) // which the client may send to somebody else
	close(hold)
	bodies := map[uint32]string{}
	for len(bodies) < 2 {
		f := p.next("DATA", func(f xhttp2.Frame) bool { d, ok := f.(*xhttp2.DataFrame); return ok && d.StreamEnded() })
		bodies[f.Header().StreamID] = string(f.(*xhttp2.DataFrame).Data())
	}
	for _, id := range []uint32{1, 3} {
		if !strings.HasPrefix(bodies[id], "GET /"+strconv.Itoa(int(id))) {
			t.Errorf("stream %d got %q", id, bodies[id])
		}
	}
	p.over()
}

func TestShutdownOfAnIdleConnectionEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, done, c := pipe(t, Config{}, echo)
		go io.Copy(io.Discard, client) // it does not even answer the PING
		_, err := client.Write(appendFrameHeader([]byte(Preface), 0, frameSettings, 0, 0))
		must(t, err)
		synctest.Wait()
		begun := time.Now()
		c.Shutdown()
		if err := <-done; err != nil {
			t.Errorf("ended with %v", err)
		}
		if got := time.Since(begun); got != drainTimeout {
			t.Errorf("after %v", got)
		}
	})
}

func TestConnectionIsWoundUpAfterItsRequests(t *testing.T) {
	p := dial(t, Config{MaxRequests: 2}, echo)
	must(t, p.open(1, p.get("/1"), true))
	p.answer(1)
	must(t, p.open(3, p.get("/2"), true))
	p.goAway()
	p.answer(3)
	p.over()
}

// A handler whose client resets the stream, or whose connection ends, is told so,
// once, and Serve waits for it.
func TestHandlerHearsThatItsClientLeft(t *testing.T) {
	for name, leave := range map[string]func(p *peer){
		"reset":      func(p *peer) { must(p.t, p.WriteRSTStream(1, xhttp2.ErrCodeCancel)) },
		"connection": func(p *peer) { p.nc.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			ready, gone, heard := make(chan struct{}), make(chan struct{}, 2), make(chan struct{})
			p := dial(t, Config{}, func(s *Stream) {
				s.OnHangup(func() { gone <- struct{}{} })
				close(ready)
				<-gone
				close(heard)
				if _, err := s.Send([]byte("HTTP/1.1 200 OK\r\n\r\n"), nil, true, testTimeout); err == nil {
					t.Error("an answer was sent to nobody")
				}
				late := false
				s.OnHangup(func() { late = true })
				if !late {
					t.Error("what happened before is not told")
				}
			})
			must(t, p.open(1, p.get("/"), true))
			<-ready
			leave(p)
			select {
			case <-heard: // before the connection ends, which would tell it in any case
			case <-time.After(testTimeout):
				t.Error("the handler heard nothing")
			}
			p.nc.Close()
			p.ended()
		})
	}
}

// Many large answers share one connection whose window is opened in small steps.
func TestManyStreamsShareTheWindow(t *testing.T) {
	const n, size = 20, 100_000
	body := bytes.Repeat([]byte("0123456789"), size/10)
	p := dial(t, Config{}, func(s *Stream) {
		s.Send([]byte("HTTP/1.1 200 OK\r\n\r\n"), body[:size/2], false, testTimeout)
		s.Send(nil, body[size/2:], true, testTimeout)
	})
	for i := range uint32(n) {
		must(t, p.open(2*i+1, p.get("/"), true))
	}
	got, ended := map[uint32]int{}, 0
	for ended < n {
		f := p.next("DATA", func(f xhttp2.Frame) bool { return f.Header().Type == xhttp2.FrameData }).(*xhttp2.DataFrame)
		id, length := f.StreamID, len(f.Data())
		got[id] += length
		if f.StreamEnded() {
			ended++
			if got[id] != size {
				t.Errorf("stream %d: %d bytes", id, got[id])
			}
		} else {
			must(t, p.WriteWindowUpdate(id, uint32(length)))
		}
		must(t, p.WriteWindowUpdate(0, uint32(length)))
	}
}

// Streams of many connections at once, some reset in the middle: for the race
// detector.
func TestStreamsComeAndGo(t *testing.T) {
	var clients sync.WaitGroup
	for range 4 {
		p := dial(t, Config{MaxRequests: 1 << 20}, echo)
		clients.Go(func() {
			for i := range uint32(150) {
				id := 2*i + 1
				if p.open(id, p.post("/", "content-length", "5"), false) != nil {
					t.Error("open failed")
					return
				}
				if i%3 == 0 {
					p.WriteRSTStream(id, xhttp2.ErrCodeCancel)
					continue
				}
				p.WriteData(id, true, []byte("hello"))
				if _, body := p.answer(id); !strings.HasSuffix(body, "\r\n\r\nhello") {
					t.Errorf("stream %d got %q", id, body)
				}
			}
		})
	}
	clients.Wait()
}

// A body that nobody reads does not shut the connection for others.
func TestUnreadBodiesGiveTheWindowBack(t *testing.T) {
	p := dial(t, Config{}, func(s *Stream) {
		if s.HasBody && !bytes.HasPrefix(s.Head, []byte("POST /read")) {
			s.Send([]byte("HTTP/1.1 413 Too Large\r\n\r\n"), nil, true, testTimeout)
			return
		}
		echo(s)
	})
	data := make([]byte, maxFrame)
	for i := range uint32(100) { // 3 MB in all
		id := 2*i + 1
		must(t, p.open(id, p.post("/"), false))
		must(t, p.WriteData(id, false, data))
		must(t, p.WriteData(id, false, data))
		if fields, _ := p.answer(id); fields[0][1] != "413" {
			t.Fatalf("got %v", fields)
		}
		if code := p.reset(id); code != NoError {
			t.Fatalf("reset with %d", code)
		}
	}
	must(t, p.open(201, p.post("/read"), false))
	must(t, p.WriteData(201, true, []byte("hello")))
	if _, body := p.answer(201); !strings.HasSuffix(body, "hello") {
		t.Errorf("got %q", body)
	}
}

// One goroutine reads a stream's body while another one waits for its window.
func TestBothHalvesOfAStreamWaitAtOnce(t *testing.T) {
	const size = 100_000
	p := dial(t, Config{}, func(s *Stream) {
		answer := make(chan error, 1)
		go func() {
			_, err := s.Send([]byte("HTTP/1.1 200 OK\r\n\r\n"), make([]byte, size), true, testTimeout)
			answer <- err
		}()
		n, err := io.Copy(io.Discard, reader{s})
		if n != size || err != nil {
			t.Errorf("read %d bytes: %v", n, err)
		}
		if err := <-answer; err != nil {
			t.Errorf("send: %v", err)
		}
	})
	must(t, p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 0}))
	must(t, p.open(1, p.post("/"), false))
	sent, got, credit := 0, 0, DefaultBodyWindow
	for got < size {
		if sent < size && credit >= 1000 {
			must(t, p.WriteData(1, sent+1000 == size, make([]byte, 1000)))
			sent, credit = sent+1000, credit-1000
			must(t, p.WriteWindowUpdate(1, 1000))
			must(t, p.WriteWindowUpdate(0, 1000))
		}
		f := p.next("DATA or WINDOW_UPDATE", func(f xhttp2.Frame) bool {
			return f.Header().Type == xhttp2.FrameData || f.Header().Type == xhttp2.FrameWindowUpdate && f.Header().StreamID == 1
		})
		switch f := f.(type) {
		case *xhttp2.DataFrame:
			got += len(f.Data())
		case *xhttp2.WindowUpdateFrame:
			credit += int(f.Increment)
		}
	}
	if sent != size {
		t.Errorf("the answer was there after %d bytes of the body", sent)
	}
}

// A deadline that is set while a Read waits ends it.
func TestReadEndsAtADeadlineSetMeanwhile(t *testing.T) {
	ended := make(chan error, 1)
	p := dial(t, Config{}, func(s *Stream) {
		s.SetReadDeadline(time.Now().Add(testTimeout))
		go s.SetReadDeadline(time.Unix(1, 0))
		_, err := s.Read(make([]byte, 1))
		ended <- err
	})
	must(t, p.open(1, p.post("/"), false))
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read ended with %v", err)
	}
}

func TestIdleConnectionIsGivenUpAndGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		c := NewConn(server, Config{IdleTimeout: time.Minute}, apart(echo))
		var got bytes.Buffer
		var mu sync.Mutex
		go func() {
			buf := make([]byte, 1024)
			for {
				n, err := client.Read(buf)
				mu.Lock()
				got.Write(buf[:n])
				mu.Unlock()
				if err != nil {
					return
				}
			}
		}()
		read := func() string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			defer got.Reset()
			return got.String()
		}
		done := make(chan error)
		begun := time.Now()
		go func() { done <- c.Serve(nil) }()
		_, err := client.Write(appendFrameHeader([]byte(Preface), 0, frameSettings, 0, 0))
		must(t, err)
		for round := range 3 {
			if err := <-done; err != ErrIdle {
				t.Fatalf("round %d: it ended with %v", round, err)
			}
			if idle := time.Since(begun); idle != parkAfter {
				t.Errorf("round %d: given up after %v", round, idle)
			}
			read()
			time.Sleep(time.Second)
			go func() { done <- c.Resume() }()
			block := []byte{0x82, 0x86, 0x84, 0x01, 1, 'a'} // GET http / with :authority a
			_, err := client.Write(appendBlock(nil, uint32(2*round+1), block, true))
			must(t, err)
			if text := read(); !strings.Contains(text, "GET / HTTP/1.1") {
				t.Errorf("round %d: got %q", round, text)
			}
			begun = time.Now()
		}
		<-done
		read()
		c.Shutdown()
		if text := read(); !strings.Contains(text, "paddock!") {
			t.Errorf("shutdown wrote %q", text)
		}
		go func() { done <- c.Resume() }() // as the deadline, which Shutdown sets, would
		if err := <-done; err != nil {
			t.Errorf("ended with %v", err)
		}
	})
}
