package keeper

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"paddock/internal/value"
)

// listenerSet is the listening sockets of the running configuration. It belongs to
// one goroutine.
type listenerSet struct {
	log   *zap.Logger
	open  []*listener
	spare []*listener // handed over by systemd or by a State, not claimed yet
}

// listenerState is a listening socket in the State of a keeper that is replaced.
type listenerState struct {
	Name    string
	FD      int
	Backlog int
	Path    string
	Inode   fileID
}

// newListenerSet starts with sockets that are open already; the first configuration
// claims those it wants, and the others are closed.
func newListenerSet(log *zap.Logger, handed []*listener) *listenerSet {
	return &listenerSet{log: log, spare: handed}
}

// preparedListeners are the sockets of the next configuration. Either commit or
// rollback ends the change.
type preparedListeners struct {
	set     *listenerSet
	want    []value.Listen // without doubles, in the order of next
	next    []*listener
	added   []*listener // opened here
	claimed []*listener // of the set's spare ones
	removed []*listener // of the set's open ones
}

// prepare opens what is new and touches nothing that is open. All that fails is
// reported at once, and then nothing stays open.
func (s *listenerSet) prepare(want []value.Listen) (*preparedListeners, error) {
	c := &preparedListeners{set: s}
	var failed []error
	for _, w := range want {
		if slices.ContainsFunc(c.want, func(have value.Listen) bool { return have.Key() == w.Key() }) {
			continue
		}
		l, err := c.find(w, want)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		c.want = append(c.want, w)
		c.next = append(c.next, l)
	}
	if len(failed) > 0 {
		c.rollback()
		return nil, errors.Join(failed...)
	}
	for _, l := range s.open {
		if !slices.Contains(c.next, l) {
			c.removed = append(c.removed, l)
		}
	}
	return c, nil
}

// find returns the socket for w: an open one, a spare one, or a new one.
func (c *preparedListeners) find(w value.Listen, all []value.Listen) (*listener, error) {
	if l := named(c.set.open, w.Key()); l != nil {
		return l, nil
	}
	for _, name := range acceptable(w, all) {
		if l := named(c.set.spare, name); l != nil && !slices.Contains(c.claimed, l) {
			c.claimed = append(c.claimed, l)
			return l, nil
		}
	}
	l, err := openListener(w)
	if err == nil {
		c.added = append(c.added, l)
	}
	return l, err
}

// acceptable are the names of handed-over sockets that serve w. systemd's
// ListenStream=80 is one socket for IPv4 and IPv6; it serves "80" or "[::]:80" too,
// unless the configuration wants both apart.
func acceptable(w value.Listen, all []value.Listen) []string {
	names := []string{w.Key()}
	if !w.Both && w.Unix == "" && w.Addr.Addr().IsUnspecified() {
		dual := value.Listen{Addr: w.Addr, Both: true}.Key()
		if !slices.ContainsFunc(all, func(o value.Listen) bool { return o.Key() == dual }) {
			names = append(names, dual)
		}
	}
	return names
}

func named(list []*listener, name string) *listener {
	for _, l := range list {
		if l.name == name {
			return l
		}
	}
	return nil
}

// commit makes the change hold: what is removed is closed, and so is what was handed
// over and is not wanted, with a warning.
func (c *preparedListeners) commit() {
	s := c.set
	for i, l := range c.next {
		l.name = c.want[i].Key() // a claimed one may have had the name of a wider address
		if err := l.setBacklog(c.want[i].Backlog); err != nil {
			s.log.Warn("the length of the queue stays as it was", zap.Error(err))
		}
	}
	closeListeners(c.removed)
	for _, l := range s.spare {
		if !slices.Contains(c.claimed, l) {
			s.log.Warn("a socket that was handed over is in no server's listen; it is closed", zap.String("listen", l.name))
			l.close()
		}
	}
	s.open, s.spare = c.next, nil
}

// rollback closes what was opened for nothing.
func (c *preparedListeners) rollback() { closeListeners(c.added) }

// all returns the sockets after the change, in the order of the configuration. The
// files stay the set's.
func (c *preparedListeners) all() []socket {
	out := make([]socket, len(c.next))
	for i, l := range c.next {
		out[i] = socket{name: c.want[i].Key(), file: l.file}
	}
	return out
}

// all returns the open sockets. The files stay the set's.
func (s *listenerSet) all() []socket {
	out := make([]socket, len(s.open))
	for i, l := range s.open {
		out[i] = socket{name: l.name, file: l.file}
	}
	return out
}

// close closes every socket and removes the files of unix sockets.
func (s *listenerSet) close() {
	closeListeners(s.open)
	closeListeners(s.spare)
	s.open, s.spare = nil, nil
}

// state describes the open sockets. The descriptors stay close-on-exec.
func (s *listenerSet) state() []listenerState {
	out := make([]listenerState, len(s.open))
	for i, l := range s.open {
		out[i] = listenerState{Name: l.name, FD: int(l.file.Fd()), Backlog: l.backlog, Path: l.path, Inode: l.inode}
	}
	return out
}

// listenersFromState takes the sockets of a State over. The proxy is accepting on
// them, so they cannot be made blocking for a moment as holdSocket does: Go's poller
// knows them, at some cost for each connection.
func listenersFromState(list []listenerState) ([]*listener, error) {
	out := make([]*listener, 0, len(list))
	for _, s := range list {
		if on, err := unix.GetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || on != 1 {
			return nil, fmt.Errorf("state: descriptor %d of %s is no listening socket", s.FD, s.Name)
		}
		unix.CloseOnExec(s.FD)
		file := os.NewFile(uintptr(s.FD), s.Name)
		out = append(out, &listener{name: s.Name, file: file, backlog: s.Backlog, path: s.Path, inode: s.Inode})
	}
	return out, nil
}

func closeListeners(list []*listener) {
	for _, l := range list {
		l.close()
	}
}
