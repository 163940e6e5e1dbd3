// Package tls holds certificates: files named in the configuration, those of an ACME
// authority, and those of a local one. It hands out a *crypto/tls.Config for each
// server; connections are the proxy's business.
//
//	Setup ─► Prepare ─► Plan: one Server each ─► Commit
//	                                               │ names with tls = "auto" or "internal"
//	                                               ▼
//	                         holder of a name: load, obtain, wait, renew   (name.go)
//	                              │ one goroutine owns the state
//	                              ▼
//	            certmagic: storage, locks ─► issuer.go: acmez ─► the authority
//	                                              │ tokens
//	                                              ▼
//	            Challenge functions ◄── the proxy's own listeners
//
// Nothing here listens or accepts: challenges are answered by the listeners that
// there are. Only names in the configuration are ever ordered.
package tls
