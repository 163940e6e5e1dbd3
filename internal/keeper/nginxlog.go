package keeper

import (
	"fmt"
	"maps"
	"os"
	"strconv"
	"time"

	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// nginxEncoder writes lines as nginx's error_log does, which is what fail2ban's filters
// read: "2026/11/23 02:34:51 [error] 7548#7548: *3 message, client: IP, server: NAME,
// request: "LINE", host: "H"". The field "connection" goes in front of the message.
type nginxEncoder struct {
	zapcore.ObjectEncoder // what With added; it comes behind the line's own fields
	pid                   string
}

const nginxLogTime = "2006/01/02 15:04:05"

var nginxBuffers = buffer.NewPool()

func newNginxEncoder() *nginxEncoder {
	return &nginxEncoder{ObjectEncoder: zapcore.NewMapObjectEncoder(), pid: strconv.Itoa(os.Getpid())}
}

// Clone implements zapcore.Encoder.
func (e *nginxEncoder) Clone() zapcore.Encoder {
	next := newNginxEncoder()
	maps.Copy(next.ObjectEncoder.(*zapcore.MapObjectEncoder).Fields, e.ObjectEncoder.(*zapcore.MapObjectEncoder).Fields)
	return next
}

// EncodeEntry implements zapcore.Encoder.
func (e *nginxEncoder) EncodeEntry(entry zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	line := nginxBuffers.Get()
	line.AppendTime(entry.Time, nginxLogTime)
	line.AppendString(" [" + entry.Level.String() + "] " + e.pid + "#" + e.pid + ": ")
	for _, f := range fields {
		if f.Key == "connection" {
			line.AppendString("*" + strconv.FormatInt(f.Integer, 10) + " ")
		}
	}
	line.AppendString(harmless(entry.Message))
	for _, f := range fields {
		if f.Key != "connection" {
			values := zapcore.NewMapObjectEncoder()
			f.AddTo(values)
			for name, value := range values.Fields {
				appendNginxField(line, name, value)
			}
		}
	}
	for name, value := range e.ObjectEncoder.(*zapcore.MapObjectEncoder).Fields {
		appendNginxField(line, name, value)
	}
	if entry.Stack != "" {
		line.AppendString("\n" + entry.Stack)
	}
	line.AppendByte('\n')
	return line, nil
}

// appendNginxField quotes what nginx quotes.
func appendNginxField(line *buffer.Buffer, name string, value any) {
	text := fmt.Sprint(value)
	if d, ok := value.(time.Duration); ok {
		text = d.String()
	}
	line.AppendString(", " + name + ": ")
	switch name {
	case "request", "upstream", "host", "referrer":
		line.AppendString(`"` + quotable(text) + `"`)
	default:
		line.AppendString(harmless(text))
	}
}

// harmless keeps one message on one line.
func harmless(s string) string { return escaped(s, func(c byte) bool { return c < ' ' || c == 0x7f }) }

// quotable is harmless in quotes as well: nobody can write the end of the quotes.
func quotable(s string) string {
	return escaped(s, func(c byte) bool { return c < ' ' || c == 0x7f || c == '"' })
}

func escaped(s string, bad func(byte) bool) string {
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		if bad(s[i]) {
			out = fmt.Appendf(out, `\x%02X`, s[i])
		} else {
			out = append(out, s[i])
		}
	}
	return string(out)
}
