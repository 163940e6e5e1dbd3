package keeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"paddock/supervisor"
)

// The files of state_dir/keeper.
const (
	recordName = "processes.json"
	lockName   = "lock"

	stateDirMode    fs.FileMode = 0o755
	privateDirMode  fs.FileMode = 0o700
	privateFileMode fs.FileMode = 0o600
)

// recordFile is state_dir/keeper/processes.json, and the lock that keeps a second
// keeper from the same folder. A goroutine writes: changes that come while it does are
// written together.
type recordFile struct {
	path string
	log  *zap.Logger
	lock *os.File
	boot string

	changed chan struct{} // something is to be written
	quit    chan struct{}
	stopped chan struct{}
	failed  error // of the last write; read after stopped

	mu      sync.Mutex
	running supervisor.Survivors
}

// recordContent is the file. Pids and start times mean nothing after a boot.
type recordContent struct {
	Boot    string
	Running supervisor.Survivors
}

// openRecordFile takes dir (state_dir/keeper), which it makes if need be, for this
// process, and returns what an earlier keeper left running. That stays in the file until
// set.
func openRecordFile(dir string, log *zap.Logger) (*recordFile, supervisor.Survivors, error) {
	var none supervisor.Survivors
	if err := privateDir(dir); err != nil {
		return nil, none, fmt.Errorf("state: %w", err)
	}
	lock, err := takeLock(dir)
	if err != nil {
		return nil, none, err
	}
	r := &recordFile{
		path: filepath.Join(dir, recordName), log: log, lock: lock, boot: bootID(),
		changed: make(chan struct{}, 1), quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	if r.running, err = r.read(); err != nil {
		_ = lock.Close()
		return nil, none, fmt.Errorf("state: %w", err)
	}
	survivors := r.running
	go r.run()
	return r, survivors, nil
}

// set records what runs now. It does not wait for the disk.
func (r *recordFile) set(running supervisor.Survivors) {
	r.mu.Lock()
	same := running.Instance == r.running.Instance && slices.Equal(running.Processes, r.running.Processes)
	r.running = running
	r.mu.Unlock()
	if same {
		return
	}
	select {
	case r.changed <- struct{}{}:
	default: // a write that has not looked yet is pending
	}
}

// Close writes what is to be written, waits for it and gives the lock back. It
// returns the error of the last write. Nothing may be changed after it.
func (r *recordFile) Close() error {
	close(r.quit)
	<-r.stopped
	return errors.Join(r.failed, r.lock.Close())
}

// run ends at Close, after a last write.
func (r *recordFile) run() {
	defer close(r.stopped)
	for {
		select {
		case <-r.changed:
			r.save()
		case <-r.quit:
			select {
			case <-r.changed:
				r.save()
			default:
				if r.failed != nil {
					r.save()
				}
			}
			return
		}
	}
}

// save writes the file. What fails is written with the next change, or at the end.
func (r *recordFile) save() {
	r.mu.Lock()
	content := recordContent{Boot: r.boot, Running: r.running}
	r.mu.Unlock()
	text, err := json.MarshalIndent(content, "", "\t")
	if err == nil {
		err = writeAtomic(r.path, append(text, '\n'), privateFileMode)
	}
	if err != nil {
		err = fmt.Errorf("record of running processes: %w", err)
		r.log.Error("if paddock were killed now, processes could be left behind", zap.Error(err))
	}
	r.failed = err
}

// read returns what the file names. One that cannot be understood is set aside: it
// must not keep the site from starting.
func (r *recordFile) read() (supervisor.Survivors, error) {
	var none supervisor.Survivors
	text, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	var content recordContent
	if err := json.Unmarshal(text, &content); err != nil {
		aside := r.path + ".corrupt"
		r.log.Warn("the record of running processes cannot be read and is set aside; processes of a keeper that was killed may still run",
			zap.String("path", aside), zap.Error(err))
		return none, os.Rename(r.path, aside)
	}
	if content.Boot != r.boot {
		return none, nil
	}
	content.Running.Processes = slices.DeleteFunc(content.Running.Processes, func(p supervisor.Survivor) bool { return p.PID <= 1 })
	return content.Running, nil
}

// takeLock fails with the pid of the keeper that has the folder. The lock ends with
// the process, however that ends.
func takeLock(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, privateFileMode)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = lockedBy(path)
	} else if err == nil {
		err = writePid(f)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("state: %w", err)
	}
	return f, nil
}

func lockedBy(path string) error {
	text, _ := os.ReadFile(path)
	pid := strings.TrimSpace(string(text))
	if pid == "" { // between lock and pid
		pid = "unknown"
	}
	return fmt.Errorf("paddock is already running: pid %s holds %s; stop it first, or give this one a state_dir and run_dir of its own", pid, path)
}

func writePid(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return err
}

// privateDir makes dir, and refuses one that another user could have filled.
func privateDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), stateDirMode); err != nil {
		return err
	}
	if err := os.Mkdir(dir, privateDirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to uid %d; expected a folder of uid %d, which runs paddock", dir, st.Uid, os.Geteuid())
	}
	return os.Chmod(dir, privateDirMode)
}

// bootID tells one boot of the machine from the next; "" where Linux does not say.
func bootID() string {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text))
}
