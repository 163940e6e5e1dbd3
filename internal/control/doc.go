// Package control is the keeper's control socket and its client: HTTP/1.1 with
// JSON over the unix socket run_dir/control.sock.
//
//	GET  /v1/status            Status
//	GET  /v1/version           Version
//	POST /v1/reload            {}
//	POST /v1/deploy            {"name": "web"}
//	POST /v1/reopen            {}
//
// What fails answers {"error": "…"}: 400 for a request that cannot be read, 403 for
// a caller that may not, 404 for an unknown call, 405 for the wrong method, 413 for a
// body over 1 MiB, 500 (or the Status of an [*Error]) for a call that failed.
//
// A call lives as long as it takes. A client that leaves stops waiting; the call
// goes on. Who may call is decided by the socket's mode and, on accept, by the
// caller's uid (SO_PEERCRED): root and the keeper's own user.
package control
