package control

import (
	"context"
	"time"
)

// Calls are what the socket offers; one that is nil answers 404. They run in
// goroutines of their own, several at once. Their context ends when the server
// closes, not when a client leaves.
type Calls struct {
	Status  func(ctx context.Context) (Status, error)
	Version func(ctx context.Context) (Version, error)
	Reload  func(ctx context.Context) error
	Deploy  func(ctx context.Context, name string) error // returns when the new generation serves, or why it does not
	Reopen  func(ctx context.Context) error
	Process func(ctx context.Context, request ProcessRequest) ([]ProcessResult, error)

	Certificates func(ctx context.Context) ([]Certificate, error)
	Renew        func(ctx context.Context, name string) error // of a certificate, or of all: ""; returns when it is done
}

// Version says what runs.
type Version struct {
	Version string `json:"version"`
	Pid     int    `json:"pid"` // of the keeper
}

// Status is the whole state at one moment. Times are seconds since the start
// of what they belong to.
type Status struct {
	Pid        int        `json:"pid"` // of the keeper
	Version    string     `json:"version"`
	Started    time.Time  `json:"started"`
	Config     string     `json:"config"` // path of the configuration file
	LastReload LastReload `json:"last_reload,omitzero"`
	Listen     []string   `json:"listen"` // addresses that are open
	Proxy      Proxy      `json:"proxy"`
	Apps       []App      `json:"apps"`
	Programs   []Program  `json:"programs"`
	Logs       []Log      `json:"logs"`
	Warnings   []string   `json:"warnings"`   // about the running configuration
	Goroutines int        `json:"goroutines"` // of the keeper
}

// Log is one access log, since the proxy started.
type Log struct {
	Path    string `json:"path"`
	Lines   uint64 `json:"lines"`   // written, or about to be
	Dropped uint64 `json:"dropped"` // the disk did not take
}

// LastReload is how the last reload went; At is zero when there was none.
type LastReload struct {
	At    time.Time `json:"at,omitzero"`
	OK    bool      `json:"ok"`
	Error string    `json:"error,omitempty"`
}

// Proxy is the process that touches clients.
type Proxy struct {
	Pid      int    `json:"pid"` // 0 when it is not running
	State    string `json:"state"`
	Uptime   int64  `json:"uptime"`
	Restarts int    `json:"restarts"` // since the keeper started

	RSS         uint64 `json:"rss_bytes"`
	Goroutines  int    `json:"goroutines"`
	Connections int    `json:"connections"` // of clients, open
	Requests    uint64 `json:"requests"`    // since it started
}

// App is one app. State is Supervisor's name of a process state.
type App struct {
	Name       string   `json:"name"`
	State      string   `json:"state"`
	Generation int      `json:"generation"`
	Pid        int      `json:"pid"`
	Uptime     int64    `json:"uptime"`
	InFlight   int      `json:"in_flight"` // requests in the app
	Queued     int      `json:"queued"`    // requests that wait
	Limit      int      `json:"limit"`     // requests at once; 0: no limit
	Socket     string   `json:"socket"`
	LastError  string   `json:"last_error,omitempty"`
	Logs       []string `json:"logs"`                // paths of its output
	Workers    []int    `json:"workers"`             // pids of what its main process has started itself
	Processes  int      `json:"processes"`           // the app's own and all that it has started
	RSS        uint64   `json:"rss_bytes"`           // of all of them; what they share is counted for each
	Deploying  int      `json:"deploying,omitempty"` // the generation that is being deployed
	Dropped    uint64   `json:"dropped_bytes"`       // of output, that its logs did not take
}

// Program is one program. State is Supervisor's name of a process state.
type Program struct {
	Name      string   `json:"name"`
	State     string   `json:"state"`
	Pid       int      `json:"pid"`
	Uptime    int64    `json:"uptime"`
	LastError string   `json:"last_error,omitempty"`
	Logs      []string `json:"logs"`          // paths of its output
	Processes int      `json:"processes"`     // its own and all that it has started
	RSS       uint64   `json:"rss_bytes"`     // of all of them
	Dropped   uint64   `json:"dropped_bytes"` // of output, that its logs did not take
}

// DeployRequest is the body of a deploy.
type DeployRequest struct {
	Name string `json:"name"`
}

// Error is an answer that says no. A call returns one to choose its HTTP status,
// and the client returns one for every such answer.
type Error struct {
	Status int
	Text   string
}

// Error returns the text alone.
func (e *Error) Error() string { return e.Text }
