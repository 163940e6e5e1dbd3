package control

import (
	"net"
	"sync"
)

// limitListener accepts at most cap(slots) connections at a time; more wait in
// the kernel's queue. Each connection knows who is at its other end.
type limitListener struct {
	*net.UnixListener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newLimitListener(l *net.UnixListener, limit int) *limitListener {
	return &limitListener{UnixListener: l, slots: make(chan struct{}, limit), closed: make(chan struct{})}
}

// Accept waits for a free slot, then for a connection.
func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.AcceptUnix()
	if err != nil {
		<-l.slots
		return nil, err
	}
	cred, err := peer(conn)
	return &peerConn{UnixConn: conn, uid: cred.Uid, known: err == nil, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

// Close ends Accept too when it waits for a slot.
func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.UnixListener.Close()
}

// peerConn is a connection with the uid of its client.
type peerConn struct {
	*net.UnixConn
	uid     uint32
	known   bool
	release func()
}

// Close gives the slot back.
func (c *peerConn) Close() error {
	defer c.release()
	return c.UnixConn.Close()
}

// allowed says whether the client may call: root, or the user the keeper runs as.
func (c *peerConn) allowed(own int) bool {
	return c.known && (c.uid == 0 || int(c.uid) == own)
}
