// Package value holds the small types that configuration keys are written in:
// durations, sizes, listen addresses, commands and lists. It imports nothing of ours.
//
// Units follow the key's origin. A key that comes from nginx is a [Duration] or a
// [Size]; a key that comes from Supervisor is a [Seconds] or a [ByteSize].
package value
