// Package logfile writes log files: append, rotate as Supervisor does, reopen,
// and count what could not be written. It imports nothing of ours.
//
// A log never stops the process that it is for. A disk that is full, a pipe that
// nobody reads and a terminal that is stopped cost bytes of the log, which are
// counted, and nothing else; when they take bytes again, so does the log.
package logfile
