package supervisor

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// spawn starts a child by way of the shim. Its errors are Supervisor's words.
func (s *System) spawn(spec Spec) (*child, error) {
	acct, err := lookupAccount(spec.User)
	if err != nil {
		return nil, err
	}
	env, err := environment(spec, acct, os.Environ(), s.marker(spec))
	if err != nil {
		return nil, err
	}
	path, err := findCommand(spec.Command.Args[0], env.get("PATH"), spec.Directory)
	if err != nil {
		return nil, err
	}
	var extra []*os.File
	if spec.ExtraFiles != nil {
		if extra, err = spec.ExtraFiles(); err != nil {
			return nil, err
		}
	}
	out, err := openOutput(spec)
	if err != nil {
		return nil, forkError(spec, err)
	}
	argv := append(s.shim(), shimFlags(spec, acct, len(extra))...)
	argv = append(append(argv, "--", path), spec.Command.Args...)
	proc, err := s.fork(argv, env.list(), append(out.childFiles(), extra...))
	out.closeChildFiles()
	if err != nil {
		out.close()
		return nil, forkError(spec, err)
	}
	return s.watch(spec, proc, out), nil
}

// fork starts argv in a process group of its own, so that a terminal's Ctrl-C
// reaches the keeper alone. Never with Pdeathsig: it is bound to the thread that
// forked, which may end at any time.
func (s *System) fork(argv, env []string, files []*os.File) (*os.Process, error) {
	attr := &os.ProcAttr{Env: env, Files: files, Sys: &syscall.SysProcAttr{Setpgid: true}}
	start := func() (*os.Process, error) { return os.StartProcess(argv[0], argv, attr) }
	if s.Reaper == nil {
		return start()
	}
	return s.Reaper.start(start)
}

// shimFlags are the arguments of ExecMain that make the child what the spec says.
func shimFlags(spec Spec, acct account, extra int) []string {
	var flags []string
	add := func(name, val string) { flags = append(flags, "--"+name+"="+val) }
	if spec.Umask != nil {
		add("umask", fmt.Sprintf("%03o", int(*spec.Umask)))
	}
	if acct.change {
		add("groups", strings.Join(acct.groups, ","))
		add("gid", strconv.Itoa(acct.gid))
		add("uid", strconv.Itoa(acct.uid))
	}
	if spec.Directory != "" {
		add("directory", spec.Directory)
	}
	if spec.Kind == KindApp {
		flags = append(flags, "--no-new-privs")
	}
	if spec.ListenFDs > 0 {
		add("listen-fds", strconv.Itoa(spec.ListenFDs))
		add("listen-fdnames", strings.Repeat(":"+spec.Name, spec.ListenFDs)[1:])
	}
	if extra > 0 {
		add("keep-fds", strconv.Itoa(extra))
	}
	return flags
}

// forkError puts a failed fork in Supervisor's words (process.py, spawn).
func forkError(spec Spec, err error) error {
	text := fmt.Sprintf("unknown error during fork for '%s': %v", spec.Name, err)
	switch {
	case errors.Is(err, syscall.EAGAIN):
		text = fmt.Sprintf("Too many processes in process table to spawn '%s'", spec.Name)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		text = fmt.Sprintf("too many open files to spawn '%s'", spec.Name)
	}
	return commandError{text, err}
}
