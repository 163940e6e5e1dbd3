package supervisor

import (
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// defaultPath is the PATH of a child when the keeper has none.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// notInherited are variables that tell the keeper, or a former gunicorn, about its
// own start. A child that believed them would answer systemd in our name, or take
// descriptors that are not its own.
var notInherited = []string{
	"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
	"MAINPID", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "CREDENTIALS_DIRECTORY",
	"GUNICORN_FD", "GUNICORN_PID", markerName,
}

// variables are an environment.
type variables map[string]string

func (v variables) get(name string) string { return v[name] }

// list is the form that execve takes, sorted.
func (v variables) list() []string {
	out := make([]string, 0, len(v))
	for _, name := range slices.Sorted(maps.Keys(v)) {
		out = append(out, name+"="+v[name])
	}
	return out
}

// fallback sets a variable that nobody has set.
func (v variables) fallback(name, text string) {
	if _, ok := v[name]; !ok {
		v[name] = text
	}
}

// environment is what a login of the user would give, then what we add, env_file
// and at last `environment`. keeper is the keeper's own.
func environment(spec Spec, acct account, keeper []string, marker string) (variables, error) {
	env := inherited(keeper, acct.change)
	env.identity(acct)
	if spec.Kind != KindProxy {
		env.child(spec)
	}
	own, err := configured(spec)
	if err != nil {
		return nil, err
	}
	maps.Copy(env, own)
	if spec.Kind == KindApp {
		env.app(spec, own)
	}
	name, val, _ := strings.Cut(marker, "=")
	env[name] = val
	return env, nil
}

// configured is what the user has written: env_file, then `environment`.
func configured(spec Spec) (variables, error) {
	own := variables{}
	if spec.EnvFile != "" {
		file, err := readEnvFile(within(spec.Directory, spec.EnvFile))
		if err != nil {
			return nil, err
		}
		maps.Copy(own, file)
	}
	maps.Copy(own, spec.Environment)
	return own, nil
}

// inherited is what passes from the keeper: for its own user all but what is about
// its own start, for another only where programs are and how they speak.
func inherited(keeper []string, other bool) variables {
	env := variables{}
	for _, entry := range keeper {
		name, val, ok := strings.Cut(entry, "=")
		if !ok || slices.Contains(notInherited, name) || other && !passesUsers(name) {
			continue
		}
		env[name] = val
	}
	env.fallback("PATH", defaultPath)
	return env
}

func passesUsers(name string) bool {
	return name == "PATH" || name == "LANG" || name == "TZ" || strings.HasPrefix(name, "LC_")
}

// identity sets who the child is: Supervisor leaves these as they were, which is
// what its users complain about most.
func (v variables) identity(a account) {
	v["USER"], v["LOGNAME"] = a.name, a.name
	if a.home != "" {
		v["HOME"] = a.home
	}
	if a.shell != "" {
		v["SHELL"] = a.shell
	}
}

// child sets what every program gets.
func (v variables) child(spec Spec) {
	v["PYTHONUNBUFFERED"] = "1" // otherwise print() shows up in the log much later
	v["SUPERVISOR_ENABLED"] = "1"
	v["SUPERVISOR_PROCESS_NAME"], v["SUPERVISOR_GROUP_NAME"] = spec.Name, spec.Name
	if spec.Venv != "" { // as its bin/activate does
		venv := within(spec.Directory, spec.Venv)
		v["VIRTUAL_ENV"] = venv
		v["PATH"] = filepath.Join(venv, "bin") + ":" + v["PATH"]
		delete(v, "PYTHONHOME")
	}
}

// app sets what an app needs to serve behind us. own is what the user has written,
// which wins; a WEB_CONCURRENCY that was only inherited wins over our guess, but
// not over the TOML.
func (v variables) app(spec Spec, own variables) {
	if spec.Workers > 0 {
		if _, ok := own["WEB_CONCURRENCY"]; !ok {
			v["WEB_CONCURRENCY"] = strconv.Itoa(spec.Workers)
		}
		v["GUNICORN_CMD_ARGS"] = strings.TrimSpace(v["GUNICORN_CMD_ARGS"] + fmt.Sprintf(" --workers %d", spec.Workers))
	} else {
		v.fallback("WEB_CONCURRENCY", strconv.Itoa(cpus()))
	}
	if usesUvicorn(spec.Command.Args) {
		// uvicorn believes X-Forwarded-* only from the addresses named here, and a
		// client on a unix socket has none. Nobody but the proxy can connect to it.
		v.fallback("FORWARDED_ALLOW_IPS", "*")
	}
}

// cpus is the number of workers an app gets by default. Unlike runtime.NumCPU it
// knows the CPU limit of a container (Go 1.25).
func cpus() int { return runtime.GOMAXPROCS(0) }

func usesUvicorn(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		return strings.Contains(strings.ToLower(arg), "uvicorn")
	})
}
