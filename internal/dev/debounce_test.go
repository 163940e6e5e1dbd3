package dev

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// debounced runs debounce beside f and returns when each list came, and the lists.
func debounced(t *testing.T, f func(send func(string))) (at []time.Duration, lists [][]string) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		in, out := make(chan string), make(chan []string)
		began := time.Now()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			debounce(ctx, in, out)
		}()
		received := make(chan struct{})
		go func() {
			defer close(received)
			for {
				select {
				case list := <-out:
					at, lists = append(at, time.Since(began)), append(lists, list)
				case <-ended:
					return
				}
			}
		}()
		f(func(path string) { in <- path })
		time.Sleep(10 * time.Second) // of the bubble's clock
		cancel()
		<-received
	})
	return at, lists
}

func TestChangesInARowAreOneRestart(t *testing.T) {
	at, lists := debounced(t, func(send func(string)) {
		for _, path := range []string{"a.py", "b.py", "a.py"} {
			send(path)
			time.Sleep(100 * time.Millisecond)
		}
	})
	if len(lists) != 1 || !slices.Equal(lists[0], []string{"a.py", "b.py"}) || at[0] != 400*time.Millisecond {
		t.Errorf("got %v at %v; want a.py and b.py 200ms after the last", lists, at)
	}
}

func TestAChangeAfterQuietIsARestartOfItsOwn(t *testing.T) {
	_, lists := debounced(t, func(send func(string)) {
		send("a.py")
		time.Sleep(quietTime + time.Millisecond)
		send("b.py")
	})
	if len(lists) != 2 || lists[0][0] != "a.py" || lists[1][0] != "b.py" {
		t.Errorf("got %v", lists)
	}
}

func TestChangesWithoutEndAreNotWaitedForForEver(t *testing.T) {
	at, lists := debounced(t, func(send func(string)) {
		for i := range 50 {
			send(fmt.Sprint(i, ".py"))
			time.Sleep(100 * time.Millisecond)
		}
	})
	if len(lists) < 2 || at[0] > longestWait+quietTime {
		t.Errorf("%d lists, the first after %v", len(lists), at)
	}
}

func TestDebounceEndsWithItsSource(t *testing.T) {
	in := make(chan string)
	close(in)
	debounce(context.Background(), in, nil)
}
