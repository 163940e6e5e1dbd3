package netpoll

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"
)

func TestClosedPollerLeavesNoGoroutine(t *testing.T) {
	before := goroutinesHere()
	p, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	fd, a := bindUnix(t, 16)
	served := make(chan struct{})
	l, err := p.Listen(fd, func(c *Conn, _ time.Time) {
		c.WaitReadable(func(c *Conn, _ time.Time) {
			c.Close()
			close(served)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, p, a)
	write(t, c, "x")
	receive(t, served)
	c.Close()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "end of the handler", func() bool { return goroutinesHere() <= before })
}

func TestClosedPollerInterruptsWhatIsLeftOpen(t *testing.T) {
	p, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	fd, a := bindUnix(t, 16)
	c, _ := pair(t, p, fd, a)
	done := readResult(c)
	untilParked(t, &c.read)
	if err := p.Close(); err == nil || !strings.Contains(err.Error(), "1 connections or listeners are still open") {
		t.Errorf("got %v", err)
	}
	if err := receive(t, done); err != ErrInterrupted {
		t.Errorf("pending Read: %v", err)
	}
}

func TestConnCarriesTLS(t *testing.T) {
	p := openPoller(t)
	fd, a := bindTCP(t)
	config := &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}
	listen(t, p, fd, func(c *Conn, _ time.Time) {
		secure := tls.Server(c, config)
		defer secure.Close()
		_, _ = io.Copy(secure, struct{ io.Reader }{secure})
	})
	secure := tls.Client(dial(t, p, a), &tls.Config{InsecureSkipVerify: true})
	defer secure.Close()
	for _, s := range []string{"hello", strings.Repeat("x", 40000)} {
		done := make(chan error, 1)
		go func() {
			_, err := io.WriteString(secure, s)
			done <- err
		}()
		expect(t, secure, s)
		if err := receive(t, done); err != nil {
			t.Fatal(err)
		}
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
