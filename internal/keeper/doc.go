// Package keeper is the keeper process: it reads the configuration, holds every
// listening socket, supervises every process, the proxy among them, and answers on
// the control socket. It never reads a byte from the network.
//
//	run ── config ── record ── sockets ── logs ── control ── proxy ── manager
//	                                                │          │
//	             commands, reload, signals ─────────┘          └─ front: apps, probes, drains
//
// Everything is prepared before anything is committed: a start or a reload that
// fails changes nothing, and says why in one line.
package keeper
