// Package systemd holds the files that make Paddock a service. It has no code, only
// tests of them.
package systemd
