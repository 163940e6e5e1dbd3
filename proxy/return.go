package proxy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"paddock/accesslog"
	"paddock/proxy/http1"
)

// answer is a compiled `return`: "code", "code text", "code URL" or "URL".
type answer struct {
	status   int
	text     *accesslog.Template // the body, or the place of a redirect; nil for a page of ours
	redirect bool
	slash    bool // a redirect to the same path with a slash at its end
}

// Codes that `return` may answer with. nginx takes 0 to 199 too, but no client
// takes them for the end of its request.
const (
	minReturnCode = 200
	maxReturnCode = 999
)

// isSilent reports whether nginx closes the connection without an answer.
func isSilent(status int) bool { return status == 408 || status == 444 || status == statusClientGone }

var errReturnForm = errors.New(`expected "code", "code text", "code URL" or "URL", as in "301 https://$host$request_uri"`)

// compileReturn reads the value of `return` (nginx: return).
func compileReturn(text string) (*answer, error) {
	first, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	if isURL(first) {
		first, rest = "302", text
	}
	code, err := strconv.Atoi(first)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, errReturnForm)
	}
	if code < minReturnCode || code > maxReturnCode {
		return nil, fmt.Errorf("%q: expected a code of %d to %d", text, minReturnCode, maxReturnCode)
	}
	a := &answer{status: code, redirect: isRedirect(code)}
	word, given, err := oneWord(rest)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	if !given {
		if a.redirect {
			return nil, fmt.Errorf("%q: a redirect needs a URL: %w", text, errReturnForm)
		}
		return a, nil
	}
	a.text, err = accesslog.CompileTemplate(word)
	return a, err
}

func isURL(s string) bool {
	s = strings.TrimLeft(s, `"'`)
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "$scheme")
}

func isRedirect(code int) bool {
	switch code {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// oneWord takes the one argument that may follow the code: bare, or in quotes
// where a backslash keeps the next byte, as in nginx's file.
func oneWord(s string) (word string, given bool, err error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return "", false, nil
	}
	if s[0] != '"' && s[0] != '\'' {
		if strings.ContainsAny(s, " \t") {
			return "", false, errors.New(`a text of several words stands in quotes, as in '200 "it works"'`)
		}
		return s, true, nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			if i != len(s)-1 {
				return "", false, errors.New("nothing may follow the text in quotes")
			}
			return b.String(), true, nil
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(unescape(s[i]))
		default:
			b.WriteByte(s[i])
		}
	}
	return "", false, errors.New("a quote is not closed")
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// giveReturn answers by the location's `return`.
func (x *exchange) giveReturn(a *answer) error {
	if a.text == nil && isSilent(a.status) {
		return &refusal{status: a.status, silent: true}
	}
	if a.text == nil && !a.slash && a.status >= 300 {
		return &refusal{status: a.status}
	}
	if err := x.skipBody(); err != nil {
		return err
	}
	switch {
	case a.slash:
		return x.redirectSlash()
	case a.redirect:
		x.scratch = a.text.Append(x.scratch[:0], &x.Entry)
		return x.sendRedirect(a.status, x.scratch)
	case a.text != nil:
		x.scratch = a.text.Append(x.scratch[:0], &x.Entry)
		return x.sendPage(a.status, x.place.site.defaultType, x.scratch)
	}
	return x.sendPage(a.status, x.place.site.defaultType, nil)
}

// absolute makes a URL of a path as nginx does (absolute_redirect): the host of
// the request, the port it came in by.
func (x *exchange) absolute(place []byte) []byte {
	if len(place) == 0 || place[0] != '/' || x.rules().site.relativeHost {
		return place
	}
	if x.outside {
		return x.absoluteOutside(place)
	}
	c := x.conn.info
	full := make([]byte, 0, len(place)+len(x.Host)+len("https://:65535"))
	full = append(append(full, c.Scheme...), "://"...)
	full = append(full, x.Host...)
	if c.ServerPort != "" && c.ServerPort != defaultPort(c.Scheme) {
		full = append(append(full, ':'), c.ServerPort...)
	}
	return append(full, place...)
}

// defaultPort is the port that a URL of the scheme leaves out.
func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// redirectSlash answers a path that lacks the slash at the end of its location.
func (x *exchange) redirectSlash() error {
	place := append(http1.AppendEscapedPath(x.scratch[:0], x.Path), '/')
	if len(x.Query) > 0 {
		place = append(append(place, '?'), x.Query...)
	}
	x.scratch = place
	return x.sendRedirect(301, place)
}

// sendRedirect answers with nginx's page for the status and a Location.
func (x *exchange) sendRedirect(status int, place []byte) error {
	return x.sendRefusal(&refusal{status: status, location: place})
}
