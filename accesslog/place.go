package accesslog

import "path/filepath"

// documentRoot is missing where nginx has its own "html" folder: Paddock serves no
// files that nobody named.
func documentRoot(dst []byte, e *Entry) ([]byte, bool) {
	return append(dst, e.Root...), e.Root != ""
}

// realpathRoot is without symbolic links, as they are now.
func realpathRoot(dst []byte, e *Entry) ([]byte, bool) {
	if e.Root == "" {
		return dst, false
	}
	real, err := filepath.EvalSymlinks(e.Root)
	return append(dst, real...), err == nil
}

// requestFilename is where the file of the path would be; an alias takes the place
// of the location's part of it.
func requestFilename(dst []byte, e *Entry) ([]byte, bool) {
	dst = append(dst, e.Root...)
	return append(dst, e.Path[min(e.RootPath, len(e.Path)):]...), e.Root != ""
}
