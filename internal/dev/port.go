package dev

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"golang.org/x/sys/unix"
)

// DefaultPort is where an app is served when nothing else is asked for; the next
// portTries are tried when it is taken.
const (
	DefaultPort = 8000
	portTries   = 100
)

// choosePort returns a port that is free on localhost, and the addresses to listen
// on: a browser may take localhost for either of 127.0.0.1 and ::1. asked 0 is
// DefaultPort or the next one that is free.
func choosePort(asked int) (port int, addresses []string, err error) {
	if asked != 0 {
		addresses, err = localAddresses(asked)
		if errors.Is(err, unix.EADDRINUSE) {
			err = fmt.Errorf("port %d is taken by another program; choose another with --port, or none for the next free one", asked)
		}
		return asked, addresses, err
	}
	for port = DefaultPort; port < DefaultPort+portTries; port++ {
		if addresses, err = localAddresses(port); err == nil {
			return port, addresses, nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return 0, nil, err
		}
	}
	return 0, nil, fmt.Errorf("ports %d to %d are taken; choose one with --port", DefaultPort, DefaultPort+portTries-1)
}

// localAddresses returns the addresses of localhost that can be listened on.
func localAddresses(port int) ([]string, error) {
	var all []string
	for _, host := range []string{"127.0.0.1", "::1"} {
		at := net.JoinHostPort(host, strconv.Itoa(port))
		l, err := net.Listen("tcp", at)
		if err != nil && host == "::1" && !errors.Is(err, unix.EADDRINUSE) {
			continue // a machine without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", at, err)
		}
		l.Close()
		all = append(all, at)
	}
	return all, nil
}
