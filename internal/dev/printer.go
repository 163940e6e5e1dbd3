package dev

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Colours of a terminal (ECMA-48, SGR).
const (
	reset   = "\x1b[0m"
	bold    = "\x1b[1m"
	dim     = "\x1b[2m"
	red     = "\x1b[31m"
	green   = "\x1b[32m"
	yellow  = "\x1b[33m"
	magenta = "\x1b[35m"
	cyan    = "\x1b[36m"
)

// maxLine bounds a line of the app, in bytes; a longer one is printed in pieces.
const maxLine = 64 << 10

// printer writes the one log that a person reads. Whole lines only; its methods may
// be called by several goroutines.
type printer struct {
	colours bool
	now     func() time.Time

	mu  sync.Mutex
	out io.Writer
}

func newPrinter(out io.Writer, colours bool) *printer {
	return &printer{colours: colours, now: time.Now, out: out}
}

// paint colours text when the terminal takes it.
func (p *printer) paint(colour, text string) string {
	if !p.colours {
		return text
	}
	return colour + text + reset
}

// line writes one line. A terminal that is gone is no reason to stop.
func (p *printer) line(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(p.out, text+"\n")
}

func (p *printer) clock() string { return p.paint(dim, p.now().Format(time.TimeOnly)) }

// say prints what Paddock itself has to tell.
func (p *printer) say(format string, args ...any) { p.own(magenta, format, args...) }

// warn prints what went wrong.
func (p *printer) warn(format string, args ...any) { p.own(red, format, args...) }

func (p *printer) own(colour, format string, args ...any) {
	p.line(p.clock() + " " + p.paint(bold+colour, "paddock") + " " + fmt.Sprintf(format, args...))
}

// request prints a line of the access log: status, seconds, method, target.
func (p *printer) request(line string) {
	fields := strings.SplitN(line, " ", 4)
	if len(fields) < 4 {
		p.line(line)
		return
	}
	p.line(fmt.Sprintf("%s %s %s %s %s", p.clock(), p.paint(bold, fields[2]), fields[3],
		p.paint(statusColour(fields[0]), fields[0]), p.paint(dim, milliseconds(fields[1]))))
}

func statusColour(status string) string {
	switch status[:min(1, len(status))] {
	case "2":
		return green
	case "3":
		return cyan
	case "4":
		return yellow
	}
	return red
}

// milliseconds turns $request_time, seconds with three digits after the point.
func milliseconds(seconds string) string {
	s, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		return "-"
	}
	return strconv.FormatFloat(s*1000, 'f', 0, 64) + " ms"
}

// copyLines prints what comes from r, line by line, until its end.
func copyLines(r io.Reader, print func(string)) {
	var part []byte
	buf := make([]byte, 16<<10)
	for {
		n, err := r.Read(buf)
		part = append(part, buf[:n]...)
		for {
			i := bytes.IndexByte(part, '\n')
			if i < 0 && len(part) < maxLine {
				break
			}
			if i < 0 || i > maxLine {
				i = maxLine - 1
			}
			print(strings.TrimSuffix(string(part[:i+1]), "\n"))
			part = part[i+1:]
		}
		if err != nil {
			if len(part) > 0 {
				print(string(part))
			}
			return
		}
	}
}
