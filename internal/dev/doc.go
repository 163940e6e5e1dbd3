// Package dev is `paddock dev`: the app in a folder served without a configuration,
// restarted when its code changes, with one log for a person at a terminal.
//
// Nothing is implemented twice: what is found becomes a configuration in memory,
// which is checked like a file and run by the keeper. Around it stand:
//
//	detect.go    what to run: Django, a WSGI module, or the command that was given
//	scan.go      the names that a Python source defines, without running it
//	python.go    the interpreter or virtualenv, and which packages it has
//	serve.go     how that is served: gunicorn, or a small server of Python's own
//	watch.go     changes of files, those that matter (ignore.go), once things calm down (debounce.go)
//	place.go     the private folder, which is removed at the end
//	printer.go   the log
package dev
