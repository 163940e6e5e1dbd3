package config

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"paddock/accesslog"
	"paddock/internal/value"
	"paddock/supervisor"
)

// maxNameLength leaves room in the 107 bytes of a unix socket's path.
const maxNameLength = 64

// check runs the checks of every section, and those that take more than one
// section or a look at the machine. The order of problems does not matter.
func (c *Config) check(h *host, problems *value.Problems) {
	c.Paddock.check(h, problems)
	c.Log.check(h, c.Paddock.LogDir, problems)
	c.checkNames(problems)
	c.checkSocketPaths(problems)
	c.checkListens(problems)
	for name, app := range c.Apps {
		at := value.Join("app", name)
		app.Supervised.Validate(at, problems)
		checkProgram(h, c.Paddock.LogDir, at, app.Program, problems)
	}
	for name, program := range c.Programs {
		at := value.Join("program", name)
		program.Validate(at, problems)
		checkProgram(h, c.Paddock.LogDir, at, program, problems)
	}
	for i, server := range c.Servers {
		at := value.Index("server", i)
		server.Secured.Validate(at, server.ServerName, server.Listen, problems)
		checkAccessLog(h, c.Paddock.LogDir, at, server.AccessLog, problems)
		for j, location := range server.Location {
			checkAccessLog(h, c.Paddock.LogDir, value.Index(value.Join(at, "location"), j), location.AccessLog, problems)
		}
	}
	served := c.ProxyConfig()
	served.Validate(problems)
	var listens []value.Listen
	for _, s := range c.Servers {
		listens = append(listens, s.Listen...)
	}
	c.Metrics.Validate("metrics", listens, problems)
	c.TLS.Validate("tls", c.TLSSetup().Sites, problems)
}

func (p *Paddock) check(h *host, problems *value.Problems) {
	if p.User != "" {
		checkUser(h, "paddock.user", p.User, problems)
	}
	for key, dir := range map[string]string{"run_dir": p.RunDir, "state_dir": p.StateDir, "log_dir": p.LogDir} {
		if info, err := h.stat(dir); err == nil && !info.IsDir() {
			problems.Addf(value.Join("paddock", key), "%s is no folder; expected one, or a path where one can be made", dir)
		}
	}
	if p.PidFile != "" {
		checkParent(h, "paddock.pid_file", p.PidFile, problems)
	}
}

func (l *Log) check(h *host, logDir string, problems *value.Problems) {
	if filepath.IsAbs(l.Path) && filepath.Dir(l.Path) != logDir {
		checkParent(h, "log.path", l.Path, problems)
	}
	checkChoice("log.level", l.Level, []string{"debug", "info", "warn", "error"}, problems)
	checkChoice("log.format", l.Format, []string{"console", "json", "nginx"}, problems)
}

func checkChoice(key, got string, choices []string, problems *value.Problems) {
	if !slices.Contains(choices, got) {
		problems.Addf(key, "%q: expected %s or %s", got,
			strings.Join(choices[:len(choices)-1], ", "), choices[len(choices)-1])
	}
}

// checkNames checks names that must tell one thing from another: apps and programs
// in status, log files and control calls; apps and upstreams in proxy_pass.
func (c *Config) checkNames(problems *value.Problems) {
	for name := range c.Apps {
		checkName(value.Join("app", name), name, problems)
	}
	for name := range c.Programs {
		checkName(value.Join("program", name), name, problems)
		if _, taken := c.Apps[name]; taken {
			problems.Addf(value.Join("program", name), "[app.%s] has that name too; expected another", name)
		}
	}
	for name := range c.Upstreams {
		checkName(value.Join("upstream", name), name, problems)
		if _, taken := c.Apps[name]; taken {
			problems.Addf(value.Join("upstream", name), "[app.%s] has that name too; expected another", name)
		}
	}
}

func checkName(at, name string, problems *value.Problems) {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	switch {
	case name == "" || strings.Trim(name, allowed) != "" || strings.Trim(name, ".") == "":
		problems.Addf(at, "%q is no name; expected letters, digits, '.', '_' and '-'", name)
	case len(name) > maxNameLength:
		problems.Addf(at, "the name is %d bytes long; expected at most %d", len(name), maxNameLength)
	}
}

