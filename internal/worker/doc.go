// Package worker is the proxy process: it ties the link to the keeper with the
// proxy, the access logs and the connections.
//
// It never opens a configuration file: what the keeper has checked arrives in a
// sealed memfd, listening sockets and access logs arrive as descriptors. When the
// link ends, because the keeper asks for it or died, the process takes no new
// connection, finishes what it holds and exits.
package worker
