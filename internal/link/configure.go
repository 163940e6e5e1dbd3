package link

import (
	"context"
	"fmt"
	"os"
	"slices"
)

// MaxGathered bounds the descriptors that one configuration may bring.
const MaxGathered = 4096

// ConfigureFiles are the files of a [Configure].
type ConfigureFiles struct {
	Config    *os.File   // a sealed memfd
	Listeners []*os.File // as Configure.Listeners
	Logs      []*os.File // as Configure.Logs
	AppDir    *os.File   // nil unless Configure.AppDir
	TempDir   *os.File   // nil unless Configure.TempDir
}

// Order returns the files as they are sent: configuration, listeners, logs, app
// folder, temporary folder.
func (f ConfigureFiles) Order() []*os.File {
	files := slices.Concat([]*os.File{f.Config}, f.Listeners, f.Logs)
	if f.AppDir != nil {
		files = append(files, f.AppDir)
	}
	if f.TempDir != nil {
		files = append(files, f.TempDir)
	}
	return files
}

// Split tells files that came with m, in the order of [ConfigureFiles.Order], apart.
func (m Configure) Split(files []*os.File) (ConfigureFiles, error) {
	want := 1 + len(m.Listeners) + len(m.Logs) + count(m.AppDir) + count(m.TempDir)
	if len(files) != want {
		return ConfigureFiles{}, fmt.Errorf("configure with %d descriptors; expected %d", len(files), want)
	}
	next := func(n int) []*os.File {
		part := files[:n:n]
		files = files[n:]
		return part
	}
	out := ConfigureFiles{Config: next(1)[0], Listeners: next(len(m.Listeners)), Logs: next(len(m.Logs))}
	if m.AppDir {
		out.AppDir = next(1)[0]
	}
	if m.TempDir {
		out.TempDir = next(1)[0]
	}
	return out, nil
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Configure sends a configuration and waits until it serves, or is refused with
// [*Refused]. The counts and flags of m must fit f. One at a time: the files of two
// configurations must not mix.
func (c *Conn) Configure(ctx context.Context, m Configure, f ConfigureFiles) (Ready, error) {
	answer, err := c.callMany(ctx, TypeConfigure, m.Serial, m, f.Order())
	if err != nil {
		return Ready{}, err
	}
	var ready Ready
	if err := answer.Decode(&ready); err != nil {
		return Ready{}, fmt.Errorf("link: %w", err)
	}
	return ready, nil
}

// Logs sends new descriptors of access logs, one for each of m.Logs, and waits until
// they are in use.
func (c *Conn) Logs(ctx context.Context, m Logs, files []*os.File) error {
	_, err := c.callMany(ctx, TypeLogs, m.Serial, m, files)
	return err
}

// callMany is Call with any number of files: the first ones go ahead in
// descriptors messages, which [Gather] collects on the other side.
func (c *Conn) callMany(ctx context.Context, typ string, serial int, body any, files []*os.File) (Message, error) {
	if len(files) > MaxGathered {
		return Message{}, fmt.Errorf("link: %s with %d descriptors; expected at most %d", typ, len(files), MaxGathered)
	}
	for len(files) > MaxFiles {
		if err := c.Send(TypeDescriptors, 0, Descriptors{Serial: serial}, files[:MaxFiles]...); err != nil {
			return Message{}, err
		}
		files = files[MaxFiles:]
	}
	return c.Call(ctx, typ, body, files...)
}

// Gather collects files that come ahead of their message. Its zero value is ready;
// it belongs to the goroutine of [Conn.Serve].
type Gather struct {
	serial int
	files  []*os.File
}

// Add keeps the files of a descriptors message. Files of another serial, whose
// message never came, are closed.
func (g *Gather) Add(m Message, files []*os.File) error {
	var d Descriptors
	if err := m.Decode(&d); err != nil {
		return err
	}
	if d.Serial != g.serial {
		g.Close()
		g.serial = d.Serial
	}
	if n := len(g.files) + len(files); n > MaxGathered {
		g.Close()
		return fmt.Errorf("%d descriptors ahead of their message; expected at most %d", n, MaxGathered)
	}
	g.files = append(g.files, Take(files)...)
	return nil
}

// Take returns all files of the message with this serial: those that came ahead,
// then its own. They are the caller's.
func (g *Gather) Take(serial int, files []*os.File) []*os.File {
	if serial != g.serial {
		g.Close()
	}
	all := append(g.files, Take(files)...)
	g.files = nil
	return all
}

// Close closes the files whose message never came.
func (g *Gather) Close() {
	CloseAll(g.files)
	g.files = nil
}