// checkProgram looks for what a program names on the machine.
func checkProgram(h *host, logDir, at string, p supervisor.Program, problems *value.Problems) {
	if p.User != "" {
		checkUser(h, value.Join(at, "user"), p.User, problems)
	}
	if !h.isFolder(p.Directory) {
		problems.Addf(value.Join(at, "directory"), "%s does not exist, or is no folder; expected an existing one", p.Directory)
	}
	if p.Venv != "" && h.isFolder(p.Directory) && !h.isFolder(filepath.Join(p.Venv, "bin")) {
		problems.Addf(value.Join(at, "venv"), "%s has no folder bin; expected a virtualenv", p.Venv)
	}
	if p.EnvFile != "" {
		checkEnvFile(h, value.Join(at, "env_file"), p.EnvFile, problems)
	}
	for key, path := range map[string]string{"stdout_logfile": p.StdoutLogfile, "stderr_logfile": p.StderrLogfile} {
		checkLogfile(h, logDir, value.Join(at, key), path, problems)
	}
}

// checkLogfile wants the folder of a log file, except for log_dir, which is made
// at the start. Words that stand for no file were not made absolute.
func checkLogfile(h *host, logDir, at, path string, problems *value.Problems) {
	switch {
	case strings.EqualFold(path, "syslog"):
		problems.Addf(at, "syslog is not written to; expected AUTO, NONE, stdout, stderr or a path")
	case filepath.IsAbs(path) && filepath.Dir(path) != logDir:
		checkParent(h, at, path, problems)
	}
}

func checkAccessLog(h *host, logDir, at string, list accesslog.Settings, problems *value.Problems) {
	at = value.Join(at, "access_log")
	for _, s := range list {
		switch accesslog.KindOf(s.Path) {
		case accesslog.KindFolder:
			if dir := accesslog.FixedFolder(s.Path); !h.isFolder(dir) {
				problems.Addf(at, "the folder %s does not exist; expected an existing one that the proxy's user may write in", dir)
			}
		case accesslog.KindFile:
			if filepath.IsAbs(s.Path) && filepath.Dir(s.Path) != logDir {
				checkParent(h, at, s.Path, problems)
			}
		}
		if s.Owner != "" {
			user, group, _ := strings.Cut(s.Owner, ":")
			checkUser(h, at, user, problems)
			checkGroup(h, at, group, problems)
		}
	}
}

func checkGroup(h *host, at, name string, problems *value.Problems) {
	if name == "" {
		return
	}
	if _, err := h.group(name); err != nil {
		problems.Addf(at, "there is no group %q; expected a name or a gid that this machine knows", name)
	}
}

func checkEnvFile(h *host, at, path string, problems *value.Problems) {
	if info, err := h.stat(path); err != nil {
		problems.Addf(at, "%s cannot be read: %s", path, withoutPath(err))
	} else if info.IsDir() {
		problems.Addf(at, "%s is a folder; expected a file of KEY=VALUE lines", path)
	}
}

// checkParent wants the folder that a file is to be made in. Supervisor refuses a
// log file without it as well.
func checkParent(h *host, at, path string, problems *value.Problems) {
	if dir := filepath.Dir(path); !h.isFolder(dir) {
		problems.Addf(at, "the folder %s does not exist; expected an existing one", dir)
	}
}

// checkUser wants a user that exists and that we may become.
func checkUser(h *host, at, name string, problems *value.Problems) {
	u, err := h.user(name)
	switch {
	case unknownUser(err):
		problems.Addf(at, "there is no user %q; expected a name or a uid that this machine knows", name)
	case err != nil:
		problems.Addf(at, "user %q cannot be looked up: %s", name, oneLine(err.Error()))
	case !h.root() && u.Uid != strconv.Itoa(h.uid):
		problems.Addf(at, "%q: only root can change user, and this is uid %d; expected no user, or root", name, h.uid)
	}
}
