package keeper

import (
	"os"
	"syscall"
	"testing"

	"paddock/supervisor"
)

func TestTheEndOfTheTerminalStopsASessionAndReloadsADaemon(t *testing.T) {
	session := &Session{}
	for _, c := range []struct {
		session   *Session
		got, want os.Signal
	}{
		{session, syscall.SIGHUP, syscall.SIGTERM},
		{session, syscall.SIGUSR1, syscall.SIGUSR1},
		{session, syscall.SIGINT, syscall.SIGINT},
		{nil, syscall.SIGHUP, syscall.SIGHUP},
	} {
		if got := c.session.meaning(c.got); got != c.want {
			t.Errorf("session %v: %v means %v, want %v", c.session != nil, c.got, got, c.want)
		}
	}
}

func TestASessionTellsOfAppsAndTheKeeperOfTheProxy(t *testing.T) {
	var told []supervisor.Kind
	s := &Session{Event: func(e supervisor.Event) { told = append(told, e.Kind) }}
	if !s.tells(supervisor.Event{Kind: supervisor.KindApp}) || s.tells(supervisor.Event{Kind: supervisor.KindProxy}) || len(told) != 2 {
		t.Errorf("told of %v", told)
	}
	var daemon *Session
	if daemon.tells(supervisor.Event{Kind: supervisor.KindApp}) {
		t.Error("a daemon has no session to tell")
	}
}
