package proxy

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"paddock/internal/value"
)

// compileContent compiles where the files of a location are.
func (c *compiler) compileContent(key string, cfg *Location, l *location) {
	l.internal = cfg.Internal
	if cfg.Alias != "" {
		l.alias = c.folder(value.Join(key, "alias"), cfg.Alias)
	}
	if cfg.TryFiles != "" {
		l.try = c.tryFiles(value.Join(key, "try_files"), cfg.TryFiles)
	}
	switch {
	case cfg.Alias != "" && cfg.Root != "":
		c.problems.Addf(value.Join(key, "alias"), "root and alias stand in one location; expected one of them")
	case cfg.TryFiles != "" && cfg.Return != "":
		c.problems.Addf(value.Join(key, "try_files"), "return answers before any file is tried; expected one of them")
	case cfg.TryFiles != "" && l.pass != nil && l.folder() == nil:
		c.problems.Addf(value.Join(key, "try_files"), "there is no root to try files in; expected root or alias")
	}
}

// checkAlias checks that an alias fits the pattern of its location.
func (c *compiler) checkAlias(key string, cfg *Location, l *location) {
	if cfg.Alias == "" {
		return
	}
	switch {
	case l.regexp != nil || l.prefix == "":
		c.problems.Addf(key, "an alias takes the place of a prefix, which %q has not; expected root", cfg.Path)
	case strings.HasSuffix(l.prefix, "/") && !strings.HasSuffix(cfg.Alias, "/"):
		c.problems.Addf(key, "%q: the path of the location ends in a slash; expected an alias that does too", cfg.Alias)
	}
}

// compileWhole makes the server itself a place for what no location matches.
func (c *compiler) compileWhole(key string, cfg *Server, s *server) {
	if cfg.TryFiles == "" {
		return
	}
	if s.site.root == nil {
		c.problems.Addf(value.Join(key, "try_files"), "there is no root to try files in; expected root")
	}
	s.whole.try = c.tryFiles(value.Join(key, "try_files"), cfg.TryFiles)
}

// checkNamed checks that the named locations that places lead to are there.
func (c *compiler) checkNamed(key string, s *server, places map[string]*location) {
	check := func(key, name string) {
		if s.table.named[name] == nil {
			c.problems.Addf(key, `there is no location "@%s" in this server`, name)
		}
	}
	s.whole.namedTargets(key, true, check)
	for at, l := range places {
		l.namedTargets(at, !sameErrorPages(l, s.whole), check)
	}
}

func sameErrorPages(a, b *location) bool {
	return len(a.site.errorPages) == len(b.site.errorPages) &&
		(len(a.site.errorPages) == 0 || &a.site.errorPages[0] == &b.site.errorPages[0])
}

// folder is where the files of a place are; nil: it has none.
func (l *location) folder() *folder {
	if l.alias != nil {
		return l.alias
	}
	return l.site.root
}

// fileName is the name of a path inside the place's folder. There is none for
// hidden files, and for a path that goes on behind an alias without a slash: nginx
// takes /static../secret there for a file beside the folder.
func (l *location) fileName(path []byte) (name string, ok bool) {
	rest := path
	if l.alias != nil {
		rest = path[min(len(l.prefix), len(path)):]
		if len(rest) > 0 && rest[0] != '/' && !strings.HasSuffix(l.prefix, "/") {
			return "", false
		}
	}
	if !l.site.hidden && isHidden(rest) {
		return "", false
	}
	if name = strings.Trim(string(rest), "/"); name == "" {
		name = "."
	}
	return name, true
}

// serveFile answers with a file (nginx: the static and the index module).
func (x *exchange) serveFile() error {
	place := x.place
	switch string(x.Method) {
	case "GET", "HEAD", "POST":
	default:
		return errNotAllowed
	}
	name, ok := place.fileName(x.Path)
	if !ok {
		return errNotFound
	}
	if x.Path[len(x.Path)-1] == '/' {
		return x.serveIndex(name)
	}
	file, info, err := place.folder().file(name)
	if err != nil {
		return x.fileRefused(err)
	}
	defer file.Close()
	switch {
	case info.IsDir():
	case !info.Mode().IsRegular():
		return errNotFound
	case string(x.Method) == "POST":
		return errNotAllowed
	}
	if err := x.skipBody(); err != nil {
		return err
	}
	if info.IsDir() {
		return x.redirectSlash()
	}
	return x.sendFileAnswer(file, info)
}

var errNotAllowed = &refusal{status: 405}

// fileRefused tells the log what is more than a file that is not there.
func (x *exchange) fileRefused(err error) error {
	r := fileRefusal(err)
	if r.cause != nil {
		x.conn.proxy.logger.Warn("a file can't be served", zap.ByteString("request", x.Line),
			zap.ByteString("uri", x.Path), zap.String("folder", x.place.folder().path), zap.Error(err))
	}
	return r
}

// serveIndex goes on to the first index file of a folder that is there.
func (x *exchange) serveIndex(name string) error {
	folder := x.place.folder()
	for i, index := range x.place.site.index {
		if index[0] == '/' {
			return x.turnTo([]byte(index), x.Query, x.HasQuery)
		}
		_, err := folder.stat(name + "/" + index)
		if err == nil {
			path := append(append(x.scratch[:0], x.Path...), index...)
			x.scratch = path
			return x.turnTo(path, x.Query, x.HasQuery)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return x.fileRefused(err)
		}
		if i == 0 {
			if info, err := folder.stat(name); err != nil {
				return x.fileRefused(err)
			} else if !info.IsDir() {
				return x.fileRefused(syscall.ENOTDIR)
			}
		}
	}
	return errForbidden // nginx: directory index is forbidden
}

var errForbidden = &refusal{status: 403}

// fileAnswer is what is known of the file that answers. nil: another answer.
type fileAnswer struct {
	file     *os.File
	size     int64
	modified time.Time // whole seconds
	etag     []byte
	ranges   []byteRange // none: all of it
}

func (f *fileAnswer) modifiedTime() time.Time {
	if f == nil {
		return time.Time{}
	}
	return f.modified
}

// sendFileAnswer answers with a file that is open.
func (x *exchange) sendFileAnswer(file *os.File, info os.FileInfo) error {
	f := &fileAnswer{file: file, size: info.Size(), modified: info.ModTime().Truncate(time.Second)}
	f.etag = appendETag(nil, f.modified, f.size)
	r := reply{status: x.finalStatus(200), file: f, length: f.size}
	r.contentType = mimeType(x.Path, x.place.site.defaultType)
	if kept := x.detour.keptType; len(kept) > 0 {
		r.contentType = string(kept)
	}
	if r.status == 200 {
		if err := x.precondition(&r); err != nil {
			return err
		}
	}
	return x.sendReply(&r)
}

// appendETag appends nginx's ETag: time and size in hexadecimal.
func appendETag(dst []byte, modified time.Time, size int64) []byte {
	dst = strconv.AppendInt(append(dst, '"'), modified.Unix(), 16)
	dst = strconv.AppendInt(append(dst, '-'), size, 16)
	return append(dst, '"')
}

// documentRoot is $document_root and how many bytes of the path an alias stands for.
func (l *location) documentRoot() (root string, skip int) {
	switch {
	case l.alias == nil && l.site.root == nil:
		return "", 0
	case l.alias == nil:
		return strings.TrimSuffix(l.site.root.path, "/"), 0
	}
	return l.alias.path, len(l.prefix)
}
