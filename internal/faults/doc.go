// Package faults holds the tests of the whole binary: a real gunicorn with a real
// Flask app behind a real Paddock, one fault each, under load. A test prints how
// many requests were sent, answered and failed.
package faults
