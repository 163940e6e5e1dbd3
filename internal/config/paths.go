package config

import (
	"path/filepath"
	"strings"

	"paddock/accesslog"
	"paddock/internal/value"
	"paddock/proxy"
	"paddock/supervisor"
	"paddock/tls"
)

// resolve makes the paths of one file's sections absolute. They are relative to
// dir, the folder of the file; a venv, as what a program's directory holds, to
// that directory.
func (c *Config) resolve(dir string) {
	for _, p := range []*string{&c.Paddock.RunDir, &c.Paddock.StateDir, &c.Paddock.LogDir, &c.Paddock.PidFile} {
		absolute(p, dir)
	}
	resolveLog(&c.Log.Path, dir)
	absolute(&c.Metrics.Listen.Unix, dir)
	for name, app := range c.Apps {
		resolveProgram(&app.Program, dir)
		c.Apps[name] = app
	}
	for name, program := range c.Programs {
		resolveProgram(&program, dir)
		c.Programs[name] = program
	}
	for _, upstream := range c.Upstreams {
		for i := range upstream.Server {
			resolveSocket(&upstream.Server[i], "unix:", dir)
		}
	}
	resolveTLS(&c.TLS, dir)
	for i := range c.Servers {
		resolveServer(&c.Servers[i].Served, dir)
		resolveSite(&c.Servers[i].Secured, dir)
	}
}

func resolveProgram(p *supervisor.Program, dir string) {
	p.Directory = first(p.Directory, dir)
	absolute(&p.Directory, dir)
	absolute(&p.Venv, p.Directory)
	absolute(&p.EnvFile, dir)
	resolveLog(&p.StdoutLogfile, dir)
	resolveLog(&p.StderrLogfile, dir)
}

func resolveServer(s *proxy.Server, dir string) {
	for i := range s.Listen {
		absolute(&s.Listen[i].Unix, dir)
	}
	resolveAccessLog(s.AccessLog, dir)
	absolute(&s.Root, dir)
	absolute(&s.AuthBasicUserFile, dir)
	for i := range s.Location {
		resolveSocket(&s.Location[i].ProxyPass, "http://unix:", dir)
		resolveAccessLog(s.Location[i].AccessLog, dir)
		absolute(&s.Location[i].Root, dir)
		absolute(&s.Location[i].AuthBasicUserFile, dir)
		absoluteFolder(&s.Location[i].Alias, dir)
	}
}

func resolveTLS(c *tls.Config, dir string) {
	for _, hook := range []*value.Command{&c.ManualAuthHook, &c.ManualCleanupHook} {
		if hook.Set() && strings.Contains(hook.Args[0], "/") {
			absolute(&hook.Args[0], dir)
		}
	}
	for i := range c.Authority {
		absolute(&c.Authority[i].TrustedRoots, dir)
		absolute(&c.Authority[i].EABKeyFile, dir)
	}
}

func resolveSite(s *tls.Site, dir string) {
	for _, files := range []value.Strings{s.Certificate, s.CertificateKey} {
		for i := range files {
			absolute(&files[i], dir)
		}
	}
	absolute(&s.ClientCertificate, dir)
}

func resolveAccessLog(list accesslog.Settings, dir string) {
	for i := range list {
		if s := &list[i]; accesslog.KindOf(s.Path) != accesslog.KindSyslog {
			resolveLog(&s.Path, dir)
		}
	}
}

// resolveLog leaves the names alone that stand for no file.
func resolveLog(p *string, dir string) {
	switch strings.ToLower(*p) {
	case "auto", "none", "syslog", "stdout", "stderr":
		return
	}
	absolute(p, dir)
}

// resolveSocket resolves the path after a prefix such as "unix:".
func resolveSocket(p *string, prefix, dir string) {
	if path, found := strings.CutPrefix(*p, prefix); found {
		absolute(&path, dir)
		*p = prefix + path
	}
}

// absoluteFolder keeps the slash at the end, which means something to an alias.
func absoluteFolder(p *string, dir string) {
	slash := strings.HasSuffix(*p, "/")
	absolute(p, dir)
	if slash && !strings.HasSuffix(*p, "/") {
		*p += "/"
	}
}

func absolute(p *string, dir string) {
	if *p != "" && !filepath.IsAbs(*p) {
		*p = filepath.Join(dir, *p)
	}
}
