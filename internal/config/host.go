package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strconv"
)

// host is the machine as the checks see it, so that tests can be root on another.
type host struct {
	uid    int
	getenv func(string) string
	lookup func(name string) (*user.User, error) // by name
	byID   func(uid string) (*user.User, error)
	group  func(name string) (*user.Group, error)
	stat   func(path string) (fs.FileInfo, error)
	read   func(path string, limit int64) ([]byte, error) // of a file that must not be larger
}

func thisHost() *host {
	return &host{uid: os.Geteuid(), getenv: os.Getenv, lookup: user.Lookup, byID: user.LookupId, group: lookupGroup, stat: os.Stat, read: readBounded}
}

func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return data, err
}

func (h *host) root() bool { return h.uid == 0 }

// user finds a user by name or by number, as Supervisor's user= does.
func (h *host) user(name string) (*user.User, error) {
	u, err := h.lookup(name)
	if err == nil {
		return u, nil
	}
	if _, notNumber := strconv.ParseUint(name, 10, 32); notNumber != nil {
		return nil, err
	}
	return h.byID(name)
}

// lookupGroup finds a group by name or by number.
func lookupGroup(name string) (*user.Group, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		if byID, idErr := user.LookupGroupId(name); idErr == nil {
			return byID, nil
		}
	}
	return g, err
}

// isFolder reports whether path is there and a folder.
func (h *host) isFolder(path string) bool {
	info, err := h.stat(path)
	return err == nil && info.IsDir()
}

// unknownUser tells a user that does not exist from one that could not be looked up.
func unknownUser(err error) bool {
	var byName user.UnknownUserError
	var byID user.UnknownUserIdError
	return errors.As(err, &byName) || errors.As(err, &byID)
}
