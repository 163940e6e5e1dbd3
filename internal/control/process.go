package control

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// The actions on processes.
const (
	ActionStart   = "start"
	ActionStop    = "stop"
	ActionRestart = "restart"
	ActionSignal  = "signal"
)

// All names every app and program.
const All = "all"

// ProcessRequest asks for one action on several apps and programs.
type ProcessRequest struct {
	Action string   `json:"action"`
	Names  []string `json:"names"`            // or All alone
	Signal string   `json:"signal,omitempty"` // of ActionSignal: "HUP", "SIGHUP" or "1"
}

// ProcessResult is what became of one of the names.
type ProcessResult struct {
	Name  string `json:"name"`
	Error string `json:"error,omitempty"` // in supervisorctl's words; "" when it was done
	// Harmless says that there was nothing to do: it was started, or stopped, before.
	Harmless bool `json:"harmless,omitempty"`
}

// process checks the arguments of the call.
func (s *Server) process(body []byte) (func(context.Context) (any, error), error) {
	var request ProcessRequest
	if err := decode(body, &request); err != nil {
		return nil, err
	}
	actions := []string{ActionStart, ActionStop, ActionRestart, ActionSignal}
	switch {
	case !slices.Contains(actions, request.Action):
		return nil, fmt.Errorf("unknown action %q; expected %s", request.Action, strings.Join(actions, ", "))
	case len(request.Names) == 0 || slices.Contains(request.Names, ""):
		return nil, fmt.Errorf("expected the names of apps or programs, or %q", All)
	case (request.Action == ActionSignal) != (request.Signal != ""):
		return nil, fmt.Errorf("a signal goes with the action %s and with no other", ActionSignal)
	}
	return func(ctx context.Context) (any, error) { return s.calls.Process(ctx, request) }, nil
}

// Process starts, stops, restarts or signals apps and programs, and returns when
// each of them is done.
func (c *Client) Process(ctx context.Context, request ProcessRequest) ([]ProcessResult, error) {
	var out []ProcessResult
	err := c.call(ctx, http.MethodPost, "/v1/process", request, &out)
	return out, err
}
