package proxy

import (
	_ "embed"
	"strings"
	"sync"
)

// mimeTable is the mime.types of Debian's nginx, so that the types are nginx's.
//
//go:embed data/mime.types
var mimeTable string

// mimeTypes returns the types by extension, in lower case.
var mimeTypes = sync.OnceValue(func() map[string]string { return parseMimeTypes(mimeTable) })

// parseMimeTypes reads the block "types { TYPE EXTENSION…; … }".
func parseMimeTypes(text string) map[string]string {
	types := map[string]string{}
	_, text, _ = strings.Cut(text, "{")
	text, _, _ = strings.Cut(text, "}")
	for entry := range strings.SplitSeq(text, ";") {
		words := strings.Fields(entry)
		for i := 1; i < len(words); i++ {
			types[words[i]] = words[0]
		}
	}
	return types
}

const maxExtension = 32 // the longest in the table has 7 letters

// mimeType returns the type of a path by its extension, or other. A name that
// only begins with a dot has no extension, as in nginx.
func mimeType(path []byte, other string) string {
	ext := extension(path)
	if len(ext) == 0 || len(ext) > maxExtension {
		return other
	}
	var lower [maxExtension]byte
	for i, c := range ext {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		lower[i] = c
	}
	if t, ok := mimeTypes()[string(lower[:len(ext)])]; ok {
		return t
	}
	return other
}

func extension(path []byte) []byte {
	for i := len(path) - 1; i > 1; i-- {
		if path[i] == '.' && path[i-1] != '/' {
			return path[i+1:]
		}
		if path[i] == '/' {
			break
		}
	}
	return nil
}
