// Package supervisor is the life of a process: it is spawned, watched, restarted,
// stopped, and all that it started with it. Programs follow Supervisor's rules,
// apps ours; the proxy process is run by the same code.
//
// # States
//
// Names, codes and transitions are Supervisor's.
//
//	          start                  up for startsecs,
//	STOPPED ─────────► STARTING ───── or the probe ─────► RUNNING
//	   ▲                │ ▲  │         was answered        │   │
//	   │      ended or  │ │  │                             │   │ ended
//	   │   not runnable │ │  └──────────┐                  │   ▼
//	   │                ▼ │ next try    │ stop        stop │  EXITED
//	   ├──── stop ──── BACKOFF ◄────────┼──────────────────┼───┤ again and again
//	   │                │               ▼                  │   │
//	   └─────────────────────────── STOPPING ◄─────────────┘   └─► STARTING, at once
//	                    │
//	                    ▼ no tries left
//	                  FATAL                 start leaves STOPPED, EXITED and FATAL
//
// An app that is not ready within health_timeout goes STARTING → STOPPING →
// BACKOFF. UNKNOWN is a process that could not be signalled.
//
// # Waits
//
//	program, start failed       1, 2, 3 … s; FATAL after startretries
//	app, start failed           1, 2, 4 … 60 s, for ever unless startretries is set
//	end after RUNNING           the first after a stable run (10 s) restarts at
//	                            once, then after 1, 2, 4 … 60 s in BACKOFF
//	proxy                       at once; five deaths in 10 s: after 1 s
//
// # Who owns what
//
// A [Process] is one goroutine with one select (process.go); requests.go is what it
// can be asked, transitions.go what it does. An app is another goroutine above the
// processes of its generations (app.go, deploy.go). The [Manager] holds all by name.
// Nobody else writes a state; everybody may read the published snapshots.
//
//	Manager ─► app ─► generation ─► Process ─► child ─► shim ─► gunicorn
//	       └────────────────────────► Process ─► child ─► shim ─► celery
//
// A child is started through `paddock exec` ([ExecMain]) in a process group of its
// own. Its end is seen on a pidfd; then the rest of its group and what escaped from
// it is ended (tree.go), its status collected, its output read to the end
// (output.go), and the Process told.
package supervisor
