package supervisor

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exit codes of the shim, as a shell has them.
const (
	exitUsage         = 2
	exitNotExecutable = 126
	exitNotFound      = 127
)

// shimOptions are the flags of `paddock exec`.
type shimOptions struct {
	umask       string // octal; "": as it is
	nofile      uint64 // RLIMIT_NOFILE, soft and hard; 0: as it is
	nice        int    // added to the niceness; 0: as it is
	groups      string // supplementary groups, numbers with commas; with uid
	gid, uid    int    // -1: as they are
	directory   string // "": as it is
	noNewPrivs  bool
	listenFDs   int    // listening sockets from descriptor 3 up
	listenNames string // LISTEN_FDNAMES
	keepFDs     int    // descriptors from 3 up that the program gets
}

// ExecMain is `paddock exec [flags] -- FILE ARG0 [ARG …]`: it makes of itself what
// a program is to be started as, and becomes it. What it does has to happen in the
// child between fork and exec, where Go can run no code; LISTEN_PID above all must
// be the child's own pid. The order is: umask, limits, niceness, groups, gid, uid,
// then the directory (as the user, as Supervisor does), no_new_privs, descriptors.
//
// It returns only when that failed, with one line on descriptor 2: 126 when FILE
// is not executable, 127 for anything else, 2 for wrong arguments.
func ExecMain(args []string) int {
	// Niceness and no_new_privs belong to a thread, and exec keeps the one that calls it.
	runtime.LockOSThread()
	o, argv, err := parseShim(args)
	if err != nil {
		return shimFailed(err, exitUsage)
	}
	if err := o.apply(); err != nil {
		return shimFailed(err, exitNotFound)
	}
	err = syscall.Exec(argv[0], argv[1:], o.environment(os.Environ()))
	code := exitNotFound
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOEXEC) {
		code = exitNotExecutable
	}
	return shimFailed(fmt.Errorf("run %s: %w", argv[0], err), code)
}

func shimFailed(err error, code int) int {
	fmt.Fprintln(os.Stderr, "paddock exec:", err)
	return code
}

func parseShim(args []string) (shimOptions, []string, error) {
	var o shimOptions
	f := flag.NewFlagSet("exec", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.umask, "umask", "", "")
	f.Uint64Var(&o.nofile, "nofile", 0, "")
	f.IntVar(&o.nice, "nice", 0, "")
	f.StringVar(&o.groups, "groups", "", "")
	f.IntVar(&o.gid, "gid", -1, "")
	f.IntVar(&o.uid, "uid", -1, "")
	f.StringVar(&o.directory, "directory", "", "")
	f.BoolVar(&o.noNewPrivs, "no-new-privs", false, "")
	f.IntVar(&o.listenFDs, "listen-fds", 0, "")
	f.StringVar(&o.listenNames, "listen-fdnames", "", "")
	f.IntVar(&o.keepFDs, "keep-fds", 0, "")
	if err := f.Parse(args); err != nil {
		return o, nil, err
	}
	if f.NArg() < 2 {
		return o, nil, errors.New("expected [flags] -- FILE ARG0 [ARG ...]")
	}
	return o, f.Args(), nil
}

// apply does all of it; each error names its step.
func (o shimOptions) apply() error {
	steps := []struct {
		name string
		do   func() error
	}{
		{"set the umask", o.setUmask},
		{"set the limit of open files", o.setNofile},
		{"set the niceness", o.setNice},
		{"become the user", o.setUser},
		{"change to directory " + o.directory, o.setDirectory},
		{"set no_new_privs", o.setNoNewPrivs},
		{"close descriptors", o.closeFDs},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func (o shimOptions) setUmask() error {
	if o.umask == "" {
		return nil
	}
	mask, err := strconv.ParseUint(o.umask, 8, 32)
	if err == nil {
		unix.Umask(int(mask))
	}
	return err
}

// setNofile uses package syscall, which then does not put back at exec the soft
// limit that Go's runtime raised.
func (o shimOptions) setNofile() error {
	if o.nofile == 0 {
		return nil
	}
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: o.nofile, Max: o.nofile})
}

func (o shimOptions) setNice() error {
	if o.nice == 0 {
		return nil
	}
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return err
	}
	return unix.Setpriority(unix.PRIO_PROCESS, 0, 20-raw+o.nice) // the call answers 20 - nice
}

func (o shimOptions) setUser() error {
	if o.uid < 0 {
		return nil
	}
	var groups []int
	for _, g := range strings.FieldsFunc(o.groups, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(g)
		if err != nil {
			return err
		}
		groups = append(groups, n)
	}
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("setgroups: %w", err)
	}
	if o.gid >= 0 {
		if err := syscall.Setgid(o.gid); err != nil {
			return fmt.Errorf("setgid %d: %w", o.gid, err)
		}
	}
	if err := syscall.Setuid(o.uid); err != nil {
		return fmt.Errorf("setuid %d: %w", o.uid, err)
	}
	return nil
}

func (o shimOptions) setDirectory() error {
	if o.directory == "" {
		return nil
	}
	err := os.Chdir(o.directory)
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func (o shimOptions) setNoNewPrivs() error {
	if !o.noNewPrivs {
		return nil
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// closeFDs keeps what is not the program's from it.
func (o shimOptions) closeFDs() error {
	first := uint(3 + max(o.keepFDs, o.listenFDs))
	err := unix.CloseRange(first, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC)
	if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EINVAL) {
		return err
	}
	names, err := os.ReadDir("/proc/self/fd") // Linux before 5.11
	for _, n := range names {
		if fd, err := strconv.Atoi(n.Name()); err == nil && fd >= int(first) {
			unix.CloseOnExec(fd)
		}
	}
	return err
}

// environment announces the listening sockets. Source: sd_listen_fds(3).
func (o shimOptions) environment(env []string) []string {
	env = slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, "LISTEN_") })
	if o.listenFDs == 0 {
		return env
	}
	return append(env, "LISTEN_PID="+strconv.Itoa(os.Getpid()),
		"LISTEN_FDS="+strconv.Itoa(o.listenFDs), "LISTEN_FDNAMES="+o.listenNames)
}
