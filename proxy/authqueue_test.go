package proxy

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tg123/go-htpasswd"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// occupied takes every place to hash in, until free is called.
func (u *users) occupied() (free func()) {
	for range cap(u.hashing) {
		u.hashing <- struct{}{}
	}
	return func() {
		for range cap(u.hashing) {
			<-u.hashing
		}
	}
}

func TestPasswordsWaitInABoundedQueue(t *testing.T) {
	const path = "/users"
	r := newRig(t, func(c *Config) {
		c.UserFiles = map[string]string{path: "ann:{PLAIN}known\nbob:{PLAIN}new\n"}
		c.Servers[0].AuthBasic, c.Servers[0].AuthBasicUserFile = "realm", path
	})
	core, logs := observer.New(zap.WarnLevel)
	r.proxy.logger = zap.New(core)
	r.publish()
	r.backend(1, echo)
	r.ready(1, 0)
	u := r.proxy.snap.Load().users[path]
	ask := func(field string) net.Conn {
		c := r.dial()
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nAuthorization: Basic %s\r\n\r\n", field)
		return c
	}
	status := func(c net.Conn) int {
		defer c.Close()
		status, _ := readAnswer(t, bufio.NewReader(c), "GET")
		return status
	}
	const ann, bob = "YW5uOmtub3du", "Ym9iOm5ldw=="
	if got := status(ask(ann)); got != 200 {
		t.Fatalf("got %d", got)
	}
	free := u.occupied()
	waiting := make([]net.Conn, maxHashQueue)
	for i := range waiting {
		waiting[i] = ask(bob)
	}
	queued := func(n int64) func(Stats) bool { return func(Stats) bool { return u.waiting.Load() == n } }
	r.waitFor("all wait", queued(maxHashQueue))
	if got := status(ask(bob)); got != 503 {
		t.Errorf("one more got %d, want 503", got)
	}
	if n := logs.FilterMessage("a password was not checked").FilterField(zap.String("client", "127.0.0.1")).Len(); n != 1 {
		t.Errorf("%d lines in the log", n)
	}
	if got := status(ask(ann)); got != 200 {
		t.Errorf("a password that was right before got %d, want 200", got)
	}
	waiting[0].Close()
	r.waitFor("who left waits no more", queued(maxHashQueue-1))
	free()
	for i, c := range waiting[1:] {
		if got := status(c); got != 200 {
			t.Fatalf("waiting client %d got %d", i, got)
		}
	}
	r.waitFor("nobody waits", queued(0))
}

func TestPasswordWaitsForALimitedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, err := newUsers("ann:{PLAIN}x\n")
		must(t, err)
		u.hashing = make(chan struct{}, 1) // one of the bubble
		free := u.occupied()
		begun := time.Now()
		_, err = u.match("ann", "x", func() bool { return false })
		if took := time.Since(begun); err != errHashQueueTimeout || took != maxHashWait || u.waiting.Load() != 0 {
			t.Errorf("after %v: %v", took, err)
		}
		free()
		if right, err := u.match("ann", "x", func() bool { return false }); !right || err != nil {
			t.Errorf("got %t, %v", right, err)
		}
	})
}

// countedHash is a password's that counts how often one is compared with it.
type countedHash struct {
	password string
	hashed   atomic.Int64
}

func (h *countedHash) MatchesPassword(password string) bool {
	h.hashed.Add(1)
	return password == h.password
}

