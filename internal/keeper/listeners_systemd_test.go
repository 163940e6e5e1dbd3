package keeper

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"
)

// firstTestFD is far above what the test itself has open.
const firstTestFD = 300

// pass puts sockets at consecutive descriptors, blocking and inherited, as systemd does.
func pass(t *testing.T, files ...interface{ File() (*os.File, error) }) {
	t.Helper()
	for i, l := range files {
		f, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := unix.Dup2(int(f.Fd()), firstTestFD+i); err != nil {
			t.Fatal(err)
		}
	}
}

func tcpListener(t *testing.T, network, address string) *net.TCPListener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

func TestPassedSocketsAreClaimedByAddressAndOthersClosed(t *testing.T) {
	wanted, unwanted := tcpListener(t, "tcp4", "127.0.0.1:0"), tcpListener(t, "tcp4", "127.0.0.1:0")
	datagram, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer datagram.Close()
	pass(t, unwanted, datagram, wanted)
	before := openFiles(t)
	core, logs := observer.New(zap.WarnLevel)
	handed := takePassed(zap.New(core), firstTestFD, 3)
	if len(handed) != 2 || logs.FilterMessageSnippet("cannot be used").Len() != 1 {
		t.Fatalf("%d sockets, warnings %v", len(handed), logs.All())
	}
	for _, l := range handed {
		if nonblock, closeOnExec := flags(t, l); !nonblock || !closeOnExec {
			t.Errorf("%s: non-blocking %v, close-on-exec %v", l.name, nonblock, closeOnExec)
		}
	}
	s := newListenerSet(zap.New(core), handed)
	defer s.close()
	p := prepare(t, s, wanted.Addr().String())
	p.rollback()
	if got := openFiles(t); got != before-1 {
		t.Errorf("a rollback closed a passed socket: %d descriptors, %d before", got, before)
	}
	prepare(t, s, wanted.Addr().String()).commit()
	if got := names(s.all()); got != wanted.Addr().String() {
		t.Errorf("open: %s", got)
	}
	if got := openFiles(t); got != before-2 {
		t.Errorf("%d descriptors; want %d, one passed socket", got, before-2)
	}
	if closed := logs.FilterMessageSnippet("in no server's listen").All(); len(closed) != 1 || closed[0].ContextMap()["listen"] != unwanted.Addr().String() {
		t.Errorf("warnings: %v", logs.All())
	}
}

func TestDualStackSocketOfSystemdServesAPlainPort(t *testing.T) {
	dual := tcpListener(t, "tcp", ":0")
	port := strconv.Itoa(dual.Addr().(*net.TCPAddr).Port)
	for _, test := range []struct {
		want  []string
		added int
	}{
		{[]string{port}, 0},
		{[]string{":" + port}, 0},
		{[]string{"[::]:" + port}, 0},
	} {
		pass(t, dual)
		handed := takePassed(zap.NewNop(), firstTestFD, 1)
		if len(handed) != 1 || handed[0].name != ":"+port {
			t.Skipf("no dual-stack sockets on this machine: %v", handed)
		}
		s := newListenerSet(zap.NewNop(), handed)
		p := prepare(t, s, test.want...)
		if len(p.added) != test.added {
			t.Errorf("%v: %d sockets were opened", test.want, len(p.added))
		}
		p.commit()
		if got := names(s.all()); got != listen(t, test.want[0]).Key() {
			t.Errorf("%v: named %s", test.want, got)
		}
		s.close()
	}
	pass(t, dual)
	s := newListenerSet(zap.NewNop(), takePassed(zap.NewNop(), firstTestFD, 1))
	defer s.close()
	if _, err := s.prepare(wants(t, port, "[::]:"+port)); err == nil || !strings.Contains(err.Error(), "one systemd socket") {
		t.Errorf("one socket for two addresses: got %v", err)
	}
}

func TestSystemdVariablesAreForThisProcessOnlyAndUnset(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	for _, test := range []struct{ pid, count, err string }{
		{own, "0", ""},
		{own, "x", "expected a number"},
		{own, "-1", "expected a number"},
		{"1", "5", ""},
		{"", "", ""},
	} {
		t.Setenv("LISTEN_PID", test.pid)
		t.Setenv("LISTEN_FDS", test.count)
		t.Setenv("LISTEN_FDNAMES", "a:b")
		got, err := systemdSockets(zap.NewNop())
		if len(got) != 0 || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%+v: got %d sockets, %v", test, len(got), err)
		}
		for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
			if _, set := os.LookupEnv(name); set {
				t.Errorf("%+v: %s is still set", test, name)
			}
		}
	}
}
