// Package proxy is the path of a request: from a client's connection to an app
// and back.
//
//	netpoll ─► conn ─► exchange ─► serve ──────────────────────────────┐
//	             ▲        route     server by name, location by path   │
//	             │        return    an answer of our own               │
//	             │        tryFiles  which path it is to be             │
//	             │        file      or an app:                         │
//	             │        readBody  whole, in memory or in a file      │ serve.go
//	             │        enter     the queue of the app               │
//	             │        call      connect, send, read the head       │
//	             │        relay     the answer, as it comes            │
//	             │        tunnel    or, after a 101, both directions   │
//	             └─ next ◄─ end ─── one accesslog.Entry ◄──────────────┘
//
// A connection that speaks HTTP/2 is the engine's (package http2) instead: each of its
// streams is a conn of its own with one exchange, and goes the same way.
//
// Index files, try_files, error_page and X-Accel-Redirect lead to another place:
// serve then begins anew with the location, ten times at most.
//
// A [Config] is compiled to one immutable snapshot; Configure swaps one pointer.
// What lives longer than a snapshot hangs on the [Proxy]: listeners, connections,
// and an upstream for each app with its queue, counters and idle connections.
//
// An app has generations, one for each start. Requests go to the current one, and
// only while it is ready; those under way finish on the one they began with.
//
//	starting  requests wait in the queue
//	ready     requests go through, limit at once, the rest waits
//	down      (backoff, fatal, stopped) 503 and Retry-After at once
//
// A request begins inline, on the goroutine of the poller (inline.go). The simple case
// ends there: between its two halves it waits for the app without a goroutine. Where it
// would have to wait for anything else it goes on, at the stage it has come to, on a
// goroutine of its own. What a slow client leaves of an answer waits in its backlog, in
// memory and then in a file, so that the app is free again (backlog.go). An idle
// connection has neither goroutine nor buffer.
package proxy
