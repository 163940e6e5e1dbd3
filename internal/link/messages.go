package link

import (
	"encoding/json"
)

// The types of messages, with the direction and the body of each. "Answered" ones
// are sent with Call.
const (
	TypeHello        = "hello"        // both: Hello
	TypeReply        = "reply"        // both: the answer to a request
	TypeDescriptors  = "descriptors"  // keeper to proxy: Descriptors, ahead of a message that needs more than MaxFiles
	TypeConfigure    = "configure"    // keeper to proxy, answered with Ready: Configure
	TypeApp          = "app"          // keeper to proxy, answered: what became of an app, as supervisor.AppState and proxy.AppState
	TypeProbe        = "probe"        // keeper to proxy, answered with ProbeResult: Probe
	TypeDrain        = "drain"        // keeper to proxy, answered when nothing is in flight: Drain
	TypeLogs         = "logs"         // keeper to proxy, answered: Logs
	TypeQuit         = "quit"         // keeper to proxy: Quit
	TypeReady        = "ready"        // proxy to keeper: Ready
	TypeLoad         = "load"         // proxy to keeper: Load
	TypeCertificates = "certificates" // keeper to proxy, answered with what the proxy knows of each
	TypeRenew        = "renew"        // keeper to proxy, answered when it is done: Renew
	TypeStats        = "stats"        // both, answered with Stats
)

// Hello is the first message of each side.
type Hello struct {
	Version int    `json:"version"`
	Build   string `json:"build"`
}

// Descriptors carries a part of the files of the Configure or Logs with the same serial.
type Descriptors struct {
	Serial int `json:"serial"`
}

// Configure hands over a checked configuration. Its files come in the order of
// [Configure.Order]. It is answered with [Ready], or refused and nothing has changed.
type Configure struct {
	Serial    int       `json:"serial"`              // counts configurations from 1
	Listeners []string  `json:"listeners,omitempty"` // value.Listen.Key of every listening socket
	Logs      []LogFile `json:"logs,omitempty"`
	AppDir    bool      `json:"app_dir,omitempty"`  // a descriptor of run_dir/app comes along
	TempDir   bool      `json:"temp_dir,omitempty"` // a descriptor of state_dir/tmp comes along
	Metrics   string    `json:"metrics,omitempty"`  // the one of Listeners that metrics are served on
}

// Payload is what the configuration's memfd holds. The link does not look into it.
type Payload struct {
	Proxy json.RawMessage `json:"proxy"` // proxy.Config
	TLS   json.RawMessage `json:"tls"`   // tls.Setup
}

// LogFile is an access log that the keeper opened.
type LogFile struct {
	Path string `json:"path"` // as the configuration names it; also "stdout", "stderr"
}

// Logs replaces the descriptors of access logs after a reopen or a rotation: one
// file for each, in this order.
type Logs struct {
	Serial int       `json:"serial"`
	Logs   []LogFile `json:"logs"`
}

// Probe asks whether a generation answers its health request.
type Probe struct {
	App        string `json:"app"`
	Generation int    `json:"generation"`
	Socket     string `json:"socket"` // name of its unix socket in run_dir/app
}

// ProbeResult answers a Probe; Err is empty when the generation answered below 500.
type ProbeResult struct {
	Err string `json:"err,omitempty"`
}

// Drain asks to send a generation nothing more, to close its idle connections, and to
// answer when no request is in flight there.
type Drain struct {
	App        string `json:"app"`
	Generation int    `json:"generation"`
}

// Renew asks to renew the certificate of a name now, or every one when it is empty.
type Renew struct {
	Name string `json:"name"`
}

// Quit asks the proxy to end: when the requests in flight are answered, or at once.
type Quit struct {
	Now bool `json:"now,omitempty"`
}

// Ready tells that a configuration serves.
type Ready struct {
	Serial int `json:"serial"`
	Pid    int `json:"pid"`
}

// Load tells how busy the apps are.
type Load struct {
	Apps []AppLoad `json:"apps"`
}

// AppLoad is the load of one generation.
type AppLoad struct {
	App        string `json:"app"`
	Generation int    `json:"generation"`
	InFlight   int    `json:"in_flight"`
	Queued     int    `json:"queued"`
	Limit      int    `json:"limit"` // requests at once; 0: no limit
}

// Stats is whatever the two sides agree on.
type Stats = json.RawMessage
