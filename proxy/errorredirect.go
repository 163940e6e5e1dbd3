package proxy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"paddock/accesslog"
	"paddock/proxy/http1"
)

// errorPage is one compiled entry of error_page.
type errorPage struct {
	codes  []int
	status int // that the page is sent with: of the error, of the page, or this
	named  string
	target *accesslog.Template
	text   string // as written, for messages
}

// What an error page's status may be beside a number.
const (
	statusOfError = -1
	statusOfPage  = 0
)

const errorPageForm = `expected "CODE… URI" or "CODE… =[CODE] URI", as in "404 /404.html" or "502 503 = @sorry"`

// errorPages compiles error_page.
func (c *compiler) errorPages(key string, entries []string) []errorPage {
	pages := []errorPage{}
	for _, text := range entries {
		p, err := parseErrorPage(text)
		if err != nil {
			c.problems.Addf(key, "%q: %v", text, err)
			continue
		}
		pages = append(pages, p)
	}
	return pages
}

func parseErrorPage(text string) (errorPage, error) {
	words := strings.Fields(text)
	p := errorPage{status: statusOfError, text: text}
	if len(words) < 2 {
		return p, errors.New(errorPageForm)
	}
	uri := words[len(words)-1]
	words = words[:len(words)-1]
	if last := words[len(words)-1]; strings.HasPrefix(last, "=") {
		words = words[:len(words)-1]
		var err error
		if p.status, err = replacement(last[1:]); err != nil {
			return p, err
		}
	}
	for _, word := range words {
		code, err := strconv.Atoi(word)
		if err != nil || code < 300 || code > 599 || code == statusClientGone {
			return p, fmt.Errorf("%q is no status from 300 to 599; %s", word, errorPageForm)
		}
		p.codes = append(p.codes, code)
	}
	if len(p.codes) == 0 {
		return p, errors.New(errorPageForm)
	}
	return p, p.setTarget(uri)
}

func replacement(text string) (int, error) {
	if text == "" {
		return statusOfPage, nil
	}
	code, err := strconv.Atoi(text)
	if err != nil || code < 200 || code > 599 {
		return 0, fmt.Errorf("%q is no status from 200 to 599; %s", "="+text, errorPageForm)
	}
	return code, nil
}

func (p *errorPage) setTarget(uri string) (err error) {
	if name, ok := strings.CutPrefix(uri, "@"); ok && name != "" {
		p.named = name
		return nil
	}
	if uri == "@" || uri[0] == '=' {
		return errors.New(errorPageForm)
	}
	p.target, err = accesslog.CompileTemplate(uri)
	return err
}

// findErrorPage looks for the error page of a refusal: once for a request, as
// nginx without recursive_error_pages.
func (x *exchange) findErrorPage(err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		r = &refusal{status: errInternal.status, cause: err}
	}
	rules, d := &x.rules().site, &x.detour
	if r.silent || r.location != nil || r.status < 300 {
		return err
	}
	d.status = 0
	if d.errorPage || len(rules.errorPages) == 0 {
		return err
	}
	d.errorPage = true
	p := findPage(rules.errorPages, r.pageCode())
	if p == nil {
		return err
	}
	x.letGo() // the page may be another app's
	x.try.turn.reset()
	if r.closes() { // as after the page of our own
		x.keepAlive = false
	}
	if x.unread { // what came of the body is of no use, and no second reader would find its place
		x.keepAlive, d.bodyTaken = false, true
		x.body.drop()
	}
	if r.status == 416 && r.size > 0 {
		d.kept = append(http1.AppendInt(append(d.kept, "Content-Range: bytes */"...), r.size), "\r\n"...)
	}
	if d.status = r.status; p.status != statusOfError {
		d.status = p.status
	}
	return x.turnToErrorPage(p)
}

func findPage(pages []errorPage, status int) *errorPage {
	for i := range pages {
		if slices.Contains(pages[i].codes, status) {
			return &pages[i]
		}
	}
	return nil
}

// turnToErrorPage goes to the page: a named location keeps the method and the
// path, a path is fetched with GET, anything else is a redirect of the client.
func (x *exchange) turnToErrorPage(p *errorPage) error {
	if p.target == nil {
		return x.turnToNamed(p.named)
	}
	target := p.target.Append(nil, &x.Entry)
	if len(target) > 0 && target[0] == '/' {
		x.becomeGet()
		return x.turnToTarget(target)
	}
	status := x.detour.status
	if x.detour.status = 0; !isRedirect(status) {
		status = 302
	}
	return &refusal{status: status, location: target}
}
