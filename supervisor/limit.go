package supervisor

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"paddock/internal/value"
)

// defaultLimit is the number of requests that a program gets at once when nobody
// can tell how many it serves: gunicorn's worker_connections.
const defaultLimit = 1000

// capacity is the number of requests an app serves at once: max_conns when it is
// set; workers × threads for gunicorn's sync and gthread workers when all that
// decides about them is known; 1000 for anything else.
//
// gunicorn takes the command line before GUNICORN_CMD_ARGS before the
// configuration file before WEB_CONCURRENCY. We do not read the configuration file,
// which is a Python program: with one, only what stands before it is known.
func capacity(spec Spec, env variables, maxConns int) int {
	if maxConns > 0 {
		return maxConns
	}
	args, ok := gunicornArgs(spec.Command.Args)
	if !ok {
		return defaultLimit
	}
	more, err := value.SplitCommand(env["GUNICORN_CMD_ARGS"])
	if err != nil {
		return defaultLimit
	}
	g := gunicornOptions{}
	g.read(more)
	g.read(args)
	return g.capacity(hasConfigFile(spec, g), env)
}

// gunicornArgs returns the arguments after gunicorn, for `gunicorn …` and
// `python -m gunicorn …`.
func gunicornArgs(args []string) ([]string, bool) {
	if len(args) == 0 {
		return nil, false
	}
	if strings.HasPrefix(filepath.Base(args[0]), "gunicorn") {
		return args[1:], true
	}
	i := slices.Index(args, "-m")
	if i > 0 && i+1 < len(args) && args[i+1] == "gunicorn" {
		return args[i+2:], true
	}
	// A script that its interpreter was given: python /srv/venv/bin/gunicorn.
	if len(args) > 1 && filepath.Base(args[1]) == "gunicorn" {
		return args[2:], true
	}
	return nil, false
}

// gunicornOptions are the options that decide how many requests gunicorn serves at
// once; "" is not given.
type gunicornOptions struct{ workers, threads, class, config string }

// read takes over what args say. A later option replaces an earlier one.
func (g *gunicornOptions) read(args []string) {
	for i := 0; i < len(args); i++ {
		name, val, given := splitOption(args[i])
		target := g.option(name)
		if target == nil {
			continue
		}
		if !given && i+1 < len(args) {
			i++
			val = args[i]
		}
		*target = val
	}
}

func (g *gunicornOptions) option(name string) *string {
	switch name {
	case "-w", "--workers":
		return &g.workers
	case "--threads":
		return &g.threads
	case "-k", "--worker-class":
		return &g.class
	case "-c", "--config":
		return &g.config
	}
	return nil
}

// splitOption splits "--name=value" and "-wVALUE".
func splitOption(arg string) (name, val string, given bool) {
	if strings.HasPrefix(arg, "--") {
		return strings.Cut(arg, "=")
	}
	if len(arg) > 2 && arg[0] == '-' {
		return arg[:2], strings.TrimPrefix(arg[2:], "="), true
	}
	return arg, "", false
}

// hasConfigFile reports whether gunicorn reads a configuration file.
func hasConfigFile(spec Spec, g gunicornOptions) bool {
	if g.config != "" {
		return true
	}
	_, err := os.Stat(within(spec.Directory, "gunicorn.conf.py"))
	return err == nil
}

func (g gunicornOptions) capacity(configFile bool, env variables) int {
	if configFile && (g.workers == "" || g.threads == "" || g.class == "") {
		return defaultLimit
	}
	if g.class != "" && g.class != "sync" && g.class != "gthread" {
		return defaultLimit
	}
	if g.workers == "" {
		g.workers = env["WEB_CONCURRENCY"]
	}
	if g.threads == "" {
		g.threads = "1"
	}
	workers, werr := strconv.Atoi(g.workers)
	threads, terr := strconv.Atoi(g.threads)
	if werr != nil || terr != nil || workers < 1 || threads < 1 {
		return defaultLimit
	}
	return workers * threads
}
