package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startTestApp runs the app until the test has ended.
func startTestApp(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "app.sock")
	a, err := listenApp(path)
	if err != nil {
		t.Fatal(err)
	}
	go a.serve() // ends with the test's process, as it does with the app's
	return path
}

func TestAppAnswersEachPath(t *testing.T) {
	c, err := net.Dial("unix", startTestApp(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(c)
	for _, step := range []struct {
		path   string
		body   int // of the request
		answer int
		closes bool
	}{
		{"/s", 0, smallAnswer, false},
		{"/m", 16384, mediumAnswer, false},
		{"/c", 0, mediumAnswer, false},
		{"/l", 100000, largeAnswer, false},
		{"/s", 3, smallAnswer, false},
		{"/64k", 0, largeAnswer, true},
	} {
		r, _ := http.NewRequest(http.MethodPost, "http://app"+step.path, strings.NewReader(strings.Repeat("y", step.body)))
		if err := r.Write(c); err != nil {
			t.Fatal(err)
		}
		a, err := http.ReadResponse(in, r)
		if err != nil {
			t.Fatalf("%s: %v", step.path, err)
		}
		b, err := io.ReadAll(a.Body)
		if err != nil || len(b) != step.answer || a.Close != step.closes {
			t.Errorf("%s: %d bytes, close %v, %v", step.path, len(b), a.Close, err)
		}
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("after an answer that closes: %v", err)
	}
}
