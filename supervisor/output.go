package supervisor

import (
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"paddock/internal/logfile"
)

const (
	// pipeSize is asked of the kernel for each log pipe; a user without
	// privileges gets at most /proc/sys/fs/pipe-max-size.
	pipeSize = 1 << 20
	readSize = 64 << 10
	// outputGrace is how long after the end of a process its pipe is read when
	// somebody else holds the other end.
	outputGrace = 500 * time.Millisecond
)

// output is what one child writes: a pipe and a goroutine for each channel.
type output struct {
	stdin *os.File // the child's; ours until it has started
	out   *os.File
	err   *os.File
	tail  *logfile.Tail
	pumps []*pump
}

// pump carries one channel from its pipe to its sink, byte for byte.
type pump struct {
	stderr bool
	pipe   *os.File
	sink   *Sink // nil: thrown away
	tail   *logfile.Tail
	done   chan struct{} // closed when the goroutine has returned
}

// openOutput makes the child's first three descriptors.
func openOutput(spec Spec) (*output, error) {
	o := &output{tail: logfile.NewTail(logfile.DefaultTailSize)}
	var err error
	if o.stdin, err = os.Open(os.DevNull); err != nil {
		return nil, err
	}
	if spec.Inherit {
		o.out, o.err = os.Stdout, os.Stderr
		if spec.Stderr == nil {
			return o, nil
		}
		if o.err, err = o.channel(true, spec.Stderr); err != nil {
			o.err = nil
			o.abandon()
			return nil, err
		}
		return o, nil
	}
	if o.out, err = o.channel(false, spec.Stdout); err != nil {
		o.abandon()
		return nil, err
	}
	o.err = o.out
	if spec.RedirectStderr {
		return o, nil
	}
	if o.err, err = o.channel(true, spec.Stderr); err != nil {
		o.err = nil
		o.abandon()
		return nil, err
	}
	return o, nil
}

// adoptOutput goes on with the pipes of a child that was started elsewhere.
func adoptOutput(spec Spec, channels []Channel, files []*os.File) *output {
	o := &output{tail: logfile.NewTail(logfile.DefaultTailSize)}
	for _, c := range channels {
		if c.File < 0 || c.File >= len(files) {
			continue
		}
		sink := spec.Stdout
		if c.Stderr {
			sink = spec.Stderr
		}
		o.pump(c.Stderr, files[c.File], sink)
	}
	return o
}

// channel makes a pipe with a pump and returns the child's end.
func (o *output) channel(stderr bool, sink *Sink) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	if conn, err := r.SyscallConn(); err == nil {
		conn.Control(func(fd uintptr) { unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) }) // smaller will do
	}
	o.pump(stderr, r, sink)
	return w, nil
}

func (o *output) pump(stderr bool, r *os.File, sink *Sink) {
	p := &pump{stderr: stderr, pipe: r, sink: sink, tail: o.tail, done: make(chan struct{})}
	o.pumps = append(o.pumps, p)
	go p.run()
}

// run ends at the end of the pipe, or at a read deadline.
func (p *pump) run() {
	defer close(p.done)
	var w io.Writer = p.tail
	if p.sink != nil {
		w = io.MultiWriter(p.tail, p.sink)
	}
	buf := make([]byte, readSize)
	for {
		n, err := p.pipe.Read(buf)
		w.Write(buf[:n]) // neither writer fails
		if err != nil {
			return
		}
	}
}

// childFiles are descriptors 0, 1 and 2 of the child.
func (o *output) childFiles() []*os.File { return []*os.File{o.stdin, o.out, o.err} }

// closeChildFiles closes our copies of them once the child has its own: the pipes
// end when the child's are closed.
func (o *output) closeChildFiles() {
	o.stdin.Close()
	for _, f := range []*os.File{o.out, o.err} {
		if f != nil && f != os.Stdout && f != os.Stderr {
			f.Close() // twice for redirect_stderr, which is harmless
		}
	}
}

// finish reads what is left and closes the pipes.
func (o *output) finish() {
	for _, p := range o.pumps {
		p.pipe.SetReadDeadline(time.Now().Add(outputGrace))
	}
	o.close()
}

func (o *output) close() {
	for _, p := range o.pumps {
		<-p.done
		p.pipe.Close()
	}
}

// abandon undoes openOutput.
func (o *output) abandon() {
	o.closeChildFiles()
	o.close()
}

// leave stops reading and hands the pipes over.
func (o *output) leave() (channels []Channel, files []*os.File) {
	for _, p := range o.pumps {
		p.pipe.SetReadDeadline(time.Unix(1, 0))
		<-p.done
		p.pipe.SetReadDeadline(time.Time{})
		channels = append(channels, Channel{Stderr: p.stderr, File: len(files)})
		files = append(files, p.pipe)
	}
	return channels, files
}

// lines returns the last n lines of both channels together, oldest first.
func (o *output) lines(n int) []string { return o.tail.Lines(n) }
