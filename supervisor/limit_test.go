package supervisor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestLimitIsWhatGunicornServesAtOnce(t *testing.T) {
	withFile := t.TempDir()
	os.WriteFile(filepath.Join(withFile, "gunicorn.conf.py"), nil, 0o644)
	serves := func(n int) capacity { return capacity{requests: n} }
	async, unknown := capacity{requests: defaultLimit, async: true}, serves(defaultLimit)
	unsure := capacity{requests: defaultLimit, unsure: true}
	for _, c := range []struct {
		command, env, dir string
		want              capacity
	}{
		{"gunicorn app", "", "", serves(2 + inHand)}, // WEB_CONCURRENCY
		{"gunicorn -w 4 app", "", "", serves(4 + inHand)},
		{"gunicorn -w4 --threads=3 app", "", "", serves(12)},
		{"/venv/bin/gunicorn --workers=4 -k gthread --threads 2 app", "", "", serves(8)},
		{"gunicorn -w 4 -k gunicorn.workers.gthread.ThreadWorker --threads 2 app", "", "", serves(8)},
		{"python3 -m gunicorn -w 4 app", "", "", serves(4 + inHand)},
		{"python3 /venv/bin/gunicorn -w 4 app", "", "", serves(4 + inHand)},
		{"gunicorn app", "--workers 3 --threads 2", "", serves(6)},
		{"gunicorn -w 5 app", "--workers 3", "", serves(5 + inHand)},
		{"gunicorn -w 5 app", "'open", "", unknown},
		{"gunicorn -k gevent app", "", "", async},
		{"gunicorn -k uvicorn.workers.UvicornWorker app", "", "", async},
		{"gunicorn -c conf.py app", "", "", unsure},
		{"gunicorn app", "-c conf.py", "", unsure},
		{"gunicorn -w 4 app", "", withFile, unsure},
		{"gunicorn -w 4 -k gevent app", "", withFile, capacity{requests: defaultLimit, async: true, unsure: true}},
		{"gunicorn -w 4 -k sync --threads 1 app", "", withFile, serves(4 + inHand)},
		{"gunicorn -w many app", "", "", unknown},
		{"gunicorn -w 9999999999 --threads 9999999999 app", "", "", unknown},
		{"uvicorn app", "", "", async},
		{"python3 -m uvicorn app", "", "", async},
		{"python3 /venv/bin/hypercorn app", "", "", async},
		{"waitress-serve app", "", "", unknown},
		{"python3 serve.py", "", "", unknown},
	} {
		spec := Spec{Program: Program{Command: command(c.command), Directory: c.dir}}
		if c.dir == "" {
			spec.Directory = t.TempDir()
		}
		env := variables{"WEB_CONCURRENCY": "2", "GUNICORN_CMD_ARGS": c.env}
		if got := capacityOf(spec, env, nil); got != c.want {
			t.Errorf("%s (%s) in %q: got %+v, want %+v", c.command, c.env, c.dir, got, c.want)
		}
	}
}

// gunicornSpec is a real gunicorn's app in a folder with a configuration file.
func gunicornSpec(t *testing.T, args, conf string) Spec {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gunicorn.conf.py"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	p := testProgram()
	p.Command, p.Directory = command("gunicorn "+args), dir
	return Spec{Program: p, Name: "web", Kind: KindApp}
}

func TestGunicornSaysWhatItsConfigurationFileMakesOfIt(t *testing.T) {
	s := &System{Instance: "test"}
	for _, c := range []struct {
		args, conf string
		env        map[string]string
		workers    int
		want       capacity
	}{
		{"hello:app", "workers = 3\nthreads = 4", nil, 0, capacity{requests: 12}},
		{"-w 2 hello:app", "workers = 3\nthreads = 4\nprint('workers = 9')", nil, 0, capacity{requests: 8}},
		{"hello:app", "import os\nworkers = int(os.environ['MANY'])", map[string]string{"MANY": "7"}, 0, capacity{requests: 7 + inHand}},
		{"hello:app", "threads = 2", map[string]string{"WEB_CONCURRENCY": "5"}, 0, capacity{requests: 10}},
		{"hello:app", "workers = 3", nil, 6, capacity{requests: 6 + inHand}}, // the TOML wins
		{"hello:app", "worker_class = 'gevent'\nworkers = 3", nil, 0, capacity{requests: defaultLimit, async: true}},
		{"-c other.py hello:app", "workers = 3", nil, 0, capacity{}},
		{"hello:app", "raise SystemExit(3)", nil, 0, capacity{}},
	} {
		spec := gunicornSpec(t, c.args, c.conf)
		spec.Environment, spec.Workers = c.env, c.workers
		opt, err := s.printConfig(t.Context(), spec)
		if c.want == (capacity{}) {
			if !errors.Is(err, errNothingPrinted) {
				t.Errorf("%s with %q: got %+v, %v; want %v", c.args, c.conf, opt, err, errNothingPrinted)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s with %q: %v", c.args, c.conf, err)
			continue
		}
		if got := capacityOf(spec, variables{}, opt); got != c.want {
			t.Errorf("%s with %q: got %+v, want %+v", c.args, c.conf, got, c.want)
		}
	}
}

func TestGunicornThatDoesNotAnswerIsKilled(t *testing.T) {
	spec := gunicornSpec(t, "hello:app", "import time, os\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)")
	ctx, cancel := context.WithCancel(t.Context())
	pid := filepath.Join(spec.Directory, "pid")
	go func() {
		for {
			if text, _ := os.ReadFile(pid); len(text) > 0 {
				cancel()
				return
			}
			<-time.After(10 * time.Millisecond)
		}
	}()
	if _, err := (&System{}).printConfig(ctx, spec); err == nil || !strings.HasPrefix(err.Error(), "no answer in ") {
		t.Errorf("got %v, want that no answer came", err)
	}
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/" + string(text)); err == nil {
		t.Errorf("gunicorn, pid %s, is still there", text)
	}
}