// A client with many connections and one password comes with all of them at once.
func TestOneOfManyEqualPasswordsIsHashed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, err := newUsers("")
		must(t, err)
		hash := &countedHash{password: "right"}
		accept := func(string) (htpasswd.EncodedPasswd, error) { return hash, nil }
		u.file, err = htpasswd.NewFromReader(strings.NewReader("ann:x\n"), []htpasswd.PasswdParser{accept}, nil)
		must(t, err)
		u.passwords = newPasswords(make(chan struct{}, 1)) // of the bubble
		free := u.occupied()
		var right atomic.Int64
		const clients = maxHashQueue - 1
		for range clients {
			go func() {
				if u.lets("ann", "right") {
					right.Add(1)
				}
			}()
		}
		wrong := make(chan bool)
		go func() { wrong <- u.lets("ann", "wrong") }()
		synctest.Wait()
		if n := u.waiting.Load(); n != clients+1 {
			t.Fatalf("%d wait", n)
		}
		free()
		if <-wrong {
			t.Error("a wrong password was let in")
		}
		synctest.Wait()
		if right.Load() != clients || hash.hashed.Load() != 2 || len(u.hashing) != 0 || u.waiting.Load() != 0 {
			t.Errorf("%d were right, %d hashed, %d places taken, %d wait", right.Load(), hash.hashed.Load(), len(u.hashing), u.waiting.Load())
		}
	})
}

// Who waits for a place that another password holds does not wait on for what has become
// known meanwhile.
func TestPasswordThatBecomesKnownWaitsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, err := newUsers("ann:{PLAIN}x\n")
		must(t, err)
		u.hashing = make(chan struct{}, 1)
		defer u.occupied()()
		right := make(chan bool)
		go func() { right <- u.lets("ann", "x") }()
		synctest.Wait()
		begun := time.Now()
		u.learn(sha256.Sum256([]byte("ann\x00x")))
		if !<-right || time.Since(begun) != 0 {
			t.Errorf("it waited for %v", time.Since(begun))
		}
	})
}

// After a reload all users would wait to be hashed at once.
func TestReloadKeepsWhatIsKnownOfAFileThatIsTheSame(t *testing.T) {
	const path, other = "/users", "/others"
	r := newRig(t, func(c *Config) {
		c.UserFiles = map[string]string{path: "ann:{PLAIN}x\n", other: "bob:{PLAIN}x\n"}
		c.Servers[0].AuthBasic, c.Servers[0].AuthBasicUserFile = "realm", path
		c.Servers[0].Location = []Location{{Path: "/other/", ProxyPass: "http://web", Settings: Settings{AuthBasicUserFile: other}}}
	})
	at := func(path string) *users { return r.proxy.snap.Load().users[path] }
	if !at(path).lets("ann", "x") || !at(other).lets("bob", "x") {
		t.Fatal("a right password was wrong")
	}
	r.cfg.UserFiles = map[string]string{path: "ann:{PLAIN}x\n", other: "bob:{PLAIN}y\n"}
	must(t, r.configure())
	free := at(path).occupied()
	if !at(path).lets("ann", "x") {
		t.Error("a password is not known any more")
	}
	free()
	if at(other).lets("bob", "x") || !at(other).lets("bob", "y") {
		t.Error("the password of a file that has changed was remembered")
	}
}

func TestAllFilesShareThePlacesToHashIn(t *testing.T) {
	const path, other = "/users", "/others"
	r := newRig(t, func(c *Config) {
		c.UserFiles = map[string]string{path: "ann:{PLAIN}x\n", other: "bob:{PLAIN}x\n"}
		c.Servers[0].AuthBasic, c.Servers[0].AuthBasicUserFile = "realm", path
		c.Servers[0].Location = []Location{{Path: "/other/", ProxyPass: "http://web", Settings: Settings{AuthBasicUserFile: other}}}
	})
	at := func(path string) *users { return r.proxy.snap.Load().users[path] }
	impatient := func() bool { return true }
	for _, text := range []string{"bob:{PLAIN}x\n", "bob:{PLAIN}y\n"} { // of a file that a reload changes, too
		r.cfg.UserFiles = map[string]string{path: "ann:{PLAIN}x\n", other: text}
		must(t, r.configure())
		free := at(path).occupied()
		if right, err := at(other).match("bob", text[len("bob:{PLAIN}"):len(text)-1], impatient); right || err != errClientGone {
			t.Errorf("beside another file's: %t, %v", right, err)
		}
		free()
	}
}
