package accesslog

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	syslogPrefix   = "syslog:"
	syslogPort     = "514"
	syslogTimeout  = 100 * time.Millisecond // for a receiver that is only slow
	syslogDial     = time.Second
	syslogPause    = time.Second // before a receiver that cannot be reached is looked for again
	maxSyslogTag   = 32
	maxSyslogDgram = 65507 // what UDP takes
)

// The names in nginx's order, which is that of RFC 5424's numbers.
var (
	syslogFacilities = []string{
		"kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock", "authpriv", "ftp",
		"ntp", "audit", "alert", "cron", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
	}
	syslogSeverities = []string{"emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"}
)

// syslogPlace is a parsed "syslog:server=…". Source: nginx, "Logging to syslog".
type syslogPlace struct {
	network, addr string
	priority      int // facility * 8 + severity
	tag           string
	nohostname    bool
}

func parseSyslog(text string) (syslogPlace, error) {
	const want = `expected "syslog:server=ADDRESS[,facility=NAME][,severity=NAME][,tag=TAG][,nohostname]"`
	facility, severity := "local7", "info"
	p := syslogPlace{tag: "nginx"}
	for part := range strings.SplitSeq(strings.TrimPrefix(text, syslogPrefix), ",") {
		key, val, given := strings.Cut(part, "=")
		switch {
		case key == "server" && val != "":
			p.network, p.addr = syslogAddress(val)
		case key == "facility":
			facility = val
		case key == "severity":
			severity = val
		case key == "tag":
			p.tag = val
		case key == "nohostname" && !given:
			p.nohostname = true
		default:
			return p, fmt.Errorf("%q: unknown parameter %q; %s", text, part, want)
		}
	}
	f, s := indexOf(syslogFacilities, facility), indexOf(syslogSeverities, severity)
	switch {
	case p.addr == "":
		return p, fmt.Errorf("%q: no server; %s", text, want)
	case f < 0:
		return p, fmt.Errorf("%q: unknown facility %q; expected one of %s", text, facility, strings.Join(syslogFacilities, ", "))
	case s < 0:
		return p, fmt.Errorf("%q: unknown severity %q; expected one of %s", text, severity, strings.Join(syslogSeverities, ", "))
	case p.tag == "" || len(p.tag) > maxSyslogTag || strings.IndexFunc(p.tag, func(r rune) bool { return r > 0x7f || !isNameByte(byte(r)) }) >= 0:
		return p, fmt.Errorf("%q: the tag is %q; expected at most %d letters, digits and underscores", text, p.tag, maxSyslogTag)
	}
	p.priority = f*8 + s
	return p, nil
}

func syslogAddress(text string) (network, addr string) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return "unixgram", path
	}
	if _, _, err := net.SplitHostPort(text); err == nil {
		return "udp", text
	}
	return "udp", net.JoinHostPort(strings.Trim(text, "[]"), syslogPort)
}

func indexOf(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return -1
}

// syslog sends each line as one datagram.
type syslog struct {
	syslogPlace
	*records
	host    string
	conn    net.Conn // nil: none
	retryAt time.Time
	failed  error // of the last attempt to connect
	message bytes.Buffer
}

func newSyslog(text string, o Options) (*syslog, error) {
	p, err := parseSyslog(text)
	if err != nil {
		return nil, err
	}
	s := &syslog{syslogPlace: p}
	if s.host, err = os.Hostname(); err != nil {
		s.host = "localhost"
	}
	s.records = newRecords(o, s.send)
	return s, nil
}

func (s *syslog) write(line []byte, _ *Entry) { s.add(nil, line) }

// send sends a line, on a new connection when the last one broke.
func (s *syslog) send(_, line []byte) error {
	if s.conn == nil {
		if err := s.connect(); err != nil {
			return err
		}
	}
	s.message.Reset()
	s.head(time.Now())
	s.message.Write(bytes.TrimSuffix(line, []byte{'\n'}))
	if n := s.message.Len(); n > maxSyslogDgram {
		return fmt.Errorf("a line of %d bytes is too long for syslog; at most %d fit", n, maxSyslogDgram)
	}
	s.conn.SetWriteDeadline(time.Now().Add(syslogTimeout))
	if _, err := s.conn.Write(s.message.Bytes()); err != nil {
		s.conn.Close()
		s.conn = nil
		if os.IsTimeout(err) { // lines behind this one are not worth such a wait each
			s.retryAt, s.failed = time.Now().Add(syslogPause), err
		}
		return err
	}
	return nil
}

// head writes what BSD's syslog has in front of a message (RFC 3164), as nginx does.
func (s *syslog) head(now time.Time) {
	b := s.message.AvailableBuffer()
	b = append(b, '<')
	b = strconv.AppendInt(b, int64(s.priority), 10)
	b = append(b, '>')
	b = now.AppendFormat(b, time.Stamp)
	b = append(b, ' ')
	if !s.nohostname {
		b = append(append(b, s.host...), ' ')
	}
	b = append(append(b, s.tag...), ": "...)
	s.message.Write(b)
}

func (s *syslog) connect() error {
	if time.Now().Before(s.retryAt) {
		return s.failed
	}
	conn, err := net.DialTimeout(s.network, s.addr, syslogDial)
	if err != nil {
		s.retryAt, s.failed = time.Now().Add(syslogPause), err
		return err
	}
	s.conn = conn
	return nil
}

func (s *syslog) reopen(f *os.File) { f.Close() }

func (s *syslog) close() error {
	err := s.records.close()
	if s.conn != nil {
		s.conn.Close()
	}
	return err
}
