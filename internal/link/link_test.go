package link

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair returns both ends as connections.
func pair(t *testing.T) (*Conn, *Conn) {
	t.Helper()
	keeper, proxyEnd, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := TakeFD(proxyEnd)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := Open(uintptr(fd))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keeper.Close(); proxy.Close() })
	return keeper, proxy
}

// rawPair returns a connection and its peer as a bare descriptor.
func rawPair(t *testing.T) (*Conn, int) {
	t.Helper()
	c, other, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := TakeFD(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); unix.Close(fd) })
	return c, fd
}

// serve runs Serve and returns what it ended with.
func serve(c *Conn, handle func(Message, []*os.File)) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- c.Serve(handle) }()
	return ended
}

func ignore(Message, []*os.File) {}

// openFiles counts this process's descriptors.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func devNull(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func repeat(f *os.File, n int) []*os.File {
	files := make([]*os.File, n)
	for i := range files {
		files[i] = f
	}
	return files
}

func TestCallGetsTheAnswerOfItsOwnRequest(t *testing.T) {
	keeper, proxy := pair(t)
	done := serve(proxy, func(m Message, _ []*os.File) {
		var p Probe
		if err := m.Decode(&p); err != nil {
			t.Error(err)
		}
		if err := proxy.Reply(m, ProbeResult{Err: p.App}, nil); err != nil {
			t.Error(err)
		}
	})
	serve(keeper, ignore)
	var wg sync.WaitGroup
	for _, app := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		wg.Go(func() {
			for range 50 {
				m, err := keeper.Call(t.Context(), TypeProbe, Probe{App: app})
				var got ProbeResult
				if err == nil {
					err = m.Decode(&got)
				}
				if err != nil || got.Err != app {
					t.Errorf("call of %q: got %q, %v", app, got.Err, err)
				}
			}
		})
	}
	wg.Wait()
	keeper.Close()
	if err := <-done; err != io.EOF {
		t.Errorf("Serve ended with %v; want io.EOF", err)
	}
}

func TestBothSidesMayCallWithTheSameID(t *testing.T) {
	keeper, proxy := pair(t)
	serve(proxy, func(m Message, _ []*os.File) { _ = proxy.Reply(m, "from proxy", nil) })
	serve(keeper, func(m Message, _ []*os.File) { _ = keeper.Reply(m, "from keeper", nil) })
	for c, want := range map[*Conn]string{keeper: `"from proxy"`, proxy: `"from keeper"`} {
		m, err := c.Call(t.Context(), TypeStats, nil)
		if err != nil || string(m.Body) != want || m.ID != 1 {
			t.Errorf("got %s (ID %d), %v; want %s (ID 1)", m.Body, m.ID, err, want)
		}
	}
}

