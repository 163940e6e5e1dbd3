package keeper

import (
	"fmt"
	"io"
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"paddock/internal/logfile"
)

// LogBehind is what the log of a process goes to that must not wait for its reader.
func LogBehind(f *os.File) *logfile.Behind { return logfile.NewBehind(f) }

// NewLog makes the daemon's own log on w: level is debug, info, warn or error;
// format is console, for people, json, or nginx, that of its error_log.
func NewLog(w io.Writer, level, format string) (*zap.Logger, error) {
	at, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, fmt.Errorf("log level: %w; expected debug, info, warn or error", err)
	}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.ISO8601TimeEncoder
	enc.EncodeDuration = zapcore.StringDurationEncoder
	var encoder zapcore.Encoder
	switch format {
	case "json":
		encoder = zapcore.NewJSONEncoder(enc)
	case "console":
		enc.EncodeLevel = zapcore.CapitalLevelEncoder
		enc.ConsoleSeparator = " "
		encoder = zapcore.NewConsoleEncoder(enc)
	case "nginx":
		encoder = newNginxEncoder()
	default:
		return nil, fmt.Errorf("log format %q; expected console, json or nginx", format)
	}
	sink := zapcore.Lock(zapcore.AddSync(w))
	return zap.New(zapcore.NewCore(encoder, sink, at), zap.ErrorOutput(zapcore.Lock(os.Stderr))), nil
}
