package config

import (
	"path/filepath"
	"strconv"

	"paddock/internal/value"
)

// The users that the proxy process runs as when the keeper is root and nothing
// else is set: its own, made by sysusers, or else one that exists everywhere.
const (
	proxyUser         = "paddock"
	fallbackProxyUser = "nobody"
)

// The folders of a service that root starts.
const (
	systemRunDir   = "/run/paddock"
	systemStateDir = "/var/lib/paddock"
	systemLogDir   = "/var/log/paddock"
)

// appName is the name of our folder in the user's own, and logDirName that of
// log_dir in state_dir there.
const (
	appName    = "paddock"
	logDirName = "log"
)

// setDefaults fills in what the file left open.
func (p *Paddock) setDefaults(h *host, problems *value.Problems) {
	run, state, log := systemRunDir, systemStateDir, systemLogDir
	if !h.root() {
		run, state = userRunDir(h), userStateDir(h)
		log = filepath.Join(first(p.StateDir, state), logDirName)
	}
	if p.StateDir == "" && state == "" {
		problems.Addf("paddock.state_dir", "neither $XDG_STATE_HOME nor $HOME is set; expected state_dir to name a folder")
	}
	p.RunDir = first(p.RunDir, run)
	p.StateDir = first(p.StateDir, state)
	p.LogDir = first(p.LogDir, log)
	if p.User == "" && h.root() {
		p.User = defaultProxyUser(h)
	}
}

func defaultProxyUser(h *host) string {
	if _, err := h.user(proxyUser); err != nil {
		return fallbackProxyUser
	}
	return proxyUser
}

// userRunDir is a folder of the user's own for sockets. The one in /tmp is made
// with mode 0700 by whoever makes it.
func userRunDir(h *host) string {
	if dir := h.getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, appName)
	}
	return filepath.Join("/tmp", appName+"-"+strconv.Itoa(h.uid))
}

// userStateDir follows the XDG Base Directory Specification, which has relative
// paths ignored. It is "" when no home is known.
func userStateDir(h *host) string {
	if dir := h.getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, appName)
	}
	home := h.getenv("HOME")
	if u, err := h.byID(strconv.Itoa(h.uid)); !filepath.IsAbs(home) && err == nil {
		home = u.HomeDir
	}
	if !filepath.IsAbs(home) {
		return ""
	}
	return filepath.Join(home, ".local", "state", appName)
}

// setDefaults fills in what the file left open.
func (l *Log) setDefaults() {
	l.Level = first(l.Level, DefaultLogLevel)
	l.Format = first(l.Format, DefaultLogFormat)
}

// first returns set unless it is empty.
func first(set, otherwise string) string {
	if set != "" {
		return set
	}
	return otherwise
}
