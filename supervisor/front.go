package supervisor

import (
	"context"
	"time"
)

// Front is what an App needs of the proxy.
type Front interface {
	// Publish tells where requests for an app go. It must not block; a later state
	// of an app replaces an earlier one.
	Publish(AppState)
	// Probe asks a generation over its own socket (SocketName) for the app's health
	// path. nil: it answered below 500. It waits as long as ctx.
	Probe(ctx context.Context, app string, generation int) error
	// Drain closes a generation's idle connections. nil: nothing is in flight there.
	Drain(ctx context.Context, app string, generation int) error
}

// The states of an app as the proxy needs them.
const (
	AppStarting = "starting" // requests wait
	AppReady    = "ready"
	AppBackoff  = "backoff" // requests are refused at once, as in the next two
	AppFatal    = "fatal"
	AppStopped  = "stopped"
)

// AppState tells the proxy where requests for an app go and how many at once.
type AppState struct {
	Name       string
	State      string        // AppStarting …
	Generation int           // the one to send requests to; 0: there is none
	Socket     string        // its socket's name in the folder of app sockets
	Limit      int           // requests at once
	Async      bool          // a WebSocket is none of them: it costs no worker
	RetryAfter time.Duration // of a refusal: until the next try
	Err        string        // why the app is not up
	Output     string        // its last lines when it is not up, with AppSpec.ShowOutput
}