func TestPrintedSettingsAreBounded(t *testing.T) {
	endless := readerFunc(func(p []byte) (int, error) { return len(p), nil })
	if opt, err := readPrinted(endless); !errors.Is(err, errNothingPrinted) {
		t.Errorf("got %v, %v", opt, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func FuzzPrintedSettings(f *testing.F) {
	f.Add([]byte("threads   = 1\nworker_class = sync\nworkers   = 4\n"))
	f.Add([]byte("workers = 4\nthreads = 1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		opt := parsePrinted(text)
		if opt == nil {
			return
		}
		if got := opt.capacity(variables{}); !opt.complete() || got.requests < 1 || got.requests > maxLimit+inHand {
			t.Errorf("%+v is %+v", opt, got)
		}
	})
}

// newAskedApp is an app that is gunicorn with a configuration file, in a bubble.
func newAskedApp(t *testing.T, maxConns int, ask func(context.Context, Spec) (*gunicornOptions, error)) (*fakeFront, *observer.ObservedLogs) {
	h, front := newFakeHost(), &fakeFront{}
	core, logs := observer.New(zap.WarnLevel)
	fake := h.host()
	fake.printConfig = ask
	p := gunicornSpec(t, "hello:app", "").Program
	spec := AppSpec{App: App{Program: p}, MaxConns: maxConns}
	a, err := newApp("web", spec, appOptions{Front: front, Notify: func(Event) {}, Logger: zap.New(core), host: fake, sinks: &sinks{}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.ask(context.Background(), appRequest{op: appStop})
		a.ask(context.Background(), appRequest{op: appClose})
	})
	if err := a.ask(t.Context(), appRequest{op: appStart}); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return front, logs
}

func TestLimitComesWhileTheAppStartsAndHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan *gunicornOptions)
		front, _ := newAskedApp(t, 0, func(context.Context, Spec) (*gunicornOptions, error) { return <-answer, nil })
		if s := front.last(); s.State != AppReady || s.Limit != defaultLimit {
			t.Errorf("before the answer: %s with %d, want ready with %d", s.State, s.Limit, defaultLimit)
		}
		answer <- &gunicornOptions{workers: "3", threads: "2", class: "sync"}
		synctest.Wait()
		if s := front.last(); s.Limit != 6 || s.Async {
			t.Errorf("after it: %+v, want a limit of 6", s)
		}
	})
}

func TestWorkerClassCountsBesideMaxConns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		front, _ := newAskedApp(t, 50, func(context.Context, Spec) (*gunicornOptions, error) {
			return &gunicornOptions{workers: "3", threads: "1", class: "gevent"}, nil
		})
		if s := front.last(); s.Limit != 50 || !s.Async {
			t.Errorf("got %+v, want max_conns of 50 and async", s)
		}
	})
}

func TestUnknownLimitIsToldOnceAndIsTheDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		front, logs := newAskedApp(t, 0, func(ctx context.Context, _ Spec) (*gunicornOptions, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		after(printConfigTimeout)
		if s := front.last(); s.State != AppReady || s.Limit != defaultLimit {
			t.Errorf("got %+v, want the default", s)
		}
		if got := logs.FilterMessageSnippet("--print-config failed").Len(); got != 1 {
			t.Errorf("%d lines in the log, want 1: %v", got, logs.All())
		}
	})
}
