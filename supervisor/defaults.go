package supervisor

import (
	"syscall"
	"time"

	"paddock/internal/value"
)

// Defaults of [program.NAME] and [app.NAME]. Source: Supervisor, "[program:x]
// Section Values", unless the comment says otherwise.
const (
	DefaultPriority       = 999
	DefaultStartsecs      = value.Seconds(1)
	DefaultStartretries   = 3
	DefaultStopwaitsecs   = value.Seconds(10)
	DefaultLogMaxbytes    = value.ByteSize(50 << 20)
	DefaultLogBackups     = 10
	DefaultLogfile        = LogAuto
	DefaultHealthTimeout  = time.Minute      // ours: a large Django site boots in a few seconds
	DefaultDrainLimit     = 30 * time.Second // ours: gunicorn's graceful_timeout
	DefaultAppRestart     = RestartAlways    // ours: a site must come back by itself
	DefaultProgramRestart = RestartUnexpected

	// Unlimited as startretries tries for ever. It is the default of an app.
	Unlimited = -1
)

// Words that stdout_logfile and stderr_logfile take instead of a path.
const (
	LogAuto = "AUTO" // log_dir/NAME.out.log, log_dir/NAME.err.log
	LogNone = "NONE" // not kept
)

// DefaultProgram returns a program with every default set.
func DefaultProgram() Program {
	return Program{
		Priority: DefaultPriority, Autostart: true,
		Autorestart: DefaultProgramRestart, Exitcodes: []int{0},
		Startsecs: DefaultStartsecs, Startretries: DefaultStartretries,
		Stopsignal: Signal(syscall.SIGTERM), Stopwaitsecs: DefaultStopwaitsecs,
		Stopasgroup: true, Killasgroup: true,
		StdoutLogfile: DefaultLogfile, StdoutLogfileMaxbytes: DefaultLogMaxbytes, StdoutLogfileBackups: DefaultLogBackups,
		StderrLogfile: DefaultLogfile, StderrLogfileMaxbytes: DefaultLogMaxbytes, StderrLogfileBackups: DefaultLogBackups,
	}
}

// DefaultApp returns an app with every default set.
func DefaultApp() App {
	p := DefaultProgram()
	p.Autorestart = DefaultAppRestart
	p.Startretries = Unlimited
	return App{Program: p}
}
