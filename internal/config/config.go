package config

import (
	"crypto/sha256"
	"path/filepath"

	"paddock/accesslog"
	"paddock/internal/metrics"
	"paddock/internal/value"
	"paddock/proxy"
	"paddock/supervisor"
	"paddock/tls"
)

// Config is a configuration that was read and checked. Every path in it is
// absolute. It is shared after [Load]: nothing may change it.
type Config struct {
	File  string            // the main file, absolute
	Files []string          // every file that was read, absolute, the main file first
	Sum   [sha256.Size]byte // of the names and bytes of Files: equal sums, equal configuration

	Include   value.Strings                      `toml:"include"` // globs, relative to the main file
	Paddock   Paddock                            `toml:"paddock"`
	Log       Log                                `toml:"log"`
	Apps      map[string]App                     `toml:"app"`
	Programs  map[string]supervisor.Program      `toml:"program"`
	Upstreams map[string]proxy.Upstream          `toml:"upstream"`
	Formats   map[string]accesslog.FormatSetting `toml:"log_format"`     // each NAME is a format in nginx's syntax, or { escape = "default", "json" or "none", format = "…" }; "combined" is built in
	ReqZones  map[string]string                  `toml:"limit_req_zone"` // each NAME is "KEY rate=RATE [size=SIZE]", as in "$binary_remote_addr rate=10r/s": what limit_req counts by (nginx: limit_req_zone)
	Servers   []Server                           `toml:"server"`         // in the order of the files
	Metrics   metrics.Config                     `toml:"metrics"`
	TLS       tls.Config                         `toml:"tls"`

	textSum     []byte               // the state of Sum before certificate files were added
	files       []tls.Files          // of Servers: what their certificate files hold
	authorities []tls.AuthorityFiles // of TLS.Authority: what theirs hold

	userFiles map[string]string // what auth_basic_user_file names holds, by path
	warnings  []Problem
}

// Supervised and Proxied name the halves of an [App].
type (
	Supervised = supervisor.App
	Proxied    = proxy.App
)

// App is one [app.NAME]: a program that serves HTTP on a socket that Paddock
// holds. Every key belongs to one of the halves.
type App struct {
	Supervised
	Proxied
}

// Served and Secured name the halves of a [Server].
type (
	Served  = proxy.Server
	Secured = tls.Site
)

// Server is one [[server]]. Every key belongs to one of the halves.
type Server struct {
	Served
	Secured
}

// The ports that an authority asks for challenges (RFC 8555 8.3, RFC 8737 3).
const (
	httpPort  = 80
	httpsPort = 443
)

// Paddock is [paddock]: where things live, and who the proxy is. An empty value
// is the default; as a user other than root, XDG folders take the place of the
// system's.
type Paddock struct {
	User     string `toml:"user"`      // name or uid of the proxy process when the keeper is root; default "paddock", "nobody" without one; "" when the keeper is not root
	RunDir   string `toml:"run_dir"`   // sockets; /run/paddock, else $XDG_RUNTIME_DIR/paddock, else /tmp/paddock-UID
	StateDir string `toml:"state_dir"` // what outlives a restart; /var/lib/paddock, else $XDG_STATE_HOME/paddock, else ~/.local/state/paddock
	LogDir   string `toml:"log_dir"`   // access.log, NAME.out.log, NAME.err.log; /var/log/paddock, else state_dir/log
	PidFile  string `toml:"pid_file"`  // the keeper's pid and a newline; default none

	WorkerConnections int `toml:"worker_connections"` // clients' connections at once; 0: three quarters of the open files allowed (nginx: worker_connections)

	MaxTempSize value.Size `toml:"max_temp_size"` // sum of all temporary files, of bodies and of answers to slow clients; then a body is 503, and an app is slowed down to its client; 0: 4g
}

// Log is [log], the daemon's own log.
type Log struct {
	Path   string `toml:"path"`   // default "": standard error
	Level  string `toml:"level"`  // debug, info, warn or error; default info
	Format string `toml:"format"` // console, json, or nginx: the form of its error_log, which fail2ban reads; default console
}

// The defaults of [log].
const (
	DefaultLogLevel  = "info"
	DefaultLogFormat = "console"
)

// The names of the default access log in log_dir and of the folders in state_dir
// where the proxy keeps request bodies and certificates.
const (
	accessLogName      = "access.log"
	tempDirName        = "tmp"
	certificateDirName = "certificates"
)

// ProxyConfig returns what the proxy serves by.
func (c *Config) ProxyConfig() proxy.Config {
	apps := make(map[string]proxy.App, len(c.Apps))
	for name, app := range c.Apps {
		apps[name] = app.Proxied
	}
	servers := make([]proxy.Server, len(c.Servers))
	for i, s := range c.Servers {
		servers[i] = s.Served
	}
	return proxy.Config{
		Servers:           servers,
		WorkerConnections: c.Paddock.WorkerConnections,
		Upstreams:         c.Upstreams,
		Apps:              apps,
		Formats:           c.Formats,
		ReqZones:          c.ReqZones,
		UserFiles:         c.userFiles,
		AccessLog: accesslog.Setting{
			Path:   filepath.Join(c.Paddock.LogDir, accessLogName),
			Format: accesslog.DefaultFormat,
		},
		TempDir:     filepath.Join(c.Paddock.StateDir, tempDirName),
		MaxTempSize: int64(c.Paddock.MaxTempSize),
	}
}

// TLSSetup returns what certificates are served by: the keys of [tls] and of the
// servers, and what their files hold.
func (c *Config) TLSSetup() tls.Setup {
	s := tls.Setup{Config: c.TLS, Authorities: c.authorities, AuthHook: c.TLS.ManualAuthHook.Args, CleanupHook: c.TLS.ManualCleanupHook.Args, Dir: filepath.Join(c.Paddock.StateDir, certificateDirName), Sites: make([]tls.SiteSetup, len(c.Servers))}
	for i, server := range c.Servers {
		s.Sites[i] = tls.SiteSetup{Site: server.Secured, Names: server.ServerName}
		if i < len(c.files) {
			s.Sites[i].Files = c.files[i]
		}
		for _, l := range server.Listen {
			s.HTTPPort = s.HTTPPort || l.Addr.Port() == httpPort && !l.SSL
			s.HTTPSPort = s.HTTPSPort || l.Addr.Port() == httpsPort && l.SSL
		}
	}
	return s
}

// LocalRoot returns the path of the certificate of the local authority, which is there
// once a site with tls = "internal" was served.
func (c *Config) LocalRoot() string {
	return filepath.Join(c.Paddock.StateDir, certificateDirName, tls.RootPath)
}

// Warnings returns what is doubtful but not refused: an app without a user of its
// own under root, a file that others may write, a command that is not there yet.
func (c *Config) Warnings() []Problem { return c.warnings }
