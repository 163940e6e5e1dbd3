package keeper

import (
	"fmt"
	"os"

	"paddock/supervisor"
)

// identity is the user that the proxy runs as. Without root there is no choice.
type identity struct {
	name     string
	uid, gid int
}

// proxyIdentity looks up the proxy's user, by name or number. The empty name is the
// keeper's own.
func proxyIdentity(name string) (identity, error) {
	if os.Geteuid() != 0 || name == "" {
		return identity{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	uid, gid, _, err := supervisor.AccountIDs(name)
	if err != nil {
		return identity{}, fmt.Errorf("paddock.user: %w", err)
	}
	return identity{name: name, uid: uid, gid: gid}, nil
}

func (i identity) chown(path string) error { return os.Chown(path, i.uid, i.gid) }

// chgrp leaves the folder the keeper's and lets the proxy's group through.
func (i identity) chgrp(path string) error { return os.Chown(path, os.Geteuid(), i.gid) }
