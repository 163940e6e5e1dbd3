package supervisor

import (
	"slices"
	"strings"

	"paddock/internal/value"
)

// Bounds that keep a slip of the pen from becoming a fault at run time.
const (
	maxWorkers    = 1000
	maxLogBackups = 1000
)

// Validate appends what is wrong with the program; at is the key path of its table.
func (p Program) Validate(at string, problems *value.Problems) {
	p.validate(at, 0, problems)
}

// Validate appends what is wrong with the app; at is the key path of its table.
func (a App) Validate(at string, problems *value.Problems) {
	a.validate(at, Unlimited, problems)
	if a.Workers < 0 || a.Workers > maxWorkers {
		problems.Addf(value.Join(at, "workers"), "%d is out of range; expected 1 to %d, or 0 for one per CPU", a.Workers, maxWorkers)
	}
}

func (p Program) validate(at string, minRetries int, problems *value.Problems) {
	add := func(key, format string, args ...any) { problems.Addf(value.Join(at, key), format, args...) }
	if !p.Command.Set() {
		add("command", "is missing; expected a command line in quotes")
	}
	if p.Startretries < minRetries {
		add("startretries", "%d is out of range; expected %d or more", p.Startretries, minRetries)
	}
	if p.Stopasgroup && !p.Killasgroup {
		// Supervisor refuses this too: the group would get TERM and never KILL.
		add("killasgroup", "false with stopasgroup = true; expected both true, or stopasgroup = false")
	}
	for _, c := range p.Exitcodes {
		if c < 0 || c > 255 {
			add("exitcodes", "%d is no exit code; expected 0 to 255", c)
		}
	}
	if !slices.Contains([]Autorestart{RestartNever, RestartUnexpected, RestartAlways}, p.Autorestart) {
		add("autorestart", "%q; expected true, false or \"unexpected\"", string(p.Autorestart))
	}
	if p.Stopsignal <= 0 {
		add("stopsignal", `is not set; expected a signal such as "TERM"`)
	}
	p.validateEnvironment(at, problems)
	p.validateLogs(add)
}

func (p Program) validateEnvironment(at string, problems *value.Problems) {
	for name, text := range p.Environment {
		key := value.Join(value.Join(at, "environment"), name)
		if name == "" || strings.ContainsAny(name, "=\x00") {
			problems.Addf(key, "%q is no name of a variable; expected one without = and NUL", name)
		}
		if strings.Contains(text, "\x00") {
			problems.Addf(key, "the value holds a NUL byte")
		}
	}
}

func (p Program) validateLogs(add func(key, format string, args ...any)) {
	for _, l := range []struct {
		name    string
		max     value.ByteSize
		backups int
	}{
		{"stdout_logfile", p.StdoutLogfileMaxbytes, p.StdoutLogfileBackups},
		{"stderr_logfile", p.StderrLogfileMaxbytes, p.StderrLogfileBackups},
	} {
		if l.max < 0 {
			add(l.name+"_maxbytes", "%d is out of range; expected 0 (never rotate) or more", l.max)
		}
		if l.backups < 0 || l.backups > maxLogBackups {
			add(l.name+"_backups", "%d is out of range; expected 0 to %d", l.backups, maxLogBackups)
		}
	}
}