func TestRefusalReachesTheCaller(t *testing.T) {
	keeper, proxy := pair(t)
	serve(keeper, ignore)
	for _, test := range []struct {
		name   string
		answer func(Message) error
		want   string
	}{
		{"with a reason", func(m Message) error { return proxy.Reply(m, nil, errors.New("no such app")) }, "no such app"},
		{"without one", func(m Message) error { return proxy.Reply(m, nil, errors.New("")) }, "refused"},
		{"unknown type", proxy.Refuse, `unknown message "probe"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			go func() {
				m, _, err := proxy.Receive()
				if err == nil {
					err = test.answer(m)
				}
				if err != nil {
					t.Error(err)
				}
			}()
			_, err := keeper.Call(t.Context(), TypeProbe, Probe{})
			var refused *Refused
			if !errors.As(err, &refused) || refused.Text != test.want {
				t.Errorf("got %v; want a refusal that says %q", err, test.want)
			}
		})
	}
}

func TestCallEndsWithItsContextAndTheLateAnswerIsDropped(t *testing.T) {
	keeper, proxy := pair(t)
	serve(keeper, ignore)
	ctx, cancel := context.WithCancel(t.Context())
	requests := make(chan Message, 2)
	serve(proxy, func(m Message, _ []*os.File) { requests <- m; cancel() })
	if _, err := keeper.Call(ctx, TypeDrain, Drain{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v; want the context's error", err)
	}
	late := <-requests
	go func() { _ = proxy.Reply(late, "late", nil); _ = proxy.Reply(<-requests, "mine", nil) }()
	m, err := keeper.Call(t.Context(), TypeDrain, Drain{})
	if err != nil || string(m.Body) != `"mine"` {
		t.Errorf("got %s, %v; want the answer of the second call", m.Body, err)
	}
}

func TestCallFailsWhenTheOtherSideDies(t *testing.T) {
	keeper, proxy := pair(t)
	done := serve(keeper, ignore)
	go func() { _, _, _ = proxy.Receive(); proxy.Close() }()
	if _, err := keeper.Call(t.Context(), TypeDrain, Drain{}); !errors.Is(err, io.EOF) {
		t.Errorf("got %v; want io.EOF", err)
	}
	if err := <-done; err != io.EOF {
		t.Errorf("Serve ended with %v; want io.EOF", err)
	}
	if err := keeper.Send(TypeQuit, 0, Quit{}); !errors.Is(err, io.EOF) {
		t.Errorf("a later Send got %v; want io.EOF", err)
	}
}

func TestCloseEndsServeAndCalls(t *testing.T) {
	keeper, proxy := pair(t)
	done := serve(keeper, ignore)
	go func() { _, _, _ = proxy.Receive(); keeper.Close() }()
	if _, err := keeper.Call(t.Context(), TypeDrain, Drain{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Call got %v; want ErrClosed", err)
	}
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("Serve got %v; want ErrClosed", err)
	}
}

func TestSlowPeerDoesNotBlockSendForEver(t *testing.T) {
	keeper, _ := pair(t)
	keeper.writeTimeout = 20 * time.Millisecond
	body := strings.Repeat("x", MaxMessage-100)
	err := error(nil)
	for i := 0; i < 100 && err == nil; i++ {
		err = keeper.Send("big", 0, body)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v; want a deadline error", err)
	}
	if err := keeper.Send("next", 0, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after half a message the connection still takes messages: %v", err)
	}
}

func TestLargestMessageArrivesWholeWithItsFiles(t *testing.T) {
	keeper, proxy := pair(t)
	body := strings.Repeat("x", MaxMessage-100)
	go func() {
		for range 3 {
			if err := keeper.Send("big", 9, body, repeat(devNull(t), MaxFiles)...); err != nil {
				t.Error(err)
			}
		}
	}()
	for range 3 {
		m, files, err := proxy.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Body) != len(body)+2 || m.Type != "big" || m.ID != 9 || len(files) != MaxFiles {
			t.Errorf("got %s %d with %d bytes and %d files", m.Type, m.ID, len(m.Body), len(files))
		}
		CloseAll(files)
	}
}

func TestRefusedMessageLeavesTheConnectionUsable(t *testing.T) {
	keeper, proxy := pair(t)
	for _, test := range []struct {
		name  string
		body  any
		files []*os.File
		want  string
	}{
		{"2000 files", nil, repeat(devNull(t), 2000), "2000 descriptors; expected at most 250"},
		{"251 files", nil, repeat(devNull(t), 251), "251 descriptors; expected at most 250"},
		{"body too large", strings.Repeat("x", MaxMessage), nil, "expected at most 1048576"},
		{"body is no JSON", make(chan int), nil, "unsupported type"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := keeper.Send("bad", 0, test.body, test.files...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v; want %q in it", err, test.want)
			}
			if err := keeper.Send("good", 0, nil); err != nil {
				t.Fatal(err)
			}
			if m, _, err := proxy.Receive(); err != nil || m.Type != "good" {
				t.Errorf("got %q, %v; want the next message", m.Type, err)
			}
		})
	}
}

func TestFilesArriveInOrderCloseOnExecAndOnlyTakenOnesStayOpen(t *testing.T) {
	keeper, proxy := pair(t)
	dir := t.TempDir()
	var files []*os.File
	for _, name := range []string{"a", "b", "c"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	before := openFiles(t)
	got, raw := make(chan []*os.File, 1), make(chan []*os.File, 1)
	serve(proxy, func(m Message, files []*os.File) {
		if m.Type == "take" {
			got <- Take(files)
			return
		}
		raw <- files // closed behind our back, as documented
	})
	if err := keeper.Send("take", 0, nil, files...); err != nil {
		t.Fatal(err)
	}
	taken := <-got
	for i, want := range []string{"a", "b", "c"} {
		text := make([]byte, 1)
		if _, err := taken[i].ReadAt(text, 0); err != nil || string(text) != want {
			t.Errorf("file %d: got %q, %v; want %q", i, text, err, want)
		}
		flags, err := unix.FcntlInt(taken[i].Fd(), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("file %d is not close-on-exec", i)
		}
	}
	CloseAll(taken)
	if err := keeper.Send("leave", 0, nil, files...); err != nil {
		t.Fatal(err)
	}
	<-raw
	if err := keeper.Send("take", 0, nil); err != nil { // its arrival proves that the handler before it has ended
		t.Fatal(err)
	}
	<-got
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
	if _, err := files[0].Stat(); err != nil {
		t.Errorf("the sender's file was closed: %v", err)
	}
}

func TestTakeFDKeepsTheBlockingMode(t *testing.T) {
	for _, nonblock := range []bool{true, false} {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(p[1])
		if err := unix.SetNonblock(p[0], nonblock); err != nil {
			t.Fatal(err)
		}
		fd, err := TakeFD(os.NewFile(uintptr(p[0]), "pipe"))
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil || (flags&unix.O_NONBLOCK != 0) != nonblock {
			t.Errorf("non-blocking is %v, %v; want %v", !nonblock, err, nonblock)
		}
	}
}

func frame(length, files uint32, text string) []byte {
	b := binary.BigEndian.AppendUint32(nil, length)
	b = binary.BigEndian.AppendUint32(b, files)
	return append(b, text...)
}

func TestBadInputIsAnErrorThatClosesAndLeaksNothing(t *testing.T) {
	good := `{"type":"probe"}`
	for _, test := range []struct {
		name  string
		bytes []byte
		files int
		want  string
	}{
		{"end between messages", nil, 0, "EOF"},
		{"end in the header", frame(16, 0, "")[:3], 0, "unexpected EOF"},
		{"end in the header, with a file", frame(16, 1, "")[:3], 1, "unexpected EOF"},
		{"end after the header", frame(16, 1, ""), 1, "unexpected EOF"},
		{"end in the text", frame(16, 2, `{"type":`), 2, "unexpected EOF"},
		{"no text", frame(0, 1, ""), 1, "message of 0 bytes; expected 1 to 1048576"},
		{"text too large", frame(MaxMessage+1, 1, ""), 1, "message of 1048577 bytes"},
		{"too many descriptors announced", frame(16, MaxFiles+1, good), 2, "251 descriptors; expected at most 250"},
		{"fewer descriptors than announced", frame(16, 3, good), 1, "1 of 3 descriptors arrived"},
		{"more descriptors than announced", frame(16, 0, good), 1, "1 of 0 descriptors arrived"},
		{"no JSON", frame(5, 1, "hello"), 1, "malformed message"},
		{"JSON without a type", frame(2, 1, "{}"), 1, "it has no type"},
		{"a type of another kind", frame(10, 0, `{"type":1}`), 0, "malformed message"},
	} {
		t.Run(test.name, func(t *testing.T) {
			null := devNull(t)
			before := openFiles(t)
			c, fd := rawPair(t)
			sendRaw(t, fd, test.bytes, null, test.files)
			if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
				t.Fatal(err)
			}
			_, files, err := c.Receive()
			if err == nil || !strings.Contains(err.Error(), test.want) || len(files) != 0 {
				t.Errorf("got %d files, %v; want %q", len(files), err, test.want)
			}
			if serr := c.Send("more", 0, nil); serr != err {
				t.Errorf("the connection is not closed: Send says %v", serr)
			}
			if after := openFiles(t); after != before+1 {
				t.Errorf("%d descriptors open, %d before; expected one more, the raw end", after, before)
			}
		})
	}
}

func sendRaw(t *testing.T, fd int, data []byte, f *os.File, files int) {
	t.Helper()
	if len(data) == 0 {
		return
	}
	fds := make([]int, files)
	for i := range fds {
		fds[i] = int(f.Fd())
	}
	var oob []byte
	if files > 0 {
		oob = unix.UnixRights(fds...)
	}
	if err := unix.Sendmsg(fd, data, oob, nil, 0); err != nil {
		t.Fatal(err)
	}
}

func TestDescriptorsInsideTheTextAreNotTakenIn(t *testing.T) {
	c, fd := rawPair(t)
	null := devNull(t)
	before := openFiles(t)
	whole := frame(16, 0, `{"type":"probe"}`)
	sendRaw(t, fd, whole[:12], null, 0)
	sendRaw(t, fd, whole[12:], null, 5)
	m, files, err := c.Receive()
	if err != nil || m.Type != "probe" || len(files) != 0 {
		t.Errorf("got %q, %d files, %v", m.Type, len(files), err)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
}

func TestMessageThatComesByteByByteIsPutTogether(t *testing.T) {
	c, fd := rawPair(t)
	go func() {
		for _, b := range frame(16, 0, `{"type":"probe"}`) {
			if _, err := unix.Write(fd, []byte{b}); err != nil {
				t.Error(err)
			}
		}
	}()
	if m, _, err := c.Receive(); err != nil || m.Type != "probe" {
		t.Errorf("got %q, %v", m.Type, err)
	}
}

func TestOpenRefusesWhatIsNoStreamSocket(t *testing.T) {
	before := openFiles(t)
	file, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	datagram, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range []int{file, datagram, 9999} {
		if _, err := Open(uintptr(fd)); err == nil {
			t.Errorf("descriptor %d was taken", fd)
		}
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
}

func FuzzReceive(f *testing.F) {
	f.Add(frame(16, 0, `{"type":"probe"}`))
	f.Add(frame(32, 0, `{"type":"reply","id":1,"body":7}`))
	f.Add(frame(5, 0, "hello"))
	f.Add(append(frame(14, 0, `{"type":"a"  }`), 0, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 { // fits into the socket's buffer, so that one goroutine will do
			return
		}
		c, fd := rawPair(t)
		if _, err := unix.Write(fd, data); err != nil {
			t.Fatal(err)
		}
		if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
			t.Fatal(err)
		}
		left := len(data)
		for {
			m, files, err := c.Receive()
			if len(files) != 0 {
				t.Fatalf("%d files out of nothing", len(files))
			}
			if err != nil {
				return
			}
			again, err := encode(m, 0)
			if err != nil || m.Type == "" {
				t.Fatalf("message %+v cannot be sent on: %v", m, err)
			}
			back, err := decodeMessage(again[headerSize:])
			if err != nil || back.Type != m.Type || back.ID != m.ID {
				t.Fatalf("%+v became %+v, %v", m, back, err)
			}
			if left -= headerSize + 1; left < 0 {
				t.Fatal("more messages than bytes")
			}
		}
	})
}

func TestMemfdComesBackAndCannotChange(t *testing.T) {
	for _, data := range [][]byte{nil, []byte("key"), bytes.Repeat([]byte("x"), 3<<20)} {
		f, err := SealedMemfd("test", data)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for range 2 { // the offset does not matter
			got, err := ReadMemfd(f, int64(len(data)))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("got %d bytes, %v; want %d", len(got), err, len(data))
			}
		}
		if _, err := f.WriteAt([]byte("y"), 0); err == nil {
			t.Error("a sealed memfd was written to")
		}
		if err := f.Truncate(int64(len(data)) + 1); err == nil {
			t.Error("a sealed memfd grew")
		}
		if len(data) > 0 {
			if _, err := ReadMemfd(f, int64(len(data))-1); err == nil || !strings.Contains(err.Error(), "expected at most") {
				t.Errorf("over the limit: got %v", err)
			}
		}
	}
}

func TestReadMemfdRefusesWhatMayChange(t *testing.T) {
	fd, err := unix.MemfdCreate("half", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	half := os.NewFile(uintptr(fd), "half")
	defer half.Close()
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW); err != nil {
		t.Fatal(err)
	}
	for _, f := range []*os.File{half, devNull(t)} {
		if _, err := ReadMemfd(f, 10); err == nil || !strings.Contains(err.Error(), "not sealed") {
			t.Errorf("%s: got %v", f.Name(), err)
		}
	}
}

func TestHelloAcceptsTheSameBuildAndRefusesAnother(t *testing.T) {
	for _, test := range []struct{ keeper, proxy, want string }{
		{"1.0", "1.0", ""},
		{"1.0", "1.1", "start both from one binary"},
	} {
		keeper, proxy := pair(t)
		other := make(chan error, 1)
		go func() { other <- proxy.Hello(t.Context(), test.proxy) }()
		for side, err := range map[string]error{"keeper": keeper.Hello(t.Context(), test.keeper), "proxy": <-other} {
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%s of %s/%s: got %v; want %q", side, test.keeper, test.proxy, err, test.want)
			}
		}
		if err := keeper.Send(TypeQuit, 0, Quit{}); (err != nil) != (test.want != "") {
			t.Errorf("%s/%s: Send after the hello: %v", test.keeper, test.proxy, err)
		}
	}
}

func TestHelloRefusesWhatIsNoHello(t *testing.T) {
	for _, test := range []struct {
		typ  string
		body any
		want string
	}{
		{TypeQuit, Quit{}, `expected a hello, got "quit"`},
		{TypeHello, Hello{Version: Version + 1, Build: "1.0"}, "speaks version"},
		{TypeHello, Hello{Version: Version}, "does not name its build"},
		{TypeHello, 7, "body of hello message"},
	} {
		keeper, proxy := pair(t)
		if err := proxy.Send(test.typ, 0, test.body); err != nil {
			t.Fatal(err)
		}
		if err := keeper.Hello(t.Context(), "1.0"); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v; want %q", err, test.want)
		}
	}
}

func TestHelloEndsWithItsContext(t *testing.T) {
	keeper, _ := pair(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := keeper.Hello(ctx, "1.0"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v; want the context's error", err)
	}
}
