package proxy

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// ttlWatch reads the TTLs of the answers that pass through the connections it makes.
type ttlWatch struct {
	mu     sync.Mutex // one look-up asks for IPv4 and IPv6 at once
	lowest uint32     // in seconds
	found  bool
}

// ttl is the shortest one, or that of /etc/hosts when no answer came from a name server.
func (w *ttlWatch) ttl() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.found {
		return hostsTTL
	}
	return time.Duration(w.lowest) * time.Second
}

func (w *ttlWatch) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if udp, ok := c.(*net.UDPConn); ok {
		return &watchedUDP{udp, w}, nil
	}
	return &watchedStream{Conn: c, watch: w}, nil
}

// watchedUDP stays a net.PacketConn, by which Go's resolver tells datagrams from a
// stream.
type watchedUDP struct {
	*net.UDPConn
	watch *ttlWatch
}

func (c *watchedUDP) Read(p []byte) (int, error) {
	n, err := c.UDPConn.Read(p)
	c.watch.read(p[:n])
	return n, err
}

// watchedStream gathers a message with its length in front (RFC 1035 4.2.2).
type watchedStream struct {
	net.Conn
	watch *ttlWatch
	text  []byte
}

func (c *watchedStream) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.text = append(c.text, p[:n]...); len(c.text) >= 2 {
		if end := 2 + int(binary.BigEndian.Uint16(c.text)); len(c.text) >= end {
			c.watch.read(c.text[2:end])
			c.text = c.text[end:]
		}
	}
	return n, err
}

// read takes the TTLs of one message. What is no message is the resolver's to refuse.
func (w *ttlWatch) read(msg []byte) {
	var p dnsmessage.Parser
	if h, err := p.Start(msg); err != nil || !h.Response || p.SkipAllQuestions() != nil {
		return
	}
	for {
		h, err := p.AnswerHeader()
		if err != nil || p.SkipAnswer() != nil {
			return
		}
		w.note(h.TTL)
	}
}

func (w *ttlWatch) note(ttl uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.found || ttl < w.lowest {
		w.lowest, w.found = ttl, true
	}
}
