package http1

import "bytes"

// schemes are those whose absolute-form is taken (RFC 9112 3.2.2). A proxy in
// front of a TLS listener may send https.
var schemes = [...]string{"http://", "https://"}

// parseTarget reads the four forms of RFC 9112 3.2. That of CONNECT is left
// alone: checkMethod refuses it.
func (r *Request) parseTarget() error {
	t := r.Target
	switch {
	case string(r.Method) == "CONNECT":
		return nil
	case t[0] == '/':
		return r.setPath(t)
	case len(t) == 1 && t[0] == '*':
		return r.setAsterisk()
	}
	rest, err := cutScheme(t)
	if err != nil {
		return err
	}
	return r.setAbsolute(rest)
}

func (r *Request) setAsterisk() error {
	if string(r.Method) != "OPTIONS" {
		return errAsterisk
	}
	r.Path, r.NormalPath = r.Target, r.Target
	return nil
}

func cutScheme(t []byte) (rest []byte, err error) {
	for _, s := range schemes {
		if len(t) > len(s) && hasPrefixFold(t, s) {
			return t[len(s):], nil
		}
	}
	if bytes.Contains(t, []byte("://")) {
		return nil, errScheme
	}
	return nil, errTarget
}

// hasPrefixFold is for prefixes whose bytes are letters, ':' and '/'. Only their
// upper-case twins differ by the case bit: a CTL can not be in a target.
func hasPrefixFold(t []byte, lower string) bool {
	return lowerIs(t[:len(lower)], lower)
}

// setAbsolute reads authority, path and query. User information is refused: it
// only ever hides a host (RFC 9110 4.2.4).
func (r *Request) setAbsolute(rest []byte) error {
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	host := rest[:end]
	name, _, ok := ParseHost(host)
	if !ok {
		return errAuthority
	}
	r.absolute = true
	r.Host, r.HostName = host, r.lowerHost(name)
	return r.setPath(rest[end:])
}

func (r *Request) setPath(t []byte) error {
	r.Path = t
	if path, query, found := bytes.Cut(t, queryMark); found {
		r.Path, r.Query, r.HasQuery = path, query, true
	}
	if len(r.Path) == 0 { // RFC 9110 4.2.3: "http://host" is "http://host/"
		r.Path = rootPath
	}
	if isNormal(r.Path) {
		r.NormalPath = r.Path
		return nil
	}
	normal, err := AppendNormalPath(r.pathBuf[:0], r.Path)
	if err != nil {
		return err
	}
	r.pathBuf, r.NormalPath = normal, normal
	return nil
}

var (
	rootPath  = []byte{'/'}
	queryMark = []byte{'?'}
)
