package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"paddock/internal/logfile"
)

const (
	// maxOpenFiles bounds the descriptors of one log with $variables in its path.
	maxOpenFiles = 64
	// maxNewFiles bounds the files that one such log makes in the life of a process:
	// whoever sends requests has a say in the names.
	maxNewFiles = 1000
	// fileLife is how long a file is trusted to be the one of its name. nginx opens
	// the file for each request.
	fileLife = time.Second
)

// folderPath is a path with $variables: a folder that is there, and what is opened
// below it.
type folderPath struct {
	dir     string
	name    *Template
	slashes int // that the text has: no value may bring one
}

// FixedFolder is the part of a path with $variables that has none: a folder.
func FixedFolder(text string) string {
	dir, _ := path.Split(text[:strings.IndexByte(text, '$')])
	return dir
}

func parseFolderPath(text string) (folderPath, error) {
	dir := FixedFolder(text)
	name := text[len(dir):]
	if dir == "" || dir == "/" {
		return folderPath{}, fmt.Errorf(`%q: expected the path of a folder in front of the first variable, as in "/var/log/sites/$host.log"`, text)
	}
	t, err := CompileTemplate(name)
	return folderPath{dir: dir, name: t, slashes: strings.Count(name, "/")}, err
}

// folder writes each line to the file that its request names, below a folder that
// the proxy's user may write in: nginx's workers open these files, too.
type folder struct {
	folderPath
	*records
	root *os.Root
	open map[string]*openFile
	made int
	uses uint64
}

type openFile struct {
	out    *logfile.Descriptor
	opened time.Time
	used   uint64
	torn   bool // its last line is half written
}

func newFolder(text string, o Options) (*folder, error) {
	p, err := parseFolderPath(text)
	if err != nil {
		return nil, err
	}
	f := &folder{folderPath: p, open: map[string]*openFile{}}
	if f.root, err = os.OpenRoot(p.dir); err != nil {
		return nil, fmt.Errorf("the folder of the access log %q: %w", text, err)
	}
	if err := unix.Access(p.dir, unix.W_OK|unix.X_OK); err != nil {
		f.root.Close()
		return nil, fmt.Errorf("the folder of the access log %q: the proxy, which is user %d, may not write there: %w", text, os.Geteuid(), err)
	}
	f.records = newRecords(o, f.deliver)
	return f, nil
}

func (f *folder) write(line []byte, e *Entry) {
	name := f.name.Append(make([]byte, 0, 64), e)
	if !f.good(name) {
		f.drop()
		return
	}
	f.add(name, line)
}

// good reports whether a name is one below the folder that the configuration meant:
// no value made a path of it.
func (f *folder) good(name []byte) bool {
	if bytes.Count(name, []byte{'/'}) != f.slashes {
		return false
	}
	for part := range bytes.SplitSeq(name, []byte{'/'}) {
		if len(part) == 0 || string(part) == "." || string(part) == ".." {
			return false
		}
	}
	return bytes.IndexFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}

// errTorn says that a line is half written.
var errTorn = errors.New("the line is half written")

func (f *folder) deliver(name, line []byte) error {
	out, err := f.file(string(name))
	if err != nil {
		return err
	}
	if out.torn {
		if _, err := out.out.Write([]byte{'\n'}); err != nil {
			return err
		}
		out.torn = false
	}
	n, err := out.out.Write(line)
	if err != nil && n > 0 {
		out.torn = true
		err = errors.Join(errTorn, err)
	}
	return err
}

func (f *folder) file(name string) (*openFile, error) {
	f.uses++
	if o := f.open[name]; o != nil {
		if time.Since(o.opened) < fileLife {
			o.used = f.uses
			return o, nil
		}
		f.closeFile(name)
	}
	if len(f.open) >= maxOpenFiles {
		f.closeOldest()
	}
	file, err := f.openFile(name)
	if err != nil {
		return nil, err
	}
	o := &openFile{out: logfile.NewDescriptor(file), opened: time.Now(), used: f.uses}
	f.open[name] = o
	return o, nil
}

func (f *folder) openFile(name string) (*os.File, error) {
	const flags = os.O_WRONLY | os.O_APPEND | unix.O_NONBLOCK // of a FIFO
	file, err := f.root.OpenFile(name, flags, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if f.made >= maxNewFiles {
		return nil, fmt.Errorf("%s: %d files were made already", name, maxNewFiles)
	}
	file, err = f.root.OpenFile(name, flags|os.O_CREATE, logfile.DefaultMode)
	if err == nil {
		f.made++
	}
	return file, err
}

func (f *folder) closeFile(name string) {
	f.open[name].out.Close()
	delete(f.open, name)
}

func (f *folder) closeOldest() {
	oldest := ""
	for name, o := range f.open {
		if oldest == "" || o.used < f.open[oldest].used {
			oldest = name
		}
	}
	f.closeFile(oldest)
}

// reopen is not needed: no file is kept for longer than fileLife.
func (f *folder) reopen(file *os.File) { file.Close() }

func (f *folder) close() error {
	err := f.records.close()
	for name := range f.open {
		f.closeFile(name)
	}
	f.root.Close()
	return err
}
