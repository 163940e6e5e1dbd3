package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// readEnviron reads the environment that a process was started with.
func readEnviron(pid int) ([]byte, error) {
	path := fmt.Sprintf("/proc/%d/environ", pid)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrPermission) && os.Geteuid() == 0 {
		return readAsOwner(path)
	}
	return text, err
}

// readAsOwner reads a file of /proc as the user of the process. The service unit
// leaves root no CAP_SYS_PTRACE, without which it may not look into processes of
// others; their own user may, and CAP_SETUID lets a thread be that user for its
// look at files (ptrace(2), PTRACE_MODE_READ_FSCREDS; setfsuid(2)).
func readAsOwner(path string) ([]byte, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, err
	}
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and its identity with it.
		runtime.LockOSThread()
		text, err := readWithIdentity(path, int(st.Uid), int(st.Gid))
		done <- result{text, err}
	}()
	r := <-done
	return r.text, r.err
}

// readWithIdentity changes the calling thread for good.
func readWithIdentity(path string, uid, gid int) ([]byte, error) {
	if err := unix.Setfsgid(gid); err != nil {
		return nil, err
	}
	if err := unix.Setfsuid(uid); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}
