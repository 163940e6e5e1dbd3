package supervisor

import "paddock/internal/value"

// Program is one [program.NAME], and the supervisor's half of one [app.NAME].
// Every key has Supervisor's name, meaning and default, but for stopasgroup and
// killasgroup (true) and, for an app, autorestart and startretries (for ever).
type Program struct {
	Command     value.Command `toml:"command"`     // split into words as a shell would, but run without one; required
	Directory   string        `toml:"directory"`   // default: the folder of the configuration file
	Venv        string        `toml:"venv"`        // a virtualenv: its bin on PATH, VIRTUAL_ENV set
	User        string        `toml:"user"`        // name or uid; only when the keeper is root
	Umask       *value.Umask  `toml:"umask"`       // default: the keeper's own
	Priority    int           `toml:"priority"`    // 999; started ascending, stopped descending
	Autostart   bool          `toml:"autostart"`   // true
	Autorestart Autorestart   `toml:"autorestart"` // "unexpected"; an app: true
	Exitcodes   []int         `toml:"exitcodes"`   // [0]: with autorestart "unexpected" these are no reason to restart

	Startsecs    value.Seconds `toml:"startsecs"`    // 1
	Startretries int           `toml:"startretries"` // 3; an app: unlimited unless set
	Stopsignal   Signal        `toml:"stopsignal"`   // TERM
	Stopwaitsecs value.Seconds `toml:"stopwaitsecs"` // 10, then SIGKILL
	Stopasgroup  bool          `toml:"stopasgroup"`  // true
	Killasgroup  bool          `toml:"killasgroup"`  // true

	Environment map[string]string `toml:"environment"` // over env_file and the inherited environment
	EnvFile     string            `toml:"env_file"`    // KEY=VALUE lines, read at each start

	RedirectStderr        bool           `toml:"redirect_stderr"`         // false; true: standard error goes where standard output goes
	StdoutLogfile         string         `toml:"stdout_logfile"`          // AUTO: log_dir/NAME.out.log; NONE; a path; "stdout"
	StdoutLogfileMaxbytes value.ByteSize `toml:"stdout_logfile_maxbytes"` // 50MB, then it is rotated; 0: never
	StdoutLogfileBackups  int            `toml:"stdout_logfile_backups"`  // 10
	StderrLogfile         string         `toml:"stderr_logfile"`          // AUTO: log_dir/NAME.err.log; NONE; a path; "stderr"
	StderrLogfileMaxbytes value.ByteSize `toml:"stderr_logfile_maxbytes"` // 50MB, then it is rotated; 0: never
	StderrLogfileBackups  int            `toml:"stderr_logfile_backups"`  // 10
}

// App is what an app has beside a Program's keys, on the supervisor's side.
type App struct {
	Program
	Workers int `toml:"workers"` // 0: one per CPU unless the app's own configuration says
}
