package main

import (
	"fmt"
	"syscall"
)

// descriptors is how many open files the idle connections need in each process, on both sides.
const descriptors = 20000

// raiseLimit raises the limit of open files for this process and those it starts. By
// syscall.Setrlimit: os/exec would undo what the runtime has raised by itself.
func raiseLimit() error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	l.Cur, l.Max = descriptors, max(l.Max, descriptors)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("limit of open files: %w (it has to be %d: ulimit -Hn)", err, descriptors)
	}
	return nil
}
