// Package config reads the TOML file and checks it.
//
// [Load] reads the file and what it includes, decodes every section onto the types
// of the packages that own them, resolves relative paths, fills in defaults and
// runs every check. All that is wrong comes out at once, each with file, line, key
// and what was expected. The steps:
//
//	load.go     the files one after the other, and their merge
//	file.go     one file read and parsed; what it includes
//	scan.go     key path → line, which the TOML library does not tell
//	decode.go   decoded values onto structs, past the first wrong type
//	unknown.go  what to say of a key that nothing knows
//	paths.go    relative paths, each relative to the file that holds it
//	place.go    default folders and the proxy's user
//	check.go    what takes more than one section or the machine to see
//	warn.go     what is doubtful but not refused
//
// A key is known when a struct has it: nothing is read and ignored.
package config
