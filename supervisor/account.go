package supervisor

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// account is the user that a process runs as.
type account struct {
	name, home, shell string
	uid, gid          int
	groups            []string // supplementary, numbers
	change            bool     // another user than the keeper's
}

// defaultShell is passwd(5)'s meaning of an empty shell.
const defaultShell = "/bin/sh"

// lookupAccount finds a user by name or number. "" is the keeper's own.
func lookupAccount(name string) (account, error) {
	if name == "" {
		return ownAccount()
	}
	u, err := user.Lookup(name)
	if err != nil {
		u, err = user.LookupId(name)
	}
	if err != nil {
		return account{}, fmt.Errorf("no such user: '%s'", name)
	}
	a, err := accountOf(u)
	if err != nil {
		return account{}, err
	}
	if a.uid == os.Geteuid() {
		return a, nil
	}
	if os.Geteuid() != 0 {
		return account{}, fmt.Errorf("can't drop privilege as nonroot user: user is '%s'", name)
	}
	a.change = true
	a.groups, err = u.GroupIds()
	if err != nil {
		return account{}, fmt.Errorf("look up the groups of user '%s': %w", name, err)
	}
	return a, nil
}

// ownAccount is that of the keeper. A container's user may not be in passwd; then
// only the number is known.
func ownAccount() (account, error) {
	uid := os.Geteuid()
	u, err := user.LookupId(strconv.Itoa(uid))
	var unknown user.UnknownUserIdError
	if errors.As(err, &unknown) {
		return account{name: strconv.Itoa(uid), uid: uid, gid: os.Getegid()}, nil
	}
	if err != nil {
		return account{}, fmt.Errorf("look up user %d: %w", uid, err)
	}
	return accountOf(u)
}

func accountOf(u *user.User) (account, error) {
	uid, uidErr := strconv.Atoi(u.Uid)
	gid, gidErr := strconv.Atoi(u.Gid)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return account{}, fmt.Errorf("look up user '%s': %w", u.Username, err)
	}
	return account{name: u.Username, home: u.HomeDir, shell: shellOf(u.Username), uid: uid, gid: gid}, nil
}

// shellOf reads the shell from /etc/passwd, which os/user does not tell. A user
// from another source (LDAP) gets the default.
func shellOf(name string) string {
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return defaultShell
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) == 7 && fields[0] == name && fields[6] != "" {
			return fields[6]
		}
	}
	return defaultShell
}

// AccountIDs returns the numbers of a user, by name or number: uid, primary group
// and all groups.
func AccountIDs(name string) (uid, gid int, groups []int, err error) {
	a, err := lookupAccount(name)
	if err != nil {
		return 0, 0, nil, err
	}
	groups = []int{a.gid}
	for _, g := range a.groups {
		if n, err := strconv.Atoi(g); err == nil && !slices.Contains(groups, n) {
			groups = append(groups, n)
		}
	}
	return a.uid, a.gid, groups, nil
}

// GroupID returns the number of a group, by name or number.
func GroupID(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		if g, err = user.LookupGroupId(name); err != nil {
			return 0, fmt.Errorf("group %q: %w", name, err)
		}
	}
	return strconv.Atoi(g.Gid)
}
