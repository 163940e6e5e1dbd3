// Package metrics serves the figures of both processes to Prometheus. It is the
// only import of client_golang, and it lives in the proxy: the keeper never opens
// a connection.
//
//	GET /metrics ── Server ── collector ─┬─ proxy.Metrics     its own counters
//	                                     └─ Source.Keeper     over the link, 1 s at most
//
// Nothing is counted here. At a scrape the counters of the two processes are turned
// into series; without an answer of the keeper its series are missing and
// paddock_keeper_up is 0. Label values come from the configuration alone.
package metrics
