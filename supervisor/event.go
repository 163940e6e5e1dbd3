package supervisor

import (
	"fmt"
	"syscall"
	"time"
)

// Event is one transition of one process. Logs, metrics and control clients read
// events; nothing else reports what a process does.
type Event struct {
	Time       time.Time
	Name       string
	Kind       Kind
	Generation int // 0 for anything but an app
	From, To   ProcessState
	PID        int           // of the child, or of the one that Exit is about; 0: none
	Tries      int           // STARTING and BACKOFF: failed starts so far
	Delay      time.Duration // BACKOFF: time until the next try
	Expected   bool          // EXITED: the exit code is one of exitcodes
	Exit       *Exit         // how the process ended, when it just has
	Err        string        // BACKOFF, FATAL, EXITED: why
}

// Deployment is one deploy that has ended. What it does to processes is told by
// events; this tells how it went.
type Deployment struct {
	Name       string
	Generation int           // that was deployed
	Took       time.Duration // until the old generation was gone, or the new one given up
	Err        error         // why it does not serve; ErrCancelled
}

// Exit says how a process ended.
type Exit struct {
	Code    int            // exit code; -1 when a signal ended it, or when Unknown
	Signal  syscall.Signal `json:",omitempty"` // the signal that ended it, 0 for none
	Unknown bool           `json:",omitempty"` // it was no child of ours: its status is not known
}

// String describes the end as Supervisor and the shell do: "exit status 3",
// "killed by SIGKILL".
func (e Exit) String() string {
	switch {
	case e.Unknown:
		return "exit status unknown"
	case e.Signal != 0:
		return "killed by SIG" + Signal(e.Signal).String()
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

func exitOf(ws syscall.WaitStatus) Exit {
	if ws.Signaled() {
		return Exit{Code: -1, Signal: ws.Signal()}
	}
	return Exit{Code: ws.ExitStatus()}
}
