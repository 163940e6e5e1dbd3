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

// inHand is the request that a free sync worker finds waiting when it is done: without
// it the worker rests until the proxy has heard that it is free. A fast app serves a
// fifth more with it, a slow one the same: the figures are in docs/performance.md.
// Threads gain nothing by it.
const inHand = 1

// maxLimit keeps workers × threads far from overflow.
const maxLimit = 1 << 20

// capacity is how much an app gets at once: max_conns when it is set; for gunicorn's
// sync workers their number and one, for its gthread workers workers × threads; 1000
// for anything else.
type capacity struct {
	requests int
	async    bool // a WebSocket costs it no worker
	unsure   bool // gunicorn reads a configuration file: only gunicorn can tell
}

// capacityOf works out what is known without running anything. told is what gunicorn
// itself said of its configuration, if it was asked.
//
// gunicorn takes the command line before GUNICORN_CMD_ARGS before the
// configuration file before WEB_CONCURRENCY.
func capacityOf(spec Spec, env variables, told *gunicornOptions) capacity {
	args, ok := gunicornArgs(spec.Command.Args)
	if !ok {
		return capacity{requests: defaultLimit, async: isAsyncServer(spec.Command.Args)}
	}
	if told != nil {
		return told.capacity(env)
	}
	more, err := value.SplitCommand(env["GUNICORN_CMD_ARGS"])
	if err != nil {
		return capacity{requests: defaultLimit}
	}
	g := gunicornOptions{}
	g.read(more)
	g.read(args)
	if hasConfigFile(spec, g) && !g.complete() {
		return capacity{requests: defaultLimit, async: g.async(), unsure: true}
	}
	return g.capacity(env)
}

// asyncServers are commands whose workers serve many connections each.
var asyncServers = []string{"uvicorn", "hypercorn", "daphne", "granian"}

func isAsyncServer(args []string) bool {
	if len(args) == 0 {
		return false
	}
	name := filepath.Base(args[0])
	if i := slices.Index(args, "-m"); i > 0 && i+1 < len(args) {
		name = args[i+1]
	} else if len(args) > 1 && strings.HasPrefix(name, "python") {
		name = filepath.Base(args[1])
	}
	return slices.Contains(asyncServers, name)
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

// complete reports whether no configuration file can change what counts.
func (g *gunicornOptions) complete() bool {
	return g.workers != "" && g.threads != "" && g.class != ""
}

// syncClasses are the worker classes that serve a request with a process or a thread.
var syncClasses = []string{
	"", "sync", "gthread", "egg:gunicorn#sync", "egg:gunicorn#gthread",
	"gunicorn.workers.sync.SyncWorker", "gunicorn.workers.gthread.ThreadWorker",
}

// async reports whether the workers serve many connections each. A class of the
// app's own is taken for one that does: it has no other use.
func (g *gunicornOptions) async() bool { return !slices.Contains(syncClasses, g.class) }

func (g gunicornOptions) capacity(env variables) capacity {
	if g.async() {
		return capacity{requests: defaultLimit, async: true}
	}
	if g.workers == "" {
		g.workers = env["WEB_CONCURRENCY"]
	}
	if g.threads == "" {
		g.threads = "1"
	}
	workers, werr := strconv.Atoi(g.workers)
	threads, terr := strconv.Atoi(g.threads)
	if werr != nil || terr != nil || workers < 1 || threads < 1 || workers > maxLimit/threads {
		return capacity{requests: defaultLimit}
	}
	if threads == 1 {
		return capacity{requests: workers + inHand}
	}
	return capacity{requests: workers * threads}
}
