package keeper

import (
	"bufio"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"paddock/internal/value"
)

func listen(t *testing.T, text string) value.Listen {
	t.Helper()
	var l value.Listen
	if err := l.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return l
}

// freePort returns a port of 127.0.0.1 that nobody had a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func mustOpen(t *testing.T, text string) *listener {
	t.Helper()
	l, err := openListener(listen(t, text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

func option(t *testing.T, l *listener, level, name int) int {
	t.Helper()
	n, err := unix.GetsockoptInt(int(l.file.Fd()), level, name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func flags(t *testing.T, l *listener) (nonblock, closeOnExec bool) {
	t.Helper()
	status, err := unix.FcntlInt(l.file.Fd(), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	descriptor, err := unix.FcntlInt(l.file.Fd(), unix.F_GETFD, 0)
	if err != nil {
		t.Fatal(err)
	}
	return status&unix.O_NONBLOCK != 0, descriptor&unix.FD_CLOEXEC != 0
}

// polled reports whether some epoll instance of this process watches the socket.
func polled(t *testing.T, l *listener) bool {
	t.Helper()
	links, _ := filepath.Glob("/proc/self/fdinfo/*")
	for _, path := range links {
		text, _ := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) > 1 && f[0] == "tfd:" && f[1] == strconv.Itoa(int(l.file.Fd())) {
				return true
			}
		}
	}
	return false
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestListenerHasItsOptions(t *testing.T) {
	for _, test := range []struct {
		text   string
		v6only int // -1: IPv4
	}{
		{"127.0.0.1:" + freePort(t), -1},
		{"[::1]:" + freePort(t), 1},
		{":" + freePort(t), 0},
	} {
		t.Run(test.text, func(t *testing.T) {
			if test.v6only >= 0 && !hasIPv6() {
				t.Skip("no IPv6 on this machine")
			}
			l := mustOpen(t, test.text)
			if l.name != test.text {
				t.Errorf("name is %q", l.name)
			}
			if nonblock, closeOnExec := flags(t, l); !nonblock || !closeOnExec {
				t.Errorf("non-blocking %v, close-on-exec %v; want both", nonblock, closeOnExec)
			}
			if polled(t, l) {
				t.Error("the socket is in Go's poller")
			}
			if option(t, l, unix.SOL_SOCKET, unix.SO_REUSEADDR) != 1 || option(t, l, unix.SOL_SOCKET, unix.SO_ACCEPTCONN) != 1 ||
				option(t, l, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT) != deferAccept {
				t.Error("SO_REUSEADDR, TCP_DEFER_ACCEPT or listen is missing")
			}
			if test.v6only >= 0 && option(t, l, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY) != test.v6only {
				t.Errorf("IPV6_V6ONLY is not %d", test.v6only)
			}
		})
	}
}

func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func TestTakenPortNamesItsHolder(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	for _, text := range []string{"127.0.0.1:" + port, port} {
		before := openFiles(t)
		_, err := openListener(listen(t, text))
		var inUse *addressInUse
		if !errors.As(err, &inUse) || inUse.by.pid != os.Getpid() || !strings.HasPrefix(err.Error(), "listen "+listen(t, text).Key()+": the address is in use by") {
			t.Errorf("%s: got %v; want this process named", text, err)
		}
		if after := openFiles(t); after != before {
			t.Errorf("%d descriptors open, %d before", after, before)
		}
	}
}

func TestBindErrorsSayWhatToDo(t *testing.T) {
	for _, test := range []struct {
		listen string
		err    error
		want   string
	}{
		{"80", unix.EACCES, "a port below 1024 needs root or CAP_NET_BIND_SERVICE"},
		{"8080", unix.EACCES, "permission denied"},
		{"192.0.2.1:80", unix.EADDRNOTAVAIL, "no network interface of this machine has the address 192.0.2.1"},
	} {
		if got := explainBind(listen(t, test.listen), test.err).Error(); !strings.Contains(got, test.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: got %q; want %q", test.listen, got, test.want)
		}
	}
	for by, want := range map[holder]string{
		{}:                         "in use by another process",
		{pid: 1}:                   "in use by pid 1",
		{pid: 1, command: "nginx"}: "in use by nginx (pid 1)",
		{pid: os.Getpid()}:         "in use by paddock itself",
	} {
		if got := (&addressInUse{by}).Error(); !strings.Contains(got, want) {
			t.Errorf("got %q; want %q", got, want)
		}
	}
	if _, err := openListener(listen(t, "192.0.2.1:"+freePort(t))); err == nil || !strings.Contains(err.Error(), "no network interface") {
		t.Errorf("a foreign address: got %v", err)
	}
}

func TestHolderIsFoundInTheTableOfTheKernel(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1 0 100 0 0 10 0
   1: 0100007F:1F91 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 22 1 0 100 0 0 10 0
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 33 1 0 100 0 0 10 0
   3: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 44 1
   4: 00000000000000000000000001000000:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 55 1
   5: garbage
`
	for listenText, want := range map[string]string{
		"127.0.0.1:8080": "11",
		"8080":           "11",
		":8080":          "11",
		"127.0.0.2:8080": "",
		"127.0.0.1:8081": "", // a connection, not a listener
		"10.0.0.1:80":    "33",
		"[::1]:80":       "",
		"443":            "44", // a dual-stack socket
		"[::1]:81":       "55",
		"[::2]:81":       "",
		"81":             "",
	} {
		l := listen(t, listenText)
		if got := conflicting(bufio.NewScanner(strings.NewReader(table)), l.Addr, l.Both); got != want {
			t.Errorf("%s: got inode %q; want %q", listenText, got, want)
		}
	}
	if a, ok := parseProcAddress("0100007F:1F90"); !ok || a != netip.MustParseAddrPort("127.0.0.1:8080") {
		t.Errorf("got %v", a)
	}
}

func TestUnixListenerIsOpenToAllAndRemovedAtTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := openListener(listen(t, "unix:"+path))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("mode is %v, %v; want 0666", info.Mode(), err)
	}
	if nonblock, closeOnExec := flags(t, l); !nonblock || !closeOnExec || polled(t, l) {
		t.Errorf("non-blocking %v, close-on-exec %v, polled %v", nonblock, closeOnExec, polled(t, l))
	}
	if conn, err := net.Dial("unix", path); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
	l.close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestUnixListenerReplacesOnlyWhatIsDead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	old := mustOpen(t, "unix:"+path)
	_, err := openListener(listen(t, "unix:"+path))
	var inUse *addressInUse
	if !errors.As(err, &inUse) || inUse.by.pid != os.Getpid() {
		t.Errorf("a living socket: got %v; want this process named", err)
	}
	old.path = "" // as if it had been killed
	old.close()
	next := mustOpen(t, "unix:"+path)
	gone := &listener{file: os.NewFile(uintptr(must(unix.Dup(int(next.file.Fd())))), ""), path: path, inode: fileID{1, 1}}
	gone.close() // of an earlier file at the same path
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the socket of another was removed: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		file:                               "is no socket",
		filepath.Join(dir, "none", "s"):    "the folder of the socket does not exist",
		"/tmp/" + strings.Repeat("x", 150): "the path has 155 bytes; expected at most 107",
	} {
		if _, err := openListener(listen(t, "unix:"+path)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %q", path, err, want)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func wants(t *testing.T, texts ...string) []value.Listen {
	t.Helper()
	out := make([]value.Listen, len(texts))
	for i, text := range texts {
		out[i] = listen(t, text)
	}
	return out
}

func prepare(t *testing.T, s *listenerSet, texts ...string) *preparedListeners {
	t.Helper()
	p, err := s.prepare(wants(t, texts...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func names(list []socket) string {
	var out []string
	for _, s := range list {
		out = append(out, s.name)
	}
	return strings.Join(out, " ")
}

func newSet(t *testing.T, handed ...*listener) *listenerSet {
	t.Helper()
	s := newListenerSet(zap.NewNop(), handed)
	t.Cleanup(s.close)
	return s
}

func TestReloadOpensOnlyWhatIsNewAndClosesWhatIsGone(t *testing.T) {
	a, b, c := "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
	s := newSet(t)
	prepare(t, s, a, b, a+" default_server").commit()
	if got := names(s.all()); got != a+" "+b {
		t.Fatalf("open: %s", got)
	}
	kept := s.all()[1].file
	before := openFiles(t)
	p := prepare(t, s, c, b+" backlog=7")
	if got := names(p.all()); got != c+" "+b || p.all()[1].file != kept {
		t.Errorf("prepared: %s", got)
	}
	if len(p.added) != 1 || len(p.removed) != 1 || p.removed[0].name != a {
		t.Errorf("added %d, removed %d", len(p.added), len(p.removed))
	}
	p.commit()
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
	if conn, err := net.Dial("tcp", a); err == nil {
		conn.Close()
		t.Errorf("%s still answers", a)
	}
	if s.open[1].backlog != 7 {
		t.Errorf("backlog is %d", s.open[1].backlog)
	}
}

func TestTakenPortRefusesTheWholeReload(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	a, b := "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t)
	s := newSet(t)
	prepare(t, s, a).commit()
	before := openFiles(t)
	_, err = s.prepare(wants(t, b, taken.Addr().String(), "192.0.2.1:1234"))
	if err == nil || !strings.Contains(err.Error(), taken.Addr().String()) || !strings.Contains(err.Error(), "192.0.2.1:1234") {
		t.Errorf("got %v; want both that fail", err)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
	if got := names(s.all()); got != a {
		t.Errorf("open: %s; want %s", got, a)
	}
	p := prepare(t, s, b)
	p.rollback()
	if after := openFiles(t); after != before || names(s.all()) != a {
		t.Errorf("after a rollback: %d descriptors, %d before; open %s", after, before, names(s.all()))
	}
}

func TestStateOfTheSocketsBringsThemBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	a, b := "127.0.0.1:"+freePort(t), "unix:"+path
	s := newSet(t)
	prepare(t, s, a, b).commit()
	state := s.state()
	for i := range state {
		state[i].FD = must(unix.Dup(state[i].FD)) // as the next program image has them
	}
	handed, err := listenersFromState(state)
	if err != nil {
		t.Fatal(err)
	}
	next := newSet(t, handed...)
	p := prepare(t, next, a, b)
	if len(p.added) != 0 {
		t.Errorf("%d sockets were opened", len(p.added))
	}
	p.commit()
	s.open[1].path = "" // the old image is gone, it removes nothing
	s.close()
	for _, address := range []string{a, path} {
		network := map[bool]string{true: "unix", false: "tcp"}[address == path]
		conn, err := net.Dial(network, address)
		if err != nil {
			t.Error(err)
			continue
		}
		conn.Close()
	}
	next.close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	if _, err := listenersFromState([]listenerState{{Name: "x", FD: 0}}); err == nil {
		t.Error("standard input was taken for a socket")
	}
}
