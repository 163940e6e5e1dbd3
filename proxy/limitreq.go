package proxy

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"paddock/accesslog"
	"paddock/internal/value"
)

// limitRules are the compiled limit_req of a place, after inheritance.
type limitRules struct {
	limits []reqLimit
	status int
	level  zapcore.Level // of refusals; delays are one below
	dryRun bool
}

// reqLimit is one limit_req.
type reqLimit struct {
	zone  *limitZone
	burst int64 // thousandths of a request
	free  int64 // of which so much is not delayed; noDelay: all
}

const (
	defaultLimitStatus = 503 // nginx: limit_req_status
	noDelay            = 1 << 62
	limitForm          = `expected "zone=NAME [burst=N] [nodelay | delay=N]"`
)

// compileZones compiles limit_req_zone.
func (c *compiler) compileZones() {
	c.out.zones = map[string]*limitZone{}
	for name, text := range c.cfg.ReqZones {
		z, err := parseLimitZone(name, text)
		if err != nil {
			c.problems.Addf(value.Join("limit_req_zone", name), "%v", err)
			continue
		}
		c.out.zones[name] = z
	}
}

// keepZones has the zones that stay as they were live on.
func (p *Proxy) keepZones(next *snapshot) {
	old := p.snap.Load()
	for name, z := range next.zones {
		if was := old.zones[name]; was != nil && was.text == z.text {
			z.limitState = was.limitState
		}
	}
}

// limits resolves what a place sets over what it inherits.
func (c *compiler) limits(key string, own *Settings, r limitRules) limitRules {
	if own.LimitReq != nil {
		r.limits = nil
		for _, text := range own.LimitReq {
			if l, err := c.limit(text); err != nil {
				c.problems.Addf(value.Join(key, "limit_req"), "%q: %v", text, err)
			} else {
				r.limits = append(r.limits, l)
			}
		}
	}
	if own.LimitReqStatus != nil {
		r.status = *own.LimitReqStatus
		if r.status < 400 || r.status > 599 {
			c.problems.Addf(value.Join(key, "limit_req_status"), "expected 400 to 599, got %d", r.status)
		}
	}
	setBool(&r.dryRun, own.LimitReqDryRun)
	if own.LimitReqLogLevel != "" {
		level, known := map[string]zapcore.Level{"info": zap.InfoLevel, "notice": zap.InfoLevel, "warn": zap.WarnLevel, "error": zap.ErrorLevel}[own.LimitReqLogLevel]
		if r.level = level; !known {
			c.problems.Addf(value.Join(key, "limit_req_log_level"), "%q: expected info, notice, warn or error", own.LimitReqLogLevel)
		}
	}
	return r
}

func (c *compiler) limit(text string) (l reqLimit, err error) {
	for word := range strings.FieldsSeq(text) {
		name, argument, _ := strings.Cut(word, "=")
		var n int64
		switch name {
		case "zone":
			if l.zone = c.out.zones[argument]; l.zone == nil {
				return l, fmt.Errorf("unknown zone %q; known are %s", argument, list(maps.Keys(c.out.zones)))
			}
			continue
		case "nodelay":
			l.free = noDelay
			continue
		case "burst", "delay":
			if n, err = strconv.ParseInt(argument, 10, 32); err != nil || n < 1 {
				return l, fmt.Errorf("%s: expected a number from 1; %s", word, limitForm)
			}
		default:
			return l, fmt.Errorf("unknown parameter %q; %s", word, limitForm)
		}
		if name == "burst" {
			l.burst = n * 1000
		} else {
			l.free = n * 1000
		}
	}
	if l.zone == nil {
		return l, fmt.Errorf("no zone; %s", limitForm)
	}
	return l, nil
}

// limit refuses or delays a request of which there are too many (nginx: limit_req). It
// runs once for a request, where it may wait.
func (x *exchange) limit() error {
	rules := &x.place.limit
	if len(rules.limits) == 0 || x.Limited != 0 {
		return nil
	}
	x.Limited = accesslog.LimitPassed
	now := time.Now()
	var delay time.Duration
	last := len(rules.limits) - 1
	for i := range rules.limits {
		l := &rules.limits[i]
		if !x.limitKey(l) {
			continue
		}
		excess, ok := l.zone.allow(x.scratch, l.burst, now, i == last)
		if !ok {
			return x.rejectLimited(rules, l, excess)
		}
		if late := excess - l.free; late > 0 {
			if d := time.Duration(late*1000/l.zone.rate) * time.Millisecond; d > delay {
				delay = d
				x.noteLimit(rules.level-1, rules, "delaying request, excess: %d.%03d, by zone %q", l, excess)
			}
		}
	}
	x.countLimits(rules.limits[:last], now)
	if delay == 0 {
		return nil
	}
	if x.Limited = accesslog.LimitDelayed; rules.dryRun {
		x.Limited = accesslog.LimitDelayedDryRun
		return nil
	}
	return x.pause(delay)
}

// limitKey puts the key that a limit counts by into scratch; false: it does not limit this
// request.
func (x *exchange) limitKey(l *reqLimit) bool {
	x.scratch = l.zone.key.Append(x.scratch[:0], &x.Entry)
	return len(x.scratch) > 0 && len(x.scratch) <= maxLimitKey
}

// countLimits counts a request in the zones in front of the last one, when that has let it
// in, too: what one limit refuses is not to use up another's (nginx:
// ngx_http_limit_req_account).
func (x *exchange) countLimits(limits []reqLimit, now time.Time) {
	for i := range limits {
		if l := &limits[i]; x.limitKey(l) {
			l.zone.count(x.scratch, now)
		}
	}
}

func (x *exchange) rejectLimited(rules *limitRules, l *reqLimit, excess int64) error {
	x.noteLimit(rules.level, rules, "limiting requests, excess: %d.%03d by zone %q", l, excess)
	if rules.dryRun {
		x.Limited = accesslog.LimitRejectedDryRun
		return nil
	}
	x.Limited = accesslog.LimitRejected
	return &refusal{status: rules.status, reason: accesslog.RefusedLimit}
}

// noteLimit writes nginx's line, which fail2ban reads.
func (x *exchange) noteLimit(level zapcore.Level, rules *limitRules, text string, l *reqLimit, excess int64) {
	if rules.dryRun {
		text = strings.Replace(text, ", excess", ", dry run, excess", 1)
	}
	if e := x.conn.proxy.logger.Check(level, fmt.Sprintf(text, excess/1000, excess%1000, l.zone.name)); e != nil {
		e.Write(x.clientFields()...)
	}
}

// clientFields are what nginx says of a request in its error log.
func (x *exchange) clientFields() []zap.Field {
	fields := []zap.Field{
		zap.Uint64("connection", x.Conn.Serial), zap.String("client", x.Conn.RemoteAddr), zap.String("server", x.ServerName),
		zap.ByteString("request", x.Line),
	}
	if v, ok := x.req.Get("host"); ok {
		fields = append(fields, zap.ByteString("host", v))
	}
	if v, ok := x.req.Get("referer"); ok {
		fields = append(fields, zap.ByteString("referrer", v))
	}
	return fields
}

// pauseSlice is how late a client that leaves while it is delayed is noticed.
const pauseSlice = 250 * time.Millisecond

// pause waits, unless the client leaves.
func (x *exchange) pause(d time.Duration) error {
	x.conn.watch()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for end := time.Now().Add(d); ; {
		<-timer.C
		left := time.Until(end)
		switch {
		case x.conn.gone.Load():
			return errClientGone
		case left <= 0:
			return nil
		}
		timer.Reset(min(left, pauseSlice))
	}
}
