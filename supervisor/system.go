package supervisor

import (
	"context"
	"fmt"
	"os"

	"go.uber.org/zap"
)

// System starts and takes over real processes.
type System struct {
	// Instance tells the processes of one keeper from another's. It stands in each
	// child's environment (PADDOCK_INSTANCE), by which orphans are found.
	Instance string
	// Reaper keeps its hands off the children started here. nil: there is none.
	Reaper *Reaper
	Logger *zap.Logger // nil: no log
	// Shim is the program that becomes the child, and what its arguments begin
	// with. Empty: /proc/self/exe exec, so that a changed file on disk never mixes
	// versions.
	Shim []string
}

// host is the operating system as a Process and an App see it. Tests have a fake.
type host struct {
	spawn  func(Spec) (*child, error)
	adopt  func(Spec, State, []*os.File) *child
	listen func(path string, group int) (*os.File, error)
	unlink func(path string) error
	// printConfig asks an app that is gunicorn what it makes of its configuration.
	printConfig func(context.Context, Spec) (*gunicornOptions, error)
}

func (s *System) host() host {
	return host{spawn: s.spawn, adopt: s.adopt, listen: listenUnix, unlink: os.Remove, printConfig: s.printConfig}
}

// marker is what a child's environment says about who started it.
func (s *System) marker(spec Spec) string {
	return fmt.Sprintf("%s=%s:%s:%d", markerName, s.Instance, spec.Name, spec.Generation)
}

// markerName is the variable by which orphans are found.
const markerName = "PADDOCK_INSTANCE"

func (s *System) shim() []string {
	if len(s.Shim) > 0 {
		return s.Shim
	}
	return []string{"/proc/self/exe", "exec"}
}

func (s *System) log() *zap.Logger {
	if s.Logger == nil {
		return zap.NewNop()
	}
	return s.Logger
}
