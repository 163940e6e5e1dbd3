package config

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"paddock/internal/value"
	"paddock/supervisor"
)

// defaultPath is where a program finds commands when nothing sets PATH, as
// supervisor has it.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// warn collects what is doubtful in a configuration without problems.
func (l *loader) warn() {
	for _, f := range l.files {
		l.warnWritable(f)
	}
	if l.host.root() && l.config.Paddock.User == fallbackProxyUser {
		l.warnf("paddock.user", "the proxy runs as %s, which other services may share; expected a user of its own such as %q", fallbackProxyUser, proxyUser)
	}
	if l.config.Metrics.Listen.Public() {
		l.warnf("metrics.listen", "others than this machine may read the metrics; expected a loopback address, or a firewall")
	}
	for _, name := range sortedKeys(l.config.Apps) {
		l.warnProgram(value.Join("app", name), l.config.Apps[name].Program)
	}
	for _, name := range sortedKeys(l.config.Programs) {
		l.warnProgram(value.Join("program", name), l.config.Programs[name])
	}
}

func (l *loader) warnf(key, format string, args ...any) {
	f, local := l.locate(key)
	line, _ := f.lines.find(local)
	l.config.warnings = append(l.config.warnings,
		Problem{File: f.name, Line: line, Key: local, Text: fmt.Sprintf(format, args...)})
}

// warnWritable warns of a file that someone else than root and the keeper's own
// user can change: what they write runs as the keeper.
func (l *loader) warnWritable(f *file) {
	info, err := l.host.stat(f.path)
	if err != nil {
		return
	}
	if who := writers(info, l.host.uid); who != "" {
		l.config.warnings = append(l.config.warnings,
			Problem{File: f.name, Text: who + " may write the file; expected only root and the user that paddock runs as"})
	}
}

// writers names who else may write a file, "" for nobody. A group that has the
// owner's number is taken for the owner's private one.
func writers(info fs.FileInfo, uid int) string {
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case info.Mode().Perm()&0o002 != 0:
		return "everybody"
	case !ok:
		return ""
	case owner.Uid != 0 && int(owner.Uid) != uid:
		return fmt.Sprintf("uid %d", owner.Uid)
	case info.Mode().Perm()&0o020 != 0 && owner.Gid != owner.Uid:
		return fmt.Sprintf("group %d", owner.Gid)
	}
	return ""
}

func (l *loader) warnProgram(at string, p supervisor.Program) {
	switch {
	case !l.host.root():
	case p.User == "":
		l.warnf(value.Join(at, "user"), "not set, so it runs as root; expected a user of its own")
	case l.sameUser(p.User, l.config.Paddock.User):
		l.warnf(value.Join(at, "user"), "%q is the proxy's user too; expected another, so that neither can touch what is the other's", p.User)
	}
	if !l.hasCommand(p) {
		l.warnf(value.Join(at, "command"), "can't find command %q; the start will fail until it is there", p.Command.Args[0])
	}
}

func (l *loader) sameUser(a, b string) bool {
	ua, errA := l.host.user(a)
	ub, errB := l.host.user(b)
	return errA == nil && errB == nil && ua.Uid == ub.Uid
}

// hasCommand looks for a program's command as its start will. What env_file says
// of PATH is known only then, so that such a program gets the benefit of the doubt.
func (l *loader) hasCommand(p supervisor.Program) bool {
	name := p.Command.Args[0]
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(p.Directory, name)
		}
		return l.isFile(name)
	}
	if p.EnvFile != "" {
		return true
	}
	path := p.Environment["PATH"] // wins over the venv too
	if path == "" {
		path = first(l.host.getenv("PATH"), defaultPath)
		if p.Venv != "" {
			path = filepath.Join(p.Venv, "bin") + ":" + path
		}
	}
	for _, dir := range filepath.SplitList(path) {
		if l.isFile(filepath.Join(dir, name)) {
			return true
		}
	}
	return false
}

func (l *loader) isFile(path string) bool {
	info, err := l.host.stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}
