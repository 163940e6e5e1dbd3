package proxy

import (
	"bufio"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

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
