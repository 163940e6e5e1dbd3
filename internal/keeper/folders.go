package keeper

import (
	"fmt"
	"os"
	"path/filepath"

	"paddock/internal/config"
	"paddock/internal/link"
)

// folders makes the folders of a configuration and gives them to whom they belong.
type folders struct {
	app, temp *os.File // passed to the proxy
}

// logDirMode lets everybody see which logs there are; the logs themselves are 0640.
const logDirMode = 0o755

// makeFolders makes run_dir with app, state_dir with keeper, tmp and certificates, and log_dir.
func makeFolders(p config.Paddock, proxy identity) (*folders, error) {
	for _, d := range []struct {
		path string
		mode os.FileMode
		own  func(string) error
	}{
		{p.RunDir, 0o755, nil},
		{filepath.Join(p.RunDir, "app"), 0o710, proxy.chgrp},
		{p.StateDir, 0o755, nil},
		{filepath.Join(p.StateDir, "keeper"), 0o700, nil},
		{filepath.Join(p.StateDir, "tmp"), 0o700, proxy.chown},
		{filepath.Join(p.StateDir, "certificates"), 0o700, proxy.chown},
		{p.LogDir, logDirMode, nil},
	} {
		if err := makeFolder(d.path, d.mode, d.own); err != nil {
			return nil, err
		}
	}
	app, err := os.Open(filepath.Join(p.RunDir, "app"))
	if err != nil {
		return nil, err
	}
	temp, err := os.Open(filepath.Join(p.StateDir, "tmp"))
	if err != nil {
		app.Close()
		return nil, err
	}
	return &folders{app: app, temp: temp}, nil
}

func (f *folders) close() { link.CloseAll([]*os.File{f.app, f.temp}) }

// makeFolder makes a folder and its parents. The mode and owner of one that has
// them decided are set; a folder that was there and is only ours to use is left as
// its owner made it.
func makeFolder(path string, mode os.FileMode, own func(string) error) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.IsDir():
		return fmt.Errorf("%s is no folder", path)
	case err != nil:
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.Mkdir(path, mode); err != nil {
			return err
		}
	}
	if own == nil && err == nil {
		return nil
	}
	// Only what differs: without CAP_FOWNER not even root may do it to another's folder.
	if err != nil || info.Mode().Perm() != mode {
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
	}
	if own == nil {
		return nil
	}
	return own(path)
}
