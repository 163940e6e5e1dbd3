package dev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// place is the private folder of one `paddock dev`: sockets, state, helpers and the
// FIFOs that the log comes through.
type place struct {
	dir  string
	port int
}

// makePlace makes the folder in $XDG_RUNTIME_DIR or else $TMPDIR. Its name is the
// same for the same port: what a killed `paddock dev` has left is found there, and
// ended by the keeper before it starts.
func makePlace(port int) (*place, error) {
	base, name := os.Getenv("XDG_RUNTIME_DIR"), fmt.Sprintf("paddock-dev-%d", port)
	if info, err := os.Stat(base); err != nil || !filepath.IsAbs(base) || !info.IsDir() {
		base, name = os.TempDir(), fmt.Sprintf("paddock-dev-%d-%d", os.Geteuid(), port)
	}
	p := &place{dir: filepath.Join(base, name), port: port}
	err := os.Mkdir(p.dir, 0o700)
	if errors.Is(err, fs.ErrExist) && !private(p.dir) {
		// Somebody else was first in a folder that all may write.
		p.dir, err = os.MkdirTemp(base, name+"-")
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the private folder: %w", err)
	}
	return p, nil
}

// private reports whether it is a folder of ours that nobody else can change.
func private(dir string) bool {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return false
	}
	return st.Mode&unix.S_IFMT == unix.S_IFDIR && int(st.Uid) == os.Geteuid() && st.Mode&0o077 == 0
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

// remove removes the folder and all in it.
func (p *place) remove() error { return os.RemoveAll(p.dir) }

// install writes the helper of a plan and puts the folder's name where the plan
// needs it.
func (p *place) install(plan *Plan) error {
	if plan.helper == "" {
		return nil
	}
	text, err := helpers.ReadFile("python/" + plan.helper)
	if err != nil {
		return err
	}
	dir := p.path("python")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	known := strings.NewReplacer(helperFolder, dir, helperPort, strconv.Itoa(p.port))
	plan.Command = known.Replace(plan.Command)
	for name, val := range plan.Env {
		plan.Env[name] = known.Replace(val)
	}
	return os.WriteFile(filepath.Join(dir, plan.helper), text, 0o600)
}

// fifo is a named pipe that we read. hold keeps it from ending while nobody writes.
type fifo struct{ read, hold *os.File }

func (p *place) fifo(name string) (*fifo, error) {
	path := p.path(name)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return nil, fmt.Errorf("make %s: %w", path, err)
	}
	read, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	hold, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		read.Close()
		return nil, err
	}
	return &fifo{read, hold}, nil
}
