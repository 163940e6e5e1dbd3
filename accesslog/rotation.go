package accesslog

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"paddock/internal/value"
)

// DefaultBackups is how many old files a log that is rotated keeps: two weeks of
// days, as Debian's logrotate has it for nginx.
const DefaultBackups = 14

// Rotation says when a log file gets a new name, how many are kept, and whose new
// ones are. The zero value never rotates, which leaves it to logrotate.
type Rotation struct {
	Maxbytes value.ByteSize // size to rotate at; 0: whatever the size (Supervisor: stdout_logfile_maxbytes)
	Every    string         // "hourly", "daily", "weekly" or "monthly"; "": at no time (logrotate)
	Backups  int            // old files kept, NAME.1 the newest; 0 is DefaultBackups (Supervisor: stdout_logfile_backups)
	Compress bool           // gzip old files but the newest, which may still be written to (logrotate: compress, delaycompress)
	Owner    string         // "USER" or "USER:GROUP" of a new file; "": the keeper's
	Mode     string         // octal; "" is 0640
}

const rotationKeys = "maxbytes, every, backups, compress, owner, mode"

// maxBackups bounds the renames of one rotation.
const maxBackups = 1000

// set sets one key; known is false for a key that is none of these.
func (r *Rotation) set(key string, v any) (known bool, err error) {
	switch key {
	case "maxbytes":
		err = r.Maxbytes.UnmarshalTOML(v)
	case "every":
		err = setText(&r.Every, v)
	case "backups":
		n, ok := v.(int64)
		if !ok || n < 1 || n > maxBackups {
			err = fmt.Errorf("expected a number from 1 to %d, got %v", maxBackups, v)
		}
		r.Backups = int(n)
	case "compress":
		var ok bool
		if r.Compress, ok = v.(bool); !ok {
			err = fmt.Errorf("expected true or false, got %s", value.TypeName(v))
		}
	case "owner":
		err = setText(&r.Owner, v)
	case "mode":
		err = setText(&r.Mode, v)
	default:
		return false, nil
	}
	return true, err
}

func (r *Rotation) check() error {
	if r.Every != "" && !slices.Contains([]string{"hourly", "daily", "weekly", "monthly"}, r.Every) {
		return fmt.Errorf("every = %q; expected hourly, daily, weekly or monthly", r.Every)
	}
	if !r.Rotates() && (r.Backups > 0 || r.Compress) {
		return fmt.Errorf("backups and compress are for a log that rotates; expected maxbytes or every beside them")
	}
	if _, err := parseMode(r.Mode); err != nil {
		return err
	}
	user, _, _ := strings.Cut(r.Owner, ":")
	if r.Owner != "" && user == "" {
		return fmt.Errorf(`owner = %q; expected "USER" or "USER:GROUP"`, r.Owner)
	}
	return nil
}

// Rotates reports whether anything makes the log rotate.
func (r *Rotation) Rotates() bool { return r.Maxbytes > 0 || r.Every != "" }

// Perm is the mode of a new file; 0: the default.
func (r *Rotation) Perm() fs.FileMode {
	mode, _ := parseMode(r.Mode) // checked with the configuration
	return mode
}

func parseMode(text string) (fs.FileMode, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 8, 16)
	if err != nil || n&^0o666 != 0 || n&0o200 == 0 {
		return 0, fmt.Errorf(`mode = %q; expected an octal mode such as "0640" that the owner may write with`, text)
	}
	return fs.FileMode(n), nil
}

// Next is the first time after t at which the log rotates; zero: at none.
func (r *Rotation) Next(t time.Time) time.Time {
	y, m, d := t.Date()
	switch r.Every {
	case "hourly":
		return time.Date(y, m, d, t.Hour()+1, 0, 0, 0, t.Location())
	case "daily":
		return time.Date(y, m, d+1, 0, 0, 0, 0, t.Location())
	case "weekly": // on Mondays
		return time.Date(y, m, d+1+(7-int(t.Weekday()))%7, 0, 0, 0, 0, t.Location())
	case "monthly":
		return time.Date(y, m+1, 1, 0, 0, 0, 0, t.Location())
	}
	return time.Time{}
}
