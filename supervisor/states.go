package supervisor

import "fmt"

// ProcessState is the state of a process. Names and codes are Supervisor's
// (supervisor/states.py), so that its clients understand them.
type ProcessState int

// The states of a process.
const (
	Stopped  ProcessState = 0    // stopped by a request, or never started
	Starting ProcessState = 10   // spawned, not yet counted as up
	Running  ProcessState = 20   // up
	Backoff  ProcessState = 30   // waiting for the next try
	Stopping ProcessState = 40   // told to end, not gone yet
	Exited   ProcessState = 100  // ended from RUNNING and not to be restarted
	Fatal    ProcessState = 200  // could not be started; only a start request leaves it
	Unknown  ProcessState = 1000 // could not be signalled
)

var stateNames = map[ProcessState]string{
	Stopped: "STOPPED", Starting: "STARTING", Running: "RUNNING", Backoff: "BACKOFF",
	Stopping: "STOPPING", Exited: "EXITED", Fatal: "FATAL", Unknown: "UNKNOWN",
}

// String returns Supervisor's name of the state.
func (s ProcessState) String() string {
	if name, ok := stateNames[s]; ok {
		return name
	}
	return fmt.Sprintf("ProcessState(%d)", int(s))
}

// Up reports whether the process runs or is on its way to (Supervisor: RUNNING_STATES).
func (s ProcessState) Up() bool { return s == Running || s == Backoff || s == Starting }

// Down reports whether the process rests until it is asked to start (Supervisor: STOPPED_STATES).
func (s ProcessState) Down() bool {
	return s == Stopped || s == Exited || s == Fatal || s == Unknown
}

// Signallable reports whether there is a process to signal (Supervisor: SIGNALLABLE_STATES).
func (s ProcessState) Signallable() bool { return s == Running || s == Starting || s == Stopping }
